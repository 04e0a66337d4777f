"""The Python API: names without a wait, runs of one's own objects, and the same figures as by the other doors."""

import ast
import json
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from worlds import scenes

import crossattack
from crossattack.calls import _section
from crossattack.cli import main
from crossattack.encoding import encode
from crossattack.registry import ATTACKS
from crossattack.replay import replay

SMALL: dict[str, Any] = {"surrogate.image_tower": "convnet", "surrogate.epochs": 1, "surrogate.least_steps": 0, "surrogate.batch": 16}
SMALL |= {"ceiling.steps": 2, "evaluation.resamples": 20}
FEW: dict[str, Any] = {"budget": 60, "attacked": 10, "settings": SMALL}


@dataclass(frozen=True, kw_only=True)
class Darker:
    """Every pixel `levels` darker, at no query."""

    family: ClassVar[str] = "control"
    needs: ClassVar[crossattack.Needs] = crossattack.Needs(changes=("images",))
    levels: int = 8
    eps: float = 8 / 255

    def fit(self, context: crossattack.AttackContext) -> crossattack.Perturb:
        def perturb(items: crossattack.Pictures | crossattack.Words) -> crossattack.Perturbed:
            if isinstance(items, crossattack.Words):
                return crossattack.unasked(items)
            darker = (items.values.int() - self.levels).clamp(min=0).to(torch.uint8)
            return crossattack.unasked(crossattack.Pictures(items.ids, darker))

        return perturb


