"""The command `crossattack report`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def report_command(
    run: Annotated[str, typer.Argument(metavar="RUN|SWEEP", help="A run's or a sweep's folder, or its name in --runs; or a kept sweep.")],
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page. [report.html in its folder; of FILE.json, FILE.html]")] = None,
    examples: Annotated[
        int | None, typer.Option(metavar="INT", min=0, help="Of a run: attacked items that are shown, in each direction. [24]")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="INT", min=0, help="Of a run: of which items. [0]")] = None,
    pictures: Annotated[
        bool | None, typer.Option("--pictures/--no-pictures", help="Of a run: whether pictures are shown. [yes, unless of real people]")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Figures as SVG and PNG and tables as CSV and LaTeX, besides.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Of a sweep: a small file, besides, from which all of it is drawn again.")
    ] = None,
) -> None:
    """Write one self-contained page of a run or of a sweep.

    Of a run: result, curves, examples before and after, checks, bill. Of a sweep: what was varied and what came of it, as curves, a
    matrix or a list, with areas, gaps and intervals over seeds, and every run.

    \b
    Examples:
      crossattack report dcmh-aach-pictograms-32bits-seed0
      crossattack report runs/mine --out mine.html --examples 40
      crossattack report mine --figures figures
      crossattack report runs/budget --keep budget.json
    """
    from crossattack.errors import UsageError
    from crossattack.progress import progress_for
    from crossattack.sweep import kept

    progress = progress_for(sys.stderr)
    if (sweep := kept.find(run, runs)) is not None:
        given = {"--examples": examples, "--seed": seed, "--pictures": pictures}
        if flag := next((flag for flag, value in given.items() if value is not None), None):
            raise UsageError(f"{flag}: a run wanted with it, {sweep} got, a sweep; report on one of its runs, {sweep.name}/DIGEST.")
        _of_sweep(kept.read(sweep, progress), sweep, out, figures, keep)
        return
    if keep is not None:
        raise UsageError(f"--keep: a sweep wanted with it, {run!r} got, which is none; a run keeps its results.json.")

    from crossattack.report.finished import Wish, results_of, write_report
    from crossattack.run_folder import finished_run

    folder = finished_run(run, runs)
    path = out or folder / "report.html"
    shown = write_report(folder, path, Wish(pictures=pictures, count=24 if examples is None else examples, seed=seed or 0), progress)
    print(f"{path}: {sum(len(one.shown) for one in shown.directions)} examples")
    for note in shown.notes:
        print(note, file=sys.stderr)
    if figures:
        from crossattack.report.figure import write_figures

        print(f"{figures}: {', '.join(write_figures(results_of(folder), figures))}")


def _of_sweep(sweep: dict[str, object], source: Path, out: Path | None, figures: Path | None, keep: Path | None) -> None:
    """The page, and what else was asked for, each in a line on stdout."""
    from crossattack.report.sweep.figure import write_figures
    from crossattack.report.sweep.page import write_sweep_page
    from crossattack.report.sweep.words import standing
    from crossattack.sweep import kept

    path = out or (source / "report.html" if source.is_dir() else source.with_suffix(".html"))
    write_sweep_page(sweep, path)
    print(f"{path}: {standing(sweep)}")
    if figures:
        print(f"{figures}: {', '.join(write_figures(sweep, figures))}")
    if keep:
        kept.keep(sweep, keep)
        print(f"{keep}: {keep.stat().st_size:,} bytes")
