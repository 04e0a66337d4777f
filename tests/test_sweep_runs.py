"""Sweeps of real runs: what is killed goes on where it was, what can be shared is made once, budgets are nested."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from sweeps import TESTS, until

from crossattack import experiment
from crossattack.config import load_config
from crossattack.progress import Silent
from crossattack.sweep.command import Wish, sweep, threads_each
from crossattack.sweep.table import Table

SMALL = {
    "attacked": 12,
    "device": "cpu",
    "data": {"name": "scenes", "pairs": 600, "pixels": 16},
    "target": {"image_tower": "convnet", "bits": 8, "epochs": 1},
    "attack": {"name": "aach", "steps": 2},
    "ceiling": {"name": "mi_fgsm", "steps": 2},
    "surrogate": {"image_tower": "convnet", "epochs": 1, "least_steps": 0},
    "evaluation": {"resamples": 20},
}


def work_killed_once(folder: Path) -> None:
    """The real work; of the larger budget's, the first attempt is SIGKILLed when all is bought and made, and nothing judged."""
    from crossattack.sweep.work import experiment as work

    if load_config(folder / "config.yaml").oracle.budget == 300 and not (folder / "items.h5").exists():
        experiment.judge = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    work(folder)


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if key not in ("started", "seconds", "memory", "machine")}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """As many as a worker has: results repeat bit for bit on as many threads, as sums are made in another order on more."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def stages(folder: Path) -> list[str]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["title"] for line in lines if line["event"] == "stage"]


def bought(folder: Path, modality: str) -> list[bytes]:
    """What the attacker asked for, in order."""
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        rows = "SELECT key FROM charge WHERE account = 'attacker' AND modality = ? ORDER BY id"
        found = [key for (key,) in ledger.execute(rows, (modality,))]
    ledger.close()
    return found


@pytest.mark.usefixtures("empty_cache")
def test_two_runs_at_once_share_what_they_can_and_a_killed_one_pays_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump({"base": SMALL, "grid": {"oracle.budget": [60, 300]}}))
    assert sweep(Wish(path=file, runs=tmp_path, jobs=2, quiet=True, work="test_sweep_runs:work_killed_once"))
    with Table.read(tmp_path / "small/sweep.sqlite") as table:
        rows = table.rows()
    smaller, larger = (tmp_path / "small" / row.digest for row in rows)
    assert [row.attempts for row in rows] == [1, 2]

    titles = stages(smaller) + stages(larger)
    assert (titles.count("training dcmh"), titles.count("encoding the database")) == (1, 1), "by whoever came first"
    assert stages(larger).count("training surrogate") == 1, "not again after the kill"

    (tmp_path / "alone").mkdir()
    with threads(threads_each(2)):
        alone = experiment.run(load_config(larger / "config.yaml"), tmp_path / "alone", Silent())
    results = json.loads((larger / "results.json").read_text())
    assert without_times(results) == without_times(alone)
    assert results["budget"]["ledger_digest"] == alone["budget"]["ledger_digest"], "not a query more, and none twice"
    assert rows[1].headline is not None
    assert rows[1].headline["budget"] == {"spent": results["budget"]["spent"]}
    for direction, told in rows[1].headline["directions"].items():
        assert told == {key: results["directions"][direction][key] for key in told}
        assert set(told) == {"map", "map_ci95", "recovered", "recovered_ci95", "over_noise", "over_noise_ci95"}

    for modality in ("images", "texts"):
        few, many = bought(smaller, modality), bought(larger, modality)
        assert 10 < len(few) < len(many)
        assert few == many[: len(few)], "a smaller budget's queries are the first of a larger one's"


@pytest.mark.usefixtures("empty_cache")
def test_runs_that_ask_alike_train_one_surrogate_and_find_what_each_finds_alone(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    base = {**SMALL, "oracle": {"budget": 60}}
    file.write_text(yaml.safe_dump({"base": base, "grid": {"attack": [{"name": "aach", "steps": 2}, "fgsm"], "seed": [0, 1]}}))
    assert sweep(Wish(path=file, runs=tmp_path, jobs=1, quiet=True))
    with Table.read(tmp_path / "small/sweep.sqlite") as table:
        folders = [tmp_path / "small" / row.digest for row in table.rows()]
    trained = [stages(folder).count("training surrogate") for folder in folders]
    assert trained == [1, 1, 0, 0], "one for each seed, whatever the attack"
    common = tmp_path / "small/common"
    assert (
        sorted(path.name.split("-")[0] for path in common.iterdir() if not path.name.startswith(".")) == ["ceiling"] * 2 + ["surrogate"] * 2
    )

    last = folders[-1]
    assert len(bought(last, "images")) > 10, "queries are each run's own"
    (tmp_path / "alone").mkdir()
    with threads(threads_each(1)):
        alone = experiment.run(load_config(last / "config.yaml"), tmp_path / "alone", Silent())
    assert without_times(json.loads((last / "results.json").read_text())) == without_times(alone)


@pytest.mark.slow
def test_an_interrupted_sweep_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump({"base": {**SMALL, "oracle": {"budget": 60}}, "grid": {"seed": [0, 1]}}))
    environment = {**os.environ, "CROSSATTACK_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", "import sys; from crossattack._cli_start import main; sys.exit(main())", "sweep", "small.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        until(lambda: list(tmp_path.glob("runs/small/*/log.jsonl")))
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (130, "")
    assert err == "interrupted with 0 of 2 cells done; go on with: crossattack sweep small.yaml\n"
    with Table.read(tmp_path / "runs/small/sweep.sqlite") as table:
        assert [(row.state, row.attempts) for row in table.rows()] == [("pending", 1), ("pending", 0)]
    resumed = subprocess.run([*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert told == json.loads((tmp_path / "runs/small/sweep.json").read_text())
    assert [(cell["state"], cell["attempts"]) for cell in told["cells"]] == [("done", 2), ("done", 1)]
    first, second = resumed.stderr.splitlines()
    assert first.startswith("1/2 done  seed=0: image_to_text mAP ")
    assert second.startswith("2/2 done  seed=1: image_to_text mAP ")
    (folder, _) = (tmp_path / "runs/small" / cell["digest"] for cell in told["cells"])
    files = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "results.json", "report.html", "ledger.sqlite", "items.h5", "codes.h5", "log.jsonl"} <= files
