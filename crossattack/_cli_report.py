"""The command `crossattack report`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def report_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page. [report.html in the run's folder]")] = None,
    examples: Annotated[int, typer.Option(metavar="INT", min=0, help="Attacked items that are shown, in each direction.")] = 24,
    seed: Annotated[int, typer.Option(metavar="INT", min=0, help="Of which items.")] = 0,
    pictures: Annotated[
        bool | None, typer.Option("--pictures/--no-pictures", help="Whether pictures are shown. [yes, unless of real people]")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Figures as SVG and PNG and tables as CSV and LaTeX, besides.")
    ] = None,
) -> None:
    """Write one self-contained page of a run: result, curves, examples before and after, checks, bill.

    \b
    Examples:
      crossattack report dcmh-aach-pictograms-32bits-seed0
      crossattack report runs/mine --out mine.html --examples 40
      crossattack report mine --figures figures
    """
    from crossattack.progress import progress_for
    from crossattack.report.finished import Wish, results_of, write_report
    from crossattack.run_folder import finished_run

    folder = finished_run(run, runs)
    path = out or folder / "report.html"
    shown = write_report(folder, path, Wish(pictures=pictures, count=examples, seed=seed), progress_for(sys.stderr))
    print(f"{path}: {sum(len(one.shown) for one in shown.directions)} examples")
    for note in shown.notes:
        print(note, file=sys.stderr)
    if figures:
        from crossattack.report.figure import write_figures

        print(f"{figures}: {', '.join(write_figures(results_of(folder), figures))}")
