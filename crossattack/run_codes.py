"""The codes of a finished run, for somebody else's program: queries of one condition, the database, and their labels."""

from pathlib import Path

from crossattack.errors import UsageError
from crossattack.evidence import read
from crossattack.exchange import CodeSet, Side, SomeCodes
from crossattack.ledger import Ledger
from crossattack.progress import Progress
from crossattack.rankings import Ranking

FROM: dict[str, tuple[Side, Side]] = {
    "image_to_text": ("query_images", "database_texts"),
    "text_to_image": ("query_texts", "database_images"),
}


def codes_of_run(folder: Path, condition: str, progress: Progress) -> CodeSet:
    """Codes out of codes.h5, labels out of the data set. `UsageError` where the run has no codes, or none of this condition."""
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
    codes = dict[Side, SomeCodes]()
    for direction, ranking in evidence.rankings.items():
        if not isinstance(ranking, Ranking):
            raise UsageError(f"{folder}: a run against codes wanted, one against lists or features got; it has nothing to be written.")
        if condition not in ranking.queries:
            raise UsageError(f"condition: one of {', '.join(ranking.queries)} wanted, {condition!r} got.")
        codes[FROM[direction][0]], codes[FROM[direction][1]] = ranking.queries[condition], ranking.database
    pairs, split = evidence.config.data.plugin.load(progress)
    queries = next(len(own) for side, own in codes.items() if side.startswith("query"))
    return CodeSet(codes, pairs.labels[split.query[:queries]], pairs.labels[split.database])
