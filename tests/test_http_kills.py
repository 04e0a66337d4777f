"""Whole runs against a service, killed by SIGKILL: while a reply is on its way, and between any two of their stages."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from remote_runs import DATABASE, LISTS, VERIFIED, check, results_of, settings, without_times
from services import Running, audit, service

from crossattack._ledger_file import roll_back
from crossattack.ledger import Ledger
from crossattack.replay import replay

Moment = Callable[[Path, Running], bool]

SHOWN: dict[str, tuple[dict[str, Any], list[str], str]] = {  # what the service is told, the settings, requests that are held
    "codes": ({}, VERIFIED, "3,20,26,33"),
    "lists": ({"top_k": 12}, [*LISTS, *VERIFIED], "2,6,9,12"),
}


def there(file: str) -> Moment:
    """Once the run has made this file."""
    return lambda folder, running: (folder / file).exists()


def held(requests: int) -> Moment:
    """Once so many requests were counted by the service and are left without an answer."""
    return lambda folder, running: running.held() >= requests


@dataclass
class Runs:
    """Where runs are started and killed."""

    starter: subprocess.Popen[str]

    def killed(self, command: list[str], at: Callable[[], bool]) -> int:
        """Start a run and SIGKILL it at that moment; its return code."""
        assert self.starter.stdin
        assert self.starter.stdout
        print(json.dumps(command), file=self.starter.stdin, flush=True)
        child, deadline = int(self.starter.stdout.readline()), time.monotonic() + 120
        while alive(child) and not at() and time.monotonic() < deadline:
            time.sleep(0.001)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return int(self.starter.stdout.readline())

    def finished(self, command: list[str]) -> int:
        """Start a run and let it end; its return code."""
        return self.killed(command, lambda: False)


def alive(process: int) -> bool:
    """Whether it still runs: its starter takes it away when it has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    script = Path(__file__).with_name("forked_runs.py")
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        try:
            yield Runs(starter)
        finally:
            starter.kill()


def command(folder: Path, url: str, *more: str) -> list[str]:
    """The run's command line; goes on with what is there."""
    sets = [part for setting in settings(url, *more) for part in ("--set", setting)]
    where = ["--runs", str(folder.parent), "--name", folder.name, "--quiet"]
    return ["run", *where, *sets, *(["--resume"] if folder.exists() else [])]


def in_doubt(folder: Path) -> set[str]:
    """Phases in which something was charged and not answered."""
    path = folder / "ledger.sqlite"
    roll_back(path)
    if not path.stat().st_size:
        return set()
    with Ledger.read(path) as ledger:
        return {line.phase for line in ledger.statement() if line.in_doubt}


def undisturbed(shown: str, folder: Path) -> dict[str, Any]:
    """What a run that nobody kills comes to."""
    told, more, _ = SHOWN[shown]
    with service(folder / "calm", database=DATABASE, **told) as calm:
        results = results_of(folder / "one", calm.url, *more)
        assert audit(folder / "one/ledger.sqlite", calm) == []
    return results


def killed_at(runs: Runs, moments: list[Moment], shown: str, folder: Path, **faults: Any) -> tuple[dict[str, Any], list[set[str]]]:
    """Results of a run that was killed at these moments, one after the other, and resumed; what was in doubt at each of them."""
    told, more, holds = SHOWN[shown]
    mine, doubts = folder / "runs/mine", []
    with service(folder / "count", database=DATABASE, hold=holds, **told, **faults) as running:
        for moment in moments:
            if runs.killed(command(mine, running.url, *more), partial(moment, mine, running)) == -signal.SIGKILL:
                doubts.append(in_doubt(mine))
        assert runs.finished(command(mine, running.url, *more)) == 0
        assert audit(mine / "ledger.sqlite", running) == []
        results: dict[str, Any] = json.loads((mine / "results.json").read_text(encoding="utf-8"))
        assert running.total() == results["budget"]["spent"] + results["budget"]["evaluation"]
    assert replay(mine)[0] == []
    return results, doubts


@pytest.mark.parametrize(
    ("shown", "phases"),
    [("codes", [{"database"}, {"mining"}, {"attack"}, {"agreement"}]), ("lists", [{"mining"}, {"mining"}, {"attack"}, {"noise"}])],
)
def test_killed_while_a_reply_is_on_its_way_and_resumed_a_run_ends_like_an_undisturbed_one(
    shown: str, phases: list[set[str]], runs: Runs, tmp_path: Path
) -> None:
    wanted = undisturbed(shown, tmp_path)
    found, doubts = killed_at(runs, [held(1), held(2), held(3), held(4)], shown, tmp_path)
    assert doubts == phases
    assert without_times(found) == without_times(wanted)
    assert check(found, "the service counted the same")["ok"]


@pytest.mark.slow
@pytest.mark.parametrize("shown", SHOWN)
def test_killed_in_every_stage_and_amid_faults_it_still_does(shown: str, runs: Runs, tmp_path: Path) -> None:
    wanted = undisturbed(shown, tmp_path)
    files = ("ledger.sqlite", "service.json", "surrogate.safetensors", "checkpoints/noise", "checkpoints/attacked", "items.h5", "codes.h5")
    moments = [*map(there, files[:2]), held(1), held(2), there(files[2]), held(3), *map(there, files[3:]), held(4)]
    found, doubts = killed_at(runs, moments, shown, tmp_path, faults={"busy": 0.2, "lost": 0.2}, seed=1)
    assert len(doubts) >= 8
    assert without_times(found) == without_times(wanted)
