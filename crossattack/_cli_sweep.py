"""`crossattack sweep`: its flags and its help."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class EngineName(Enum):
    """Who does the work."""

    PROCESSES = "processes"
    RAY = "ray"


def sweep_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The sweep: what its runs share, and the grid. docs/sweeps.md")],
    engine: Annotated[EngineName, typer.Option(help="Processes of this machine, or Ray.")] = EngineName.PROCESSES,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Cells at once. [one for every four cores]")] = None,
    address: Annotated[str | None, typer.Option(metavar="ADDR", help="The Ray cluster to join; `auto` for this machine's.")] = None,
    gpus: Annotated[float, typer.Option(metavar="SHARE", min=0.0, help="Of a GPU, what Ray sets aside for a cell.")] = 0.0,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Run the code that the file names as a target.")] = False,
    status: Annotated[bool, typer.Option("--status", help="How it stands; nothing is run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="sweep.json, alone, on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress; print nothing but the sweep's folder.")] = False,
) -> None:
    """Run a grid of experiments; cells that are done are never run again.

    \b
    Examples:
      crossattack sweep configs/budget.yaml
      crossattack sweep configs/budget.yaml --status
      crossattack sweep configs/eps.yaml --jobs 4 --runs elsewhere
      crossattack sweep configs/bits.yaml --engine ray --address auto --gpus 0.5
      crossattack sweep configs/budget.yaml --json --quiet > sweep.json

    To go on with one that was stopped or killed, call it again.

    Exit codes: 0 all done, 1 some cell failed, 2 bad usage, 130 interrupted.
    """
    from crossattack.sweep import command
    from crossattack.sweep.work import WITH_CODE

    if status:
        command.status(config, runs, as_json)
        return
    code: dict[str, Any] = {"allow_code": True, "work": WITH_CODE} if allow_code else {}
    wish = command.Wish(
        path=config,
        engine=engine.value,
        jobs=jobs,
        address=address,
        gpus=gpus,
        runs=runs,
        quiet=quiet,
        as_json=as_json,
        **code,
    )
    if not command.sweep(wish):
        raise typer.Exit(1)
