"""One run in its folder: experiment, log, report. Whoever has a folder with its config.yaml calls `carry_out`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossattack.config import RunConfig
from crossattack.progress import Progress
from crossattack.run_folder import Log, Logged, only_one, raise_caps

if TYPE_CHECKING:
    from crossattack.given import Given


def carry_out(
    config: RunConfig, folder: Path, progress: Progress, *, resumed: bool, patience: float = 0.0, given: "Given | None" = None
) -> Mapping[str, Any]:
    """Run the experiment in its folder and write the report; what was finished before is read back.

    patience: seconds to wait for whoever else works in the folder. given: objects in the place of what the configuration names.
    """
    from crossattack import experiment  # only now: with it comes torch
    from crossattack.report.page import write_page

    log = Log(folder / "log.jsonl")
    try:
        with only_one(folder, patience):
            raise_caps(config, folder, log)
            log.write("started", name=config.name, resumed=resumed)
            more = (given,) if given else ()
            results: dict[str, Any] = experiment.run(config, folder, Logged(progress, log), *more)
    except KeyboardInterrupt:
        log.write("interrupted")
        raise
    except Exception as error:
        log.write("failed", error=f"{type(error).__name__}: {error}")
        raise
    write_page(results, folder / "report.html")
    log.write("finished", seconds=results.get("seconds", {}).get("total"))
    return results


def finished(folder: Path) -> Mapping[str, Any] | None:
    """The results of a run that came to its end; None where there are none, or none that can be read."""
    results = whole_results(folder)
    if results is not None and not (folder / "report.html").is_file():  # killed between the two
        from crossattack.report.page import write_page

        write_page(results, folder / "report.html")
    return results


def whole_results(folder: Path) -> Mapping[str, Any] | None:
    """What results.json says; None where it is not there or not whole."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return results if isinstance(results, dict) and "directions" in results else None
