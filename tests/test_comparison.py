"""Runs side by side: differences are those of their mAP, item by item, and other items are refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
from test_experiment import SMALL

from crossattack.cli import main
from crossattack.config import load_config, to_yaml
from crossattack.experiment import run
from crossattack.progress import Silent
from crossattack.report.comparison import compare, judged


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs") / "small"
        folder.mkdir()
        config = load_config(overrides=[*SMALL, "evaluation.resamples=20"])
        (folder / "config.yaml").write_text(to_yaml(config))
        run(config, folder, Silent())
    return folder


def as_strong_as_the_ceiling(finished: Path, folder: Path) -> Path:
    """The same run, had its attack found what the ceiling did."""
    shutil.copytree(finished, folder)
    with h5py.File(folder / "codes.h5", "r+") as file:
        for direction in ("image_to_text", "text_to_image"):
            file[f"{direction}/queries/attacked"][...] = file[f"{direction}/queries/ceiling"][()]
    return folder


def test_a_difference_is_that_of_the_figures_and_its_interval_is_paired(finished: Path, tmp_path: Path) -> None:
    other = as_strong_as_the_ceiling(finished, tmp_path / "other")
    found = compare([finished, other, finished])
    kept = json.loads((finished / "results.json").read_text())["directions"]
    for direction, (first, strong, again) in found["directions"].items():
        scores = kept[direction]["map"]
        assert first["map"] == pytest.approx({name: scores[name] for name in ("clean", "noise", "attacked", "ceiling")}, abs=1e-12)
        assert strong["map"]["attacked"] == pytest.approx(scores["ceiling"], abs=1e-12)
        assert strong["difference"] == pytest.approx(scores["ceiling"] - scores["attacked"], abs=1e-12)
        low, high = strong["difference_ci95"]
        assert low < strong["difference"] < high
        assert strong["significant"] == (strong["p"] < 0.05)
        assert (again["difference"], again["difference_ci95"], again["p"]) == (0.0, (0.0, 0.0), 1.0), "paired: no width"
        alone = compare([finished, other])["directions"][direction][1]
        assert strong["p"] == pytest.approx(min(1.0, 2 * alone["p"])), "two comparisons"


def test_an_ablation_has_a_table_for_each_family_of_surrogates_and_its_first_row_is_what_others_are_compared_with(
    finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "plain")
    as_strong_as_the_ceiling(finished, tmp_path / "strong")
    shutil.copytree(finished, tmp_path / "alone")
    values: dict[str, dict[str, Any]] = {
        "plain": {"attack.late": 1, "attack.families": ["a"]},
        "strong": {"attack.copies": 2, "attack.families": ["a", "b"]},
        "alone": {"attack.families": ["b"], "attack.queries": 5},
        "twice": {"attack.families": ["c"], "attack.copies": 2},
        "thrice": {"attack.families": ["c"], "attack.copies": 3},
    }
    first = {"digest": "y", "values": {"attack.families": ["c"]}, "state": "pending"}  # without which its two have nobody to stand beside
    directions = json.loads((finished / "results.json").read_text())["directions"]
    cells = [{"digest": name, "values": one, "state": "done", "directions": directions} for name, one in values.items()]
    (tmp_path / "sweep.json").write_text(json.dumps({"cells": [first, *cells, {"digest": "x", "values": {}, "state": "pending"}]}))
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    page.write_text("before\n<!-- ablation -->\nold\n<!-- end -->\nafter\n")
    for source, wanted in ((tmp_path, kept), (kept, page)):
        subprocess.run([sys.executable, "-m", "crossattack.report.ablation", str(source), str(wanted)], check=True)
    found = json.loads(kept.read_text())
    assert (found["done"], found["cells"]) == (5, 7)
    (table,) = found["tables"]  # a row alone is no table
    _, strong = table["rows"]
    (_, wanted) = compare([tmp_path / "plain", tmp_path / "strong"])["directions"]["image_to_text"]
    assert (strong["difference"], strong["p"]) == (wanted["difference"], wanted["p"])
    lines = page.read_text().splitlines()
    assert "**Surrogates of `a`**" in lines
    assert next(line for line in lines if line.startswith("| as it is")).endswith(" |  |")
    (told,) = [line for line in lines if "`copies=2`" in line]
    assert told.startswith('| `families=["a", "b"]`, `copies=2` |')
    assert told.endswith(f"{wanted['difference']:+.3f}{' *' if wanted['significant'] else ''} |")
    assert "old" not in lines
    assert (lines[0], lines[-1]) == ("before", "after")


def test_the_command_prints_a_row_a_run_and_stars_what_differs(finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = as_strong_as_the_ceiling(finished, tmp_path / "other")
    assert main(["compare", str(finished), "other", "--runs", str(tmp_path)]) == 0
    out, _ = capfd.readouterr()
    rows = [line for line in out.splitlines() if line.startswith(str(other))]
    expected = [rows[1]["significant"] for rows in compare([finished, other])["directions"].values()]
    assert [row.rstrip().endswith("*") for row in rows] == expected
    assert main(["compare", str(finished), "other", "--runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["first"] == str(finished)


def test_other_items_another_split_and_one_run_alone_are_refused(finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def refused(*runs: Path) -> str:
        assert main(["compare", *map(str, runs)]) == 2
        (line,) = capfd.readouterr().err.splitlines()
        return line

    drawn, split = (Path(shutil.copytree(finished, tmp_path / name)) for name in ("drawn", "split"))
    with h5py.File(drawn / "items.h5", "r+") as file:
        file["clean/images/images"][0, 0, 0, 0] ^= 1
    counted = len(judged(finished)[1]["image_to_text"].items)
    wanted = f"error: compare: the {counted} items of {finished} wanted, {drawn} shares {counted - 1} of its {counted} (image_to_text);"
    assert refused(finished, drawn).startswith(wanted)
    with h5py.File(split / "codes.h5", "r+") as file:
        file["split/database"][...] = file["split/database"][()][::-1]
    assert f"{split} has another split" in refused(finished, split)
    assert refused(finished) == "error: compare: two runs or more wanted, 1 got."