class Engine(nn.Module):
    """A target that is nothing but what the protocol asks for; texts are read by their first letters."""

    def __init__(self, bits: int = 12, pixels: int = 16, similarity: Any = crossattack.Similarity.HAMMING, read: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dim, self.similarity, self.reads_texts = bits, similarity, read
        self.pictures, self.letters = nn.Linear(3 * pixels * pixels, bits), nn.Embedding(256, bits)
        self.digest = crossattack.weights_digest(self)
        self.eval()

    def encode_images(self, images: Tensor) -> Tensor:
        return (20 * self.pictures(images.flatten(1) - 0.5)).tanh()

    def encode_texts(self, texts: Any) -> Tensor:
        assert all(isinstance(text, str | tuple | list) for text in texts), "never a bag of words"
        return self.letters(torch.tensor([sum(map(ord, str(text))) % 256 for text in texts])).tanh()


def without_times(results: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key not in ("started", "seconds", "memory", "name", "config")}


# Names


def test_importing_the_suite_brings_nothing_heavy_and_every_name_is_there() -> None:
    program = """
import sys, crossattack
heavy = {"torch", "numpy", "pydantic", "rich", "yaml"} & set(sys.modules)
assert not heavy, heavy
assert set(crossattack.__all__) <= set(dir(crossattack))
crossattack.UsageError, crossattack.Event
assert "torch" not in sys.modules
missing = [name for name in crossattack.__all__ if getattr(crossattack, name, None) is None]
assert not missing, missing
from crossattack import *
assert Oracle.__module__ == "crossattack.oracle"
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_types_homes_and_all_tell_of_the_same_names_and_none_hides_a_module() -> None:
    source = Path(crossattack.__file__).read_text(encoding="utf-8")
    typed, _ = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    imports = {node.module: " ".join(alias.name for alias in node.names) for node in typed.body if isinstance(node, ast.ImportFrom)}
    assert imports == crossattack.HOMES
    assert sorted(" ".join(imports.values()).split()) == sorted(crossattack.__all__)
    modules = {module.name for module in pkgutil.iter_modules(crossattack.__path__)}
    assert not modules & set(crossattack.__all__), "the module would take the name's place once it is imported"


def test_a_name_that_is_not_there_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'crossattack' has no attribute 'Orakle'"):
        crossattack.Orakle  # type: ignore[attr-defined] # noqa: B018


def test_plugins_by_name_are_those_of_the_suite_and_settings_are_checked() -> None:
    from crossattack.attacks.aach import Aach
    from crossattack.objectives.own import Own

    assert crossattack.attack("aach", steps=7, eps="4/255") == Aach(steps=7, eps=4 / 255)
    assert isinstance(crossattack.objective("own"), Own)
    assert crossattack.target("dcmh", bits=64).bits == 64
    with pytest.raises(crossattack.ConfigError) as refused:
        crossattack.attack("aach", setps=7, eps="far")
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("attack.setps: no such key (did you mean 'steps'?)")
    assert lines[1].startswith("attack.eps: ")
    with pytest.raises(crossattack.ConfigError, match=r"data: no data set is called 'scnes' \(did you mean 'scenes'\?\)"):
        crossattack.dataset("scnes")
    with pytest.raises(crossattack.UsageError, match="a plugin's name wanted, given got"):
        crossattack.target("given")


# Own pairs


def test_own_pairs_hold_what_was_given_and_groups_are_kept_together() -> None:
    images = np.arange(40 * 3 * 4 * 4, dtype=np.uint8).reshape(40, 3, 4, 4)
    pairs = crossattack.pairs_of(images, [str(i) for i in range(40)], np.arange(40) % 3, groups=np.arange(40) // 2)
    assert torch.equal(pairs.images, torch.from_numpy(images))
    assert pairs.labels.int().argmax(1).tolist() == [i % 3 for i in range(40)]
    assert pairs.label_names == ("label 0", "label 1", "label 2")
    split = crossattack.split_of(pairs, query=6, attacker=10, held_back=4)
    roles = [split.query, split.database, split.attacker, split.held_back]
    assert [len(role) for role in roles] == [6, 20, 10, 4]
    groups = [set(pairs.groups[role].tolist()) for role in roles]
    assert sum(len(group) for group in groups) == 20, "no group is in two roles"
    assert torch.equal(split.train, split.database)


PICTURES = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((PICTURES / 255, "abcd", [0] * 4), "images: uint8 (items, 3, height, width) wanted, float32 (4, 3, 2, 2) got"),
        ((PICTURES[:, :1], list("abcd"), [0] * 4), "images: uint8 (items, 3, height, width) wanted, uint8 (4, 1, 2, 2) got"),
        ((PICTURES, "abcd", [0] * 4), "texts: a list of texts wanted, one text 'abcd' got"),
        ((PICTURES, list("abc"), [0] * 4), "texts: 4 wanted, as many as there are pictures, 3 got"),
        ((PICTURES, (), [0] * 5), "labels: 4 wanted, as many as there are pictures, 5 got"),
        ((PICTURES, (), [0.5] * 4), "labels: class numbers from 0 (items,), or marks (items, labels), wanted, float32 (4,) got"),
        ((PICTURES, (), [-1, 0, 0, 0]), "labels: class numbers from 0"),
        ((PICTURES, (), [0, 1, 0, 1], [0.0] * 4), "groups: whole numbers (items,) wanted, float32 (4,) got"),
        ((PICTURES, (), [0, 1, 0, 1], None, ["one"]), "label_names: 2 wanted, as many as there are labels, 1 got"),
    ],
)
def test_pairs_that_do_not_fit_together_are_refused_in_a_line(arguments: tuple[Any, ...], line: str) -> None:
    with pytest.raises(crossattack.UsageError) as refused:
        crossattack.pairs_of(*arguments)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


# Runs


@pytest.mark.usefixtures("empty_cache")
class TestARunOfOnesOwn:
    def test_figures_are_those_counted_by_hand_and_the_folder_is_one_like_any_other(self, tmp_path: Path) -> None:
        engine, (pairs, split) = Engine(), scenes()
        folder = tmp_path / "mine"
        results = crossattack.evaluate(engine, (pairs, split), Darker(levels=5), folder=folder, **FEW)
        codes = {
            role: [crossattack.harden(encode(engine, side, getattr(pairs.take(of), side))) for side in ("images", "texts")]  # type: ignore[arg-type]
            for role, of in (("query", split.query[:10]), ("database", split.database))
        }
        relevant = crossattack.share_a_label(pairs.labels[split.query[:10]], pairs.labels[split.database])
        for direction, (asks, answers) in {"image_to_text": (0, 1), "text_to_image": (1, 0)}.items():
            by_hand = crossattack.mean_average_precision(codes["query"][asks], codes["database"][answers], relevant).value
            assert results["directions"][direction]["map"]["clean"] == pytest.approx(by_hand, abs=1e-12)
        darker = (pairs.images[split.query[:10]].int() - 5).clamp(min=0).to(torch.uint8)
        attacked = crossattack.mean_average_precision(
            crossattack.harden(encode(engine, "images", darker)), codes["database"][1], relevant
        ).value
        assert results["directions"]["image_to_text"]["map"]["attacked"] == pytest.approx(attacked, abs=1e-12)
        assert results["budget"]["spent"] == 0
        assert results["config"]["target"]["what"] == "test_api.Engine"
        assert results["config"]["attack"] == {"name": "test_api.Darker", "levels": 5, "eps": 8 / 255}
        assert replay(folder)[0] == []
        assert "crossattack.evaluate(...)" in (folder / "report.html").read_text(encoding="utf-8")
        assert main(["report", str(folder)]) == 0

    def test_the_same_call_shows_a_finished_run_again_and_another_target_is_refused(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data, folder = scenes(), tmp_path / "mine"
        first = crossattack.evaluate(Engine(), data, "noise", folder=folder, **FEW)
        events: list[crossattack.Event] = []
        assert crossattack.evaluate(Engine(), data, "noise", folder=folder, on_event=events.append, **FEW) == first
        assert not events
        with pytest.raises(crossattack.ConfigError, match=r"target.digest: .* wanted, as in .*config\.yaml"):
            crossattack.evaluate(Engine(bits=16), data, "noise", folder=folder, **FEW)
        monkeypatch.chdir(tmp_path)
        assert main(["run", "--config", "mine/config.yaml", "--name", "again", "--runs", "runs"]) == 2
        assert capfd.readouterr().err.startswith("error: target and data: a plugin's name wanted, the object of a Python program got;")
        assert not (tmp_path / "runs").exists()

    def test_a_run_that_was_stopped_goes_on_and_ends_like_one_that_was_not(self, tmp_path: Path) -> None:
        def stop(event: crossattack.Event) -> None:
            if event.stage == "judging":
                raise KeyboardInterrupt

        call = {"target": Engine(), "data": scenes(), "attack": crossattack.attack("aach", steps=2), **FEW}
        with pytest.raises(KeyboardInterrupt):
            crossattack.evaluate(**call, folder=tmp_path / "stopped", on_event=stop)
        events: list[crossattack.Event] = []
        resumed = crossattack.evaluate(**call, folder=tmp_path / "stopped", on_event=events.append)
        assert "training surrogate" not in {event.stage for event in events}
        whole = crossattack.evaluate(**call)
        assert without_times(resumed) == without_times(whole)
        assert whole["budget"]["spent"] > 0
        texts = whole["directions"]["text_to_image"]["map"]
        assert texts["clean"] is not None
        assert texts["attacked"] is None, "a target that does not say what its bags hold is sent none"

    def test_by_name_it_is_the_run_of_the_configuration(self, tmp_path: Path) -> None:
        target = crossattack.target("dcmh", bits=8, image_tower="convnet", epochs=1)
        data = crossattack.dataset("scenes", pairs=240, pixels=16)
        called = crossattack.evaluate(target, data, crossattack.attack("aach", steps=2), **FEW)
        overrides = ["target.bits=8", "target.image_tower=convnet", "target.epochs=1", "data=scenes", "data.pairs=240", "data.pixels=16"]
        overrides += ["attack.steps=2", "oracle.budget=60", "attacked=10", *(f"{key}={value}" for key, value in SMALL.items())]
        configured = crossattack.run_experiment(crossattack.load_config(overrides=overrides), tmp_path / "configured")
        assert without_times(called) == without_times(configured)
        pairs, split = data.load(crossattack.Silent())
        loaded = target.load(pairs.take(split.train), device="cpu", progress=crossattack.Silent())
        at_hand = crossattack.evaluate(loaded, (pairs, split), crossattack.attack("aach", steps=2), **FEW)
        assert at_hand["directions"] == called["directions"], "bags of words too, as its vocabulary is known"

    def test_features_of_pictures_alone_are_evaluated_in_their_own_direction(self) -> None:
        pairs, split = scenes()
        engine = Engine(similarity=crossattack.Similarity.COSINE, read=False)
        results = crossattack.evaluate(engine, (pairs.pictures(), split), crossattack.attack("pgd", steps=2), **FEW)
        assert list(results["directions"]) == ["image_to_image"]
        assert results["threat_model"]["reveals"] == "features"
        found = results["directions"]["image_to_image"]["map"]
        assert found["ceiling"] < found["clean"]

    def test_other_edits_of_words_than_bags_are_real_texts_for_a_plain_target(self) -> None:
        settings = {key: value for key, value in SMALL.items() if key != "ceiling.steps"}
        results = crossattack.evaluate(Engine(), scenes(), crossattack.attack("tags", edits=1), **{**FEW, "settings": settings})
        assert results["distortion"]["texts"]["edited"] > 0
        assert results["directions"]["text_to_image"]["map"]["attacked"] is not None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"digest": None}, "target: dim, similarity, digest, encode_images, encode_texts wanted, Engine has no digest;"),
        ({"training": True}, "target: Engine in evaluation mode wanted, in training mode got; call its `eval()`."),
        ({"dim": 13}, "target.encode_images: floats (2, 13) wanted of 2 items, torch.float32 (2, 12) got;"),
        ({"encode_texts": lambda texts: [0]}, "target.encode_texts: floats (2, 12) wanted of 2 items, list got;"),
        ({"encode_images": lambda images: torch.full((2, 12), torch.nan)}, "target.encode_images: finite outputs wanted, NaN"),
        ({"encode_images": lambda images: torch.ones(2, 12)}, "target.encode_images: outputs with gradients wanted, for the ceiling,"),
    ],
    ids=["digest", "training", "dim", "texts", "nan", "gradients"],
)
def test_a_target_that_will_not_do_is_refused_before_anything_is_written(change: dict[str, Any], line: str, tmp_path: Path) -> None:
    engine = Engine()
    for name, value in change.items():
        delattr(engine, name) if value is None else setattr(engine, name, value)
    with pytest.raises(crossattack.UsageError) as refused:
        crossattack.evaluate(engine, scenes(), "noise", folder=tmp_path / "run", **FEW)
    assert str(refused.value).startswith(line)
    assert not list(tmp_path.iterdir())


def test_an_attack_of_ones_own_is_a_name_on_the_command_line_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ATTACKS.load("test_api.Darker") is Darker
    assert ATTACKS.name_of(Darker()) == "test_api.Darker"
    assert ATTACKS.name_of(crossattack.attack("mi_fgsm")) == "mi_fgsm"
    config = crossattack.load_config(overrides=["attack=test_api.Darker", "attack.levels=3"])
    assert config.attack.plugin == Darker(levels=3)
    assert crossattack.load_config(overrides=[f"attack={json.dumps(config.resolved()['attack'])}"]).attack == config.attack
    for name in ("test_api.Engine", "test_api.Nobody", "no_such.Darker", "os.path", "test_api."):
        assert main(["run", "--attack", name, "--runs", str(tmp_path / "runs")]) == 2
        assert capfd.readouterr().err.startswith(f"error: attack: no attack is called '{name}'")
    with pytest.raises(crossattack.UsageError, match=r"^attack: one of the suite wanted, or a frozen dataclass with family, needs, fit"):
        _section(Engine(), ATTACKS)
