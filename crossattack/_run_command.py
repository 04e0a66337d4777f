"""One run from the command line: settings -> folder -> experiment -> report.

Nothing is written before all settings are known to be sound. What a user is told goes to stderr; stdout has the result.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.config import RunConfig, load_config
from crossattack.errors import Interrupted, UsageError
from crossattack.one_run import carry_out, finished
from crossattack.progress import progress_for
from crossattack.registry import GIVEN
from crossattack.run_folder import folder_to_resume, new_folder, refuse_larger_caps, same_config
from crossattack.tensorboard import tensorboard_in, tensorboard_or_a_line


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
    tensorboard: bool = False


def run(wish: Wish) -> None:
    """Start a run, go on with one, or show a finished one again."""
    if wish.tensorboard:
        tensorboard_or_a_line()
    config = load_config(wish.path, wish.overrides, wish.flags)
    if wish.resume:
        folder = folder_to_resume(config, wish.runs)
        config = same_config(load_config(wish.path or folder / "config.yaml", wish.overrides, wish.flags), folder)
    else:
        refuse_given(config)
        config, folder = new_folder(config.fit_to_run(), wish.runs)
    results = finished(folder)
    if results is None:
        refuse_given(config)
        results = interruptible(config.fit_to_run(), folder, wish)
    elif wish.resume:
        refuse_larger_caps(config, folder)
    show(results, folder, wish)


def refuse_given(config: RunConfig) -> None:
    """`UsageError` where the configuration is of a run that a Python program asked for: nobody here has its objects."""
    given = [key for key, section in (("target", config.target), ("data", config.data)) if section.name == GIVEN]
    if given:
        what = " and ".join(given)
        raise UsageError(f"{what}: a plugin's name wanted, the object of a Python program got; hand it to `crossattack.evaluate` again.")


def interruptible(config: RunConfig, folder: Path, wish: Wish) -> Mapping[str, Any]:
    """The run; an interrupted one says how to go on."""
    try:
        with ExitStack() as stack:
            listeners = [stack.enter_context(tensorboard_in(folder))] if wish.tensorboard else []
            return carry_out(config, folder, progress_for(sys.stderr, *listeners, quiet=wish.quiet), resumed=wish.resume)
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
