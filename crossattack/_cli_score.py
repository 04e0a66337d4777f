"""The command `crossattack score`."""

from pathlib import Path
from typing import Annotated

import typer


def score_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where runs' folders lie.")] = Path("runs"),
    pictures: Annotated[int, typer.Option(metavar="INT", min=1, help="Attacked pictures that are shown, each beside its clean one.")] = 20,
    seed: Annotated[int, typer.Option(metavar="INT", min=0, help="Of which pictures, in which order, on which side.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page. [score.html in the run's folder]")] = None,
) -> None:
    """Write a page on which a person scores how much the attacked pictures differ from the clean ones.

    \b
    Open it in any browser, offline: keys 1 to 5, and the mean opinion scores at the end.

    \b
    Examples:
      crossattack score dcmh-aach-pictograms-32bits-seed0
      crossattack score runs/mine --pictures 40 --seed 1 --out mine.html
    """
    from crossattack.report.score import write_score_page
    from crossattack.run_folder import finished_run

    folder = finished_run(run, runs)
    path = out or folder / "score.html"
    pairs = write_score_page(folder, path, pictures=pictures, seed=seed)
    print(f"{path}: {pairs} pairs to score")
