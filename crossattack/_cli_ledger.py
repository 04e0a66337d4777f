"""The commands `crossattack ledger`."""

import json
from pathlib import Path
from typing import Annotated

import typer

ledger_app = typer.Typer(help="What a run asked, and what it cost.", no_args_is_help=True, rich_markup_mode=None)


@ledger_app.command("show")
def ledger_show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")] = False,
) -> None:
    """The bill of a run by account, phase and modality, and whether its ledger is sound. Nothing in it is changed.

    \b
    Examples:
      crossattack ledger show dcmh-aach-pictograms-32bits-seed0

    Exit codes: 0 a sound ledger, 1 one that is not, 2 bad usage.
    """
    from crossattack.ledger import Ledger
    from crossattack.report.statement import print_statement, statement
    from crossattack.run_folder import finished_run

    with Ledger.read(finished_run(run, runs) / "ledger.sqlite") as ledger:
        found = statement(ledger)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_statement(found)
    if found["findings"]:
        raise typer.Exit(1)
