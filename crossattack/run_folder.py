"""A run's folder: its name, its configuration, its log, and who may go on with it.

runs/<name>/config.yaml is written first: a folder is the run of one configuration. A new run never touches a folder that is
there; a resumed one must want exactly what the folder says, but for larger caps while it has no results. With those it ends
like a run that had them from the start: what was bought stays bought, what was made of a smaller budget is made again.
"""

import itertools
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from crossattack._ledger_file import roll_back
from crossattack.cache import whole_file
from crossattack.config import RunConfig, load_config, to_yaml
from crossattack.config._flat import flat
from crossattack.errors import ConfigError, LedgerError, UsageError, nearest
from crossattack.ledger import Ledger
from crossattack.progress import Progress, Tick

BUDGET: Final = "oracle.budget"
CAPS: Final = (BUDGET, "evaluation.cap")  # what `--resume` may raise


def usual_name(config: RunConfig) -> str:
    """ "dcmh-aach-pictograms-32bits-seed0": what a run is called when nobody says."""
    bits = getattr(config.target.plugin, "bits", None)
    size = [] if bits is None else [f"{bits}bits"]
    return "-".join([*(str(section.name) for section in (config.target, config.attack, config.data)), *size, f"seed{config.seed}"])


def new_folder(config: RunConfig, runs: Path) -> tuple[RunConfig, Path]:
    """A folder of its own for this run, its configuration inside; the usual name gets -2, -3, ... where it is taken."""
    usual = usual_name(config)
    names = [config.name] if config.name else (usual if number == 1 else f"{usual}-{number}" for number in itertools.count(1))
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for name in names:
            folder = runs / name
            try:
                folder.mkdir()
            except FileExistsError:
                if not folder.is_dir() or any(folder.iterdir()):
                    continue  # an empty folder is one whose run was killed before it began
            config = config.model_copy(update={"name": name})
            write_config(config, folder)
            return config, folder
    except OSError as error:
        raise UsageError(f"runs: a folder to write to wanted, {runs} got ({error.strerror}); name another with `--runs DIR`.") from error
    raise UsageError(f"name: a new name wanted, {config.name!r} is in {runs} already; go on with it by `--resume`, or choose another.")


def folder_to_resume(config: RunConfig, runs: Path) -> Path:
    """The folder of that name, or the latest of the usual name; `UsageError` where there is none."""
    if config.name:
        wanted = [runs / config.name]
    else:
        usual = usual_name(config)
        wanted = [runs / usual, *itertools.takewhile(Path.is_dir, (runs / f"{usual}-{number}" for number in itertools.count(2)))]
    folder = wanted[-1]
    if not (folder / "config.yaml").is_file():
        others = [file.parent.name for file in runs.glob("*/config.yaml")]
        near = nearest(folder.name, others)
        raise UsageError(f"resume: a run in {folder} wanted, none got{near}; drop `--resume` to start it.")
    return folder


def finished_run(name: str, runs: Path) -> Path:
    """The folder of a run, by its path or by its name in `runs`; `UsageError` names the nearest where there is none."""
    for folder in (Path(name), runs / name):
        if (folder / "ledger.sqlite").is_file():
            return folder
    others = [file.parent.name for file in runs.glob("*/ledger.sqlite")]
    raise UsageError(f"run: the folder of a run, or its name in {runs}, wanted, {name!r} got{nearest(name, others)}.")


@contextmanager
def only_one(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """One process at a time works in a folder, and never on a bill that has been thrown away: `UsageError`, `LedgerError`.

    patience: seconds to wait for another one to end.
    """
    lock = FileLock(folder / ".lock", timeout=patience)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"resume: a run that nobody works on wanted, {folder} is being run by another process; wait for it.") from error
    try:
        if not (folder / "ledger.sqlite").is_file() and any(folder.glob("*.safetensors")):
            raise LedgerError(f"the ledger of what was bought already wanted, {folder} has lost its ledger.sqlite; start a new run.")
        yield
    finally:
        lock.release()


