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
from crossattack.progress import progress_for
from crossattack.run_folder import Log, Logged, folder_to_resume, new_folder, only_one, raise_caps, refuse_larger_caps, same_config


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
        config, folder = new_folder(config, wish.runs)
    results = finished(folder)
    if results is None:
        results = carry_out(config, folder, wish)
    elif wish.resume:
        refuse_larger_caps(config, folder)
    show(results, folder, wish)


def finished(folder: Path) -> dict[str, Any] | None:
    """The results of a run that came to its end; None where there are none, or none that can be read."""
    from crossattack.report.page import write_page

    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(results, dict) or "directions" not in results:
        return None
    if not (folder / "report.html").is_file():  # killed between the two
        write_page(results, folder / "report.html")
    return results


def carry_out(config: RunConfig, folder: Path, wish: Wish) -> dict[str, Any]:
    """Run the experiment in its folder and write the report. An interrupted one says how to go on."""
    from crossattack import experiment  # only now: with it comes torch
    from crossattack.report.page import write_page

    log = Log(folder / "log.jsonl")
    try:
        with only_one(folder):
            raise_caps(config, folder, log)
            log.write("started", name=config.name, resumed=wish.resume)
            results: dict[str, Any] = experiment.run(config, folder, Logged(progress_for(sys.stderr, quiet=wish.quiet), log))
    except KeyboardInterrupt as interrupt:
        log.write("interrupted")
        runs = "" if wish.runs == Path("runs") else f" --runs {shlex.quote(str(wish.runs))}"
        raise Interrupted(f"interrupted; go on with: crossattack run --name {config.name} --resume{runs}") from interrupt
    except Exception as error:
        log.write("failed", error=f"{type(error).__name__}: {error}")
        raise
    write_page(results, folder / "report.html")
    log.write("finished", seconds=results.get("seconds", {}).get("total"))
    return results


def show(results: Mapping[str, Any], folder: Path, wish: Wish) -> None:
    """On stdout: results.json with `--json`, the run's path with `--quiet`, else the table."""
    if wish.as_json:
        print(json.dumps(results, indent=2))
    elif wish.quiet:
        print(folder)
    else:
        from crossattack.report.table import print_table

        print_table(results, folder)
