"""The experiments of the papers: each file of configs/papers is a run that would start, and says what the paper says."""

import json
import re
from pathlib import Path

import pytest
from field_files import layout_b, wikipedia, world
from tiny_clip import tiny_clip

from crossattack.cli import main
from crossattack.config import RunConfig, load_config
from crossattack.errors import ConfigError

PAPERS = Path(__file__).resolve().parents[1] / "configs/papers"
FILES = sorted(PAPERS.rglob("*.yaml"))
OF_TARGETS = [file for file in FILES if file.parent.name == "targets"]
PUBLISHED = {  # 32 bits, pictures that ask for texts and texts that ask for pictures; ACMR as it is remembered
    "dcmh": ("0.747", "0.790"),
    "dadh": ("0.803", "0.805"),
    "djsrh": ("0.697", "0.691"),
    "ucch": ("0.744", "0.725"),
    "dchmt": ("0.827", "0.814"),
    "acmr": ("0.62", "0.49"),
}
SPLITS = {
    "dcmh": "queries are the first 2,000, training the next 10,000",
    "ucch": "queries are the last 2,000",
    "dchmt": "queries are the first 5,000 and training the next 10,000 of numpy's permutation",
    "own": "693 articles of the test list",
}
POPULATIONS = {"tagged": "the 20,015 pairs with a label and a common tag", "labelled": "the 24,581 pairs with a label"}


def weightless(file: Path) -> RunConfig:
    """The configuration without the weights that a tower is to start from: their files are nobody's to hand on."""
    return load_config(file, ["target.weights=none"] if "\n  weights:" in file.read_text(encoding="utf-8") else [])


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(PAPERS).as_posix() for file in FILES])
def test_it_is_a_valid_run_and_names_its_own_command(file: Path) -> None:
    config = weightless(file)
    assert config.name is not None
    assert config.name.endswith(file.stem)
    assert f"--config configs/papers/{file.relative_to(PAPERS).as_posix()}`" in file.read_text(encoding="utf-8")


def test_aach_is_studied_by_iterations_by_queries_and_by_curves() -> None:
    configs = {file.stem: load_config(file) for file in FILES if file.parent.name == "aach"}
    steps = {name: config.attack.plugin.steps for name, config in configs.items() if name.startswith("iterations")}
    budgets = {name: config.oracle.budget for name, config in configs.items() if name.startswith("queries")}
    assert sorted(steps.values()) == [0, 100, 200, 500]
    assert sorted(budgets.values()) == [200, 300, 400, 500]
    assert (configs["pr-curves"].attacked, configs["pr-curves"].attack.plugin.steps) == (500, 500)
    assert {config.attack.name for config in configs.values()} == {"aach"}


@pytest.mark.parametrize("file", OF_TARGETS, ids=[file.stem for file in OF_TARGETS])
def test_a_target_names_its_band_its_metric_and_its_protocol(file: Path) -> None:
    head = " ".join(line.removeprefix("# ") for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    config = weightless(file)
    plugin, data = config.target.plugin, config.data.plugin
    assert config.target.name == file.stem
    of_pictures, of_texts = PUBLISHED[file.stem]
    assert re.search(rf"{of_pictures} for pictures that ask for texts(,| and) {of_texts} for texts that ask for pictures", head)
    assert "MAP@all" in head
    assert "0.03" in head
    assert SPLITS[data.split] in head
    assert POPULATIONS[getattr(data, "population", "tagged")] in head or config.data.name == "wikipedia"
    assert f"crossattack targets eval {file.stem} --root DIR " in head
    assert getattr(plugin, "bits", 32) == 32
    assert "Never run by us" in head


def test_there_is_a_file_for_every_target_with_published_figures() -> None:
    assert {file.stem for file in OF_TARGETS} == set(PUBLISHED)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "dchmt"])
def test_without_the_weights_a_line_says_so_before_anything_is_read(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^target\.weights: .* wanted, .*; put (it|one) there, .*to start from scratch\.$") as refused:
        load_config(PAPERS / f"targets/{name}.yaml")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("file", OF_TARGETS, ids=[file.stem for file in OF_TARGETS])
def test_its_command_gives_figures_on_a_made_up_copy_of_the_data_set(
    file: Path, tmp_path: Path, empty_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With small networks for one epoch: the figures mean nothing, the way to them is the whole one."""
    root, name, articles = tmp_path / "root", file.stem, file.stem == "acmr"
    root.mkdir()
    (wikipedia if articles else layout_b)(root, world(120))
    settings = {"data.pixels": 32, "data.attacker": 0, "data.held_back": 0, "target.epochs": 1, "target.batch": 16}
    settings |= {} if articles else {"data.query": 20}
    settings |= {"data.train": 60} if name in ("dcmh", "dadh", "dchmt") else {}
    small = {"target.image_tower": "convnet", "target.weights": "none"}
    settings |= {"target.clip": tiny_clip(tmp_path / "clip")} if name == "dchmt" else small
    settings |= {"target.hidden": [16]} if name in ("dadh", "ucch") else {}
    settings |= {"target.teacher": "convnet"} if name == "djsrh" else {}
    command = ["targets", "eval", name, "--root", str(root), "--config", str(file), "--json"]
    assert main([*command, *(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["database"] == (110 if articles else 100)
    assert {found["queries"] for found in told["directions"].values()} == {10 if articles else 20}
    assert all(0 < found["map"] < 1 for found in told["directions"].values())
