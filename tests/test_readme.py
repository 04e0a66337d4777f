"""The README tells what is true: its figures are those of the kept results, its commands are CI's."""

import json
import re
import sys
from pathlib import Path

import pytest

from crossattack.config import load_config
from crossattack.experiment import run
from crossattack.progress import Silent
from crossattack.report.figure import draw
from crossattack.report.table import print_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEPT = ROOT / "docs/results"


def test_the_printed_table_is_the_one_of_the_kept_results(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"<!-- printed from docs/results/default.json -->\n(.*?)<!-- end -->", README, re.S)
    print_table(
        json.loads((KEPT / "default.json").read_text(encoding="utf-8")), Path("runs/dcmh-aach-pictograms-32bits-seed0"), terminal=False
    )
    shown = [line.removeprefix("    ").rstrip() for line in block.strip("\n").splitlines()]
    assert shown == [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_the_figure_is_drawn_from_the_kept_results(tmp_path: Path) -> None:
    draw(json.loads((KEPT / "default.json").read_text(encoding="utf-8")), tmp_path / "default.svg")
    numbers = [
        re.findall(r"<!-- ([^>]*) -->", path.read_text(encoding="utf-8")) for path in (tmp_path / "default.svg", ROOT / "docs/default.svg")
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) > 10


@pytest.mark.parametrize(("name", "figures"), [("default", 1), ("convnet-surrogate", 3)])
def test_figures_in_the_text_are_those_of_the_kept_results(name: str, figures: int) -> None:
    """`0.233<!-- default: directions.image_to_text.map.attacked -->` in the README is that number of docs/results/default.json."""
    results = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    told = re.findall(rf"([\d.]+)( %)?<!-- {name}: ([\w.]+) -->", README)
    assert len(told) >= figures
    for number, percent, key in told:
        value = results
        for part in key.split("."):
            value = value[part]
        assert number == (f"{100 * value:.0f}" if percent else f"{value:.{len(number.partition('.')[2])}f}")


def test_both_commands_stand_in_ci() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for command in ("uv run python -m crossattack.run --target dcmh", "uv run pytest"):
        assert command in README
        assert command in ci


def test_kept_results_have_no_path_of_a_machine() -> None:
    for path in KEPT.glob("*.json"):
        assert not re.search(r'"/(root|home|tmp|work|mnt)/', path.read_text(encoding="utf-8")), path


def test_the_readme_s_own_target_is_attacked(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the folder where one stands is a target, by its dotted path."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    overrides = ["target=module", "target.path=mine:engine", "target.settings.bits=16", "data=scenes", "data.pairs=200", "data.pixels=16"]
    overrides += ["oracle.budget=40", "surrogate.image_tower=convnet", "surrogate.least_steps=0", "surrogate.epochs=1", "attacked=10"]
    results = run(load_config(overrides=[*overrides, "name=mine"]), tmp_path, Silent())
    assert results["target"] | {"digest": ""} == {"name": "module", "dim": 16, "digest": ""}
    for direction in results["directions"].values():
        assert direction["map"]["ceiling"] < direction["map"]["clean"]
    sys.modules.pop("mine")


def test_no_place_was_left_to_be_filled() -> None:
    assert not re.search(r"\b[A-Z]+_[A-Z]+\b", README.replace("CROSSATTACK_TOKEN", ""))
