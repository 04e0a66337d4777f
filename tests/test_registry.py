"""The registry: a file's name is the plugin's name, and nothing else has to be told of it."""

import sys
from pathlib import Path

import pytest

from crossattack.errors import UnknownName
from crossattack.registry import ATTACKS, DATASETS, DEFENCES, IMAGE_TOWERS, OBJECTIVES, TARGETS, TEXT_TOWERS, Registry, class_name

ALL = (ATTACKS, DATASETS, DEFENCES, OBJECTIVES, TARGETS, IMAGE_TOWERS, TEXT_TOWERS)
PLUGINS = [pytest.param(registry, name, id=f"{registry.kind} {name}") for registry in ALL for name in registry.names()]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A package of three files, of which one is a shared part."""
    folder = tmp_path / "shelf_of_plugins"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_shared.py").write_text("raise AssertionError('a shared part is no plugin')")
    (folder / "mi_fgsm.py").write_text('class MiFgsm:\n    """Momentum.\n\n    More of it.\n    """\n')
    (folder / "noise.py").write_text("raise AssertionError('nobody asked for noise')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("shelf_of_plugins")]:
        monkeypatch.delitem(sys.modules, name)
    return Registry("attack", "shelf_of_plugins")


def test_a_file_is_a_plugin_and_the_others_are_not_opened(shelf: Registry) -> None:
    assert shelf.names() == ("mi_fgsm", "noise")
    assert shelf.load("mi_fgsm").__name__ == "MiFgsm"
    assert shelf.summary("mi_fgsm") == "Momentum."


def test_a_file_more_is_a_plugin_more(shelf: Registry, tmp_path: Path) -> None:
    assert "pgd" not in shelf.names()
    (tmp_path / "shelf_of_plugins" / "pgd.py").write_text("class Pgd: ...")
    assert shelf.load("pgd").__name__ == "Pgd"


@pytest.mark.parametrize("name", ["mi-fgsm", "mifgsm", "mi_fgsn"])
def test_an_unknown_name_lists_the_choices_and_the_nearest(shelf: Registry, name: str) -> None:
    with pytest.raises(UnknownName, match=r"^no attack is called .* \(did you mean 'mi_fgsm'\?\); choose one of mi_fgsm, noise\.$"):
        shelf.load(name)


@pytest.mark.parametrize("name", ["zebra", "", "_shared", "../noise", "os.path"])
def test_a_name_that_is_near_nothing_lists_the_choices(shelf: Registry, name: str) -> None:
    with pytest.raises(UnknownName) as refused:
        shelf.load(name)
    assert str(refused.value).endswith("choose one of mi_fgsm, noise.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("registry", "name"), PLUGINS)
def test_every_plugin_has_its_class_and_says_what_it_is_in_a_line(registry: Registry, name: str) -> None:
    assert registry.load(name).__name__ == class_name(name)
    summary = registry.summary(name)
    assert summary.endswith("."), summary
    assert 20 < len(summary) <= 140


@pytest.mark.parametrize(
    ("registry", "names"),
    [
        (ATTACKS, {"aach", "noise", "pgd"}),
        (DATASETS, {"pictograms", "scenes"}),
        (TARGETS, {"callable", "codes", "dcmh", "embedding", "http", "module"}),
        (IMAGE_TOWERS, {"efficientnet_lite0", "convnet", "cnnf"}),
        (TEXT_TOWERS, {"bag_of_words"}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_the_documentation_promises_is_there(registry: Registry, names: set[str]) -> None:
    assert names <= set(registry.names())
