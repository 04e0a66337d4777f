"""One run from the command line: settings -> folder -> experiment -> report.

Nothing is written before all settings are known to be sound. What a user is told goes to stderr; stdout has the result.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.config import RunConfig, load_config
from crossattack.errors import Interrupted
from crossattack.one_run import carry_out, finished
from crossattack.progress import progress_for
from crossattack.run_folder import folder_to_resume, new_folder, refuse_larger_caps, same_config


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line asked for. flags: settings by dotted key, None where not given."""

    path: Path | None = None
    overrides: Sequence[str] = ()
    flags: Mapping[str, Any]
    runs: Path = Path("runs")
    resume: bool = False
    quiet: bool = False
    as_json: bool = False


def run(wish: Wish) -> None:
    """Start a run, go on with one, or show a finished one again."""
    config = load_config(wish.path, wish.overrides, wish.flags)
    if wish.resume:
        folder = folder_to_resume(config, wish.runs)
        config = same_config(load_config(wish.path or folder / "config.yaml", wish.overrides, wish.flags), folder)
    else:
        config, folder = new_folder(config.fit_to_run(), wish.runs)
    results = finished(folder)
    if results is None:
        results = interruptible(config.fit_to_run(), folder, wish)
    elif wish.resume:
        refuse_larger_caps(config, folder)
    show(results, folder, wish)


def interruptible(config: RunConfig, folder: Path, wish: Wish) -> Mapping[str, Any]:
    """The run; an interrupted one says how to go on."""
    try:
        return carry_out(config, folder, progress_for(sys.stderr, quiet=wish.quiet), resumed=wish.resume)
    except KeyboardInterrupt as interrupt:
        runs = "" if wish.runs == Path("runs") else f" --runs {shlex.quote(str(wish.runs))}"
        code = " --allow-code" if getattr(config.target.plugin, "allow_code", None) else ""
        raise Interrupted(f"interrupted; go on with: crossattack run --name {config.name} --resume{runs}{code}") from interrupt


def show(results: Mapping[str, Any], folder: Path, wish: Wish) -> None:
    """On stdout: results.json with `--json`, the run's path with `--quiet`, else the table."""
    if wish.as_json:
        print(json.dumps(results, indent=2))
    elif wish.quiet:
        print(folder)
    else:
        from crossattack.report.table import print_table

        print_table(results, folder)
