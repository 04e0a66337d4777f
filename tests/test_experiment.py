"""The whole story on small scenes: the same in two processes, the same after a kill, true to its own files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.experiment import run
from crossattack.ledger import Ledger
from crossattack.metrics.ranking import average_precision
from crossattack.progress import Silent

SMALL = [
    *("data=scenes", "data.pairs=600", "data.pixels=16", "target.image_tower=convnet", "target.epochs=2", "target.bits=16"),
    *(
        "surrogate.image_tower=convnet",
        "surrogate.epochs=2",
        "surrogate.least_steps=0",
        "surrogate.batch=16",
        "attack.steps=3",
        "ceiling.steps=6",
    ),
    *("oracle.budget=120", "attacked=30", "name=small"),
]


def results_of(folder: Path, *more: str) -> dict[str, Any]:
    """A small run in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    return run(load_config(overrides=[*SMALL, *more]), folder, Silent())


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key not in ("started", "seconds", "memory")}


@pytest.mark.usefixtures("empty_cache")
class TestAnExperiment:
    def test_results_are_true_to_the_files_beside_them(self, tmp_path: Path) -> None:
        results = results_of(tmp_path / "run")
        assert json.loads((tmp_path / "run/results.json").read_text()) == results
        with Ledger.open(tmp_path / "run/ledger.sqlite", target_digest=results["target"]["digest"]) as ledger:
            assert ledger.digest() == results["budget"]["ledger_digest"]
            assert ledger.bill("attacker").spent == results["budget"]["spent"] <= 120
        for direction in ("image_to_text", "text_to_image"):
            found = results["directions"][direction]
            with h5py.File(tmp_path / "run/codes.h5") as file:
                group = file[direction]
                for condition in ("clean", "noise", "attacked", "ceiling"):
                    queries, database = (torch.from_numpy(group[name][()]) for name in (f"queries/{condition}", "database"))
                    mean = np.nanmean(average_precision(queries, database, group["relevant"][()]))
                    assert found["map"][condition] == pytest.approx(mean, abs=1e-12)
                assert found["map"]["floor"] == pytest.approx(group["relevant"][()].mean(), abs=0.03)
                assert found["map"]["opposite_code"] < min(found["map"][name] for name in ("clean", "attacked", "ceiling", "floor"))
            low, high = found["map_ci95"]["clean"]
            assert low < found["map"]["clean"] < high
            assert sum(found["status"].values()) == found["attacked_items"] == 30

    def test_what_was_judged_is_what_the_file_holds(self, tmp_path: Path) -> None:
        from crossattack.targets.dcmh import Dcmh

        results = results_of(tmp_path / "run")
        pairs, split = Scenes(pairs=600, pixels=16).load(Silent())
        recipe = Dcmh(image_tower="convnet", epochs=2, bits=16)
        target = recipe.load(pairs.take(split.train), device="cpu", progress=Silent())
        with h5py.File(tmp_path / "run/items.h5") as items, h5py.File(tmp_path / "run/codes.h5") as codes:
            pictures = torch.from_numpy(items["attacked/images/images"][()])
            clean = torch.from_numpy(items["clean/images/images"][()])
            judged = torch.from_numpy(codes["image_to_text/queries/attacked"][()])
        assert torch.equal(harden(encode(target, "images", pictures)), judged)
        assert (pictures.int() - clean.int()).abs().max() == 6  # three steps of two grey levels
        assert results["distortion"]["images"]["linf_max"] == pytest.approx(6 / 255)

    def test_a_second_process_gives_the_same_results(self, tmp_path: Path) -> None:
        first = results_of(tmp_path / "one")
        second = json.loads(command(tmp_path, "two").stdout)
        second["name"] = first["name"]
        second["config"]["name"] = first["config"]["name"]
        assert without_times(second) == without_times(first)

    def test_another_seed_gives_other_results(self, tmp_path: Path) -> None:
        first, second = results_of(tmp_path / "one"), results_of(tmp_path / "two", "seed=1")
        assert first["budget"]["ledger_digest"] != second["budget"]["ledger_digest"]
        assert first["target"] == second["target"]

    def test_killed_in_every_stage_and_resumed_it_ends_with_the_same_results(self, tmp_path: Path) -> None:
        whole = results_of(tmp_path / "whole")
        stages = ("ledger.sqlite", "surrogate.safetensors", "checkpoints/attacked", "checkpoints/ceiling", "items.h5", "codes.h5")
        for stage in stages:
            kill_once_there(tmp_path / "killed", stage, arguments(tmp_path, "killed", resume=stage != stages[0]))
        resumed = json.loads(command(tmp_path, "killed", resume=True).stdout)
        resumed["name"] = whole["name"]
        resumed["config"]["name"] = whole["config"]["name"]
        assert without_times(resumed) == without_times(whole)


def kill_once_there(folder: Path, file: str, arguments: list[str]) -> None:
    """SIGKILL the run as soon as it has made this file."""
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and not (folder / file).exists():
        time.sleep(0.001)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert not (folder / "results.json").exists()


def arguments(folder: Path, name: str, resume: bool = False) -> list[str]:
    sets = [part for override in SMALL if not override.startswith("name=") for part in ("--set", override)]
    return [
        *(sys.executable, "-m", "crossattack.run", "--runs", str(folder), "--name", name, "--quiet", "--json"),
        *(["--resume"] if resume else []),
        *sets,
    ]


def command(folder: Path, name: str, resume: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments(folder, name, resume), capture_output=True, text=True, check=True)
