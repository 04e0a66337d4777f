"""Intervals of a mean over seeds: items and seeds are drawn again, as a loop does it, and only where items are the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_comparison import finished as finished

from crossattack.cli import main
from crossattack.progress import Silent
from crossattack.report.comparison import judged, settings_of
from crossattack.streams import Streams
from crossattack.sweep.pooling import intervals, pooled

NAMES = ("clean", "attacked", "ceiling")


def made(seeds: int, items: int = 40) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """Scores of some seeds on the same items, siblings by twos."""
    rng = np.random.default_rng(seeds)
    clean = 0.6 + 0.1 * rng.random(items)
    scores = [
        {"clean": clean, "attacked": clean - 0.2 * rng.random(items) - 0.05 * seed, "ceiling": 0.1 * rng.random(items)}
        for seed in range(seeds)
    ]
    return scores, np.arange(items) // 2


def test_intervals_equal_a_loop_that_draws_groups_and_seeds() -> None:
    seeds, groups = made(3)
    maps, share = pooled(seeds, groups, resamples=100)
    names = np.unique(groups)
    taken = Streams(0).numpy("items").integers(len(names), size=(100, len(names)))
    drawn = Streams(0).numpy("seeds").integers(3, size=(3, 100))
    attacked, recovered = list[float](), list[float]()
    for resample in range(100):
        items = np.concatenate([np.flatnonzero(groups == names[group]) for group in taken[resample]])
        own = [{name: seeds[seed][name][items].mean() for name in NAMES} for seed in drawn[:, resample]]
        attacked.append(float(np.mean([one["attacked"] for one in own])))
        recovered.append(float(np.mean([(one["clean"] - one["attacked"]) / (one["clean"] - one["ceiling"]) for one in own])))
    assert maps["attacked"] == pytest.approx(tuple(np.percentile(attacked, [2.5, 97.5])))
    assert share == pytest.approx(tuple(np.percentile(recovered, [2.5, 97.5])))


def test_seeds_that_differ_widen_the_interval_beyond_that_of_one() -> None:
    seeds, groups = made(3)
    (wide, _), (narrow, _) = pooled(seeds, groups), pooled(seeds[:1] * 3, groups)
    assert wide["attacked"]
    assert narrow["attacked"]
    assert wide["attacked"][1] - wide["attacked"][0] > 1.5 * (narrow["attacked"][1] - narrow["attacked"][0])
    assert wide["clean"] == narrow["clean"], "seeds do not differ in it"


def test_one_group_has_no_interval_and_a_ceiling_without_damage_no_share() -> None:
    seeds, _ = made(2)
    assert pooled(seeds, np.zeros(40, np.int64)) == (dict.fromkeys(NAMES), None)
    harmless = [{**one, "ceiling": one["clean"]} for one in seeds]
    maps, share = pooled(harmless, np.arange(40))
    assert share is None
    assert maps["attacked"] is not None


def sweep_of(folder: Path, digests: list[str]) -> dict[str, Any]:
    """sweep.json of cells that differ in their seeds alone."""
    cells = [
        {"digest": digest, "values": {"seed": place}, "state": "done", **json.loads((folder / digest / "results.json").read_text())}
        for place, digest in enumerate(digests)
    ]
    return {"cells": cells}


def test_cells_of_a_real_sweep_are_pooled_from_their_folders_where_items_are_the_same(finished: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        shutil.copytree(finished, tmp_path / name)
    with h5py.File(tmp_path / "b/codes.h5", "r+") as file:
        for direction in ("image_to_text", "text_to_image"):
            file[f"{direction}/queries/attacked"][...] = file[f"{direction}/queries/ceiling"][()]
    (found,) = intervals(sweep_of(tmp_path, ["a", "b"]), tmp_path, Silent())
    assert found["cells"] == ["a", "b"]
    for direction, one in judged(tmp_path / "a")[1].items():
        second = judged(tmp_path / "b")[1][direction]
        low, high = found["directions"][direction]["map_ci95"]["attacked"]
        assert low < (one.scores["attacked"].mean() + second.scores["attacked"].mean()) / 2 < high
        assert (found["directions"][direction]["map_ci95"], found["directions"][direction]["recovered_ci95"]) == pooled(
            [one.scores, second.scores], one.groups
        )
    with h5py.File(tmp_path / "c/items.h5", "r+") as file:
        file["clean/images/images"][0, 0, 0, 0] ^= 1
    assert intervals(sweep_of(tmp_path, ["a", "c"]), tmp_path, Silent()) == [], "another picture"
    (tmp_path / "b/codes.h5").unlink()
    assert intervals(sweep_of(tmp_path, ["a", "b"]), tmp_path, Silent()) == [], "nothing left to draw from"
    assert intervals(sweep_of(tmp_path, ["a"]), tmp_path, Silent()) == []


def test_compare_names_cells_of_a_sweep_by_their_settings(finished: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        shutil.copytree(finished, tmp_path / name)
    (tmp_path / "sweep.json").write_text(json.dumps({"cells": [{"digest": "b", "values": {"oracle.budget": 2000, "seed": 1}}]}))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capfd.readouterr().out
    assert f"{tmp_path}/b (oracle.budget 2,000, seed 1) " in out
    assert f"{tmp_path}/a  " in out
    assert "differs significantly (p < 0.05), paired item by item" in out
    assert (settings_of(tmp_path / "a"), settings_of(tmp_path / "b")) == (None, {"oracle.budget": 2000, "seed": 1})