def same_config(config: RunConfig, folder: Path) -> RunConfig:
    """The folder's own configuration, with caps as large as asked for; `ConfigError` names the first key that differs otherwise."""
    kept = load_config(folder / "config.yaml")
    asked = config.model_copy(update={"name": kept.name})
    ours, theirs = flat(asked.resolved()), flat(kept.resolved())
    for key in {**theirs, **ours}:
        if ours.get(key) == theirs.get(key) or (key in CAPS and ours[key] > theirs[key]):
            continue
        more, advice = "", "keeps its settings: drop it, or start a new run without `--resume`"
        if key in CAPS:
            more, advice = " or more", "can raise it and never lower it: drop it, or start a new run without `--resume`"
        says = f"{theirs.get(key)!r}{more} wanted, as in {folder}/config.yaml, {ours.get(key)!r} got"
        raise ConfigError(f"{key}: {says}; a resumed run {advice}.")
    return asked


def larger_caps(config: RunConfig, folder: Path) -> dict[str, tuple[int, int]]:
    """Caps by key that are larger than the folder's configuration says: what it says, and what is wanted."""
    kept, wanted = flat(load_config(folder / "config.yaml").resolved()), flat(config.resolved())
    return {key: (kept[key], wanted[key]) for key in CAPS if wanted[key] > kept[key]}


def refuse_larger_caps(config: RunConfig, folder: Path) -> None:
    """`UsageError` where a finished run is wanted with larger caps than it had: its results are what those gave."""
    for key, (had, wanted) in larger_caps(config, folder).items():
        says = f"{had:,} wanted, which the results in {folder} were reached with, {wanted:,} got"
        raise UsageError(f"{key}: {says}; start a new run without `--resume`.")


def raise_caps(config: RunConfig, folder: Path, log: "Log") -> None:
    """Write larger caps into config.yaml and say so in the log. To be called by whoever has the folder to itself.

    A larger budget buys a larger surrogate, so the one that is there is thrown away, with all that was made by it; its answers
    stay and cost nothing. Queries that were already made by its work could not be unmade: `UsageError` where there are any.
    """
    larger = larger_caps(config, folder)
    if BUDGET in larger:
        had, wanted = larger[BUDGET]
        if spent := spent_on_attack(folder / "ledger.sqlite"):
            says = f"{had:,} wanted, as the attack has spent {spent:,} queries on the strength of it, {wanted:,} got"
            raise UsageError(f"{BUDGET}: {says}; go on with {had:,}, or start a new run without `--resume`.")
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        for surrogate in folder.glob("*.safetensors"):
            surrogate.unlink()
    if larger:  # last, so that a run killed in between goes on with the old caps and makes again what is gone
        write_config(config, folder)
        for key, (had, wanted) in larger.items():
            log.write("raised", key=key, had=had, wanted=wanted)


def spent_on_attack(path: Path) -> int:
    """Queries of the attacker after mining; 0 where there is no ledger yet, or nothing in it."""
    if not path.is_file():
        return 0
    roll_back(path)
    if not path.stat().st_size:
        return 0
    with Ledger.read(path) as ledger:
        return sum(line.spent for line in ledger.statement() if line.account == "attacker" and line.phase != "mining")


def write_config(config: RunConfig, folder: Path) -> None:
    """config.yaml, whole."""
    with whole_file(folder / "config.yaml") as file:
        file.write_text(to_yaml(config), encoding="utf-8")


@dataclass(frozen=True)
class Log:
    """log.jsonl: one JSON object a line, with the time and what happened; lines of earlier sessions stay."""

    path: Path

    def write(self, event: str, **details: Any) -> None:
        """Add a line."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "event": event, **details}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Logged:
    """A progress that also notes in the log which stage took how long."""

    progress: Progress
    log: Log

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Tick]:
        began = time.monotonic()
        with self.progress.stage(title, total) as tick:
            yield tick
        self.log.write("stage", title=title, total=total, seconds=round(time.monotonic() - began, 2))
