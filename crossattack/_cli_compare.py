"""`crossattack compare`: its flags and its help."""

import json
from pathlib import Path
from typing import Annotated

import typer


def compare_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...", help="Folders of finished runs, or their names in --runs; of a sweep: all of its runs that are done."
        ),
    ],
    where: Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")] = False,
) -> None:
    """Runs on the same items side by side, and whether their attacks differ from the first one's.

    \b
    Examples:
      crossattack compare dcmh-aach-pictograms-32bits-seed0 dcmh-pgd-pictograms-32bits-seed0
      crossattack compare runs/budget/*/ --json
      crossattack compare eps

    Exit codes: 0 compared, 2 bad usage or other items.
    """
    from crossattack.report.comparison import compare, print_comparison
    from crossattack.run_folder import finished_run
    from crossattack.sweep.kept import done_cells

    found = compare([folder for run in runs for folder in done_cells(run, where) or [finished_run(run, where)]])
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_comparison(found)
