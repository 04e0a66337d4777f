"""Which attacked items a page shows: a seeded draw, half of them such as the attack succeeded with."""

from collections.abc import Mapping

import numpy as np

from crossattack.metrics.ranking import random_average_precision
from crossattack.rankings import Judged


def chosen(succeeded: Mapping[int, bool | None], count: int, rng: np.random.Generator) -> list[int]:
    """At most `count` items, successes and the others by turns, so that any head of the list is mixed too.

    Where there are too few of either, the other kind takes their places.
    """
    order = [int(item) for item in rng.permutation(sorted(succeeded))]
    wins, others = ([item for item in order if (succeeded[item] is True) is kind] for kind in (True, False))
    wins = wins[: max(count - count // 2, count - len(others))]
    others = others[: count - len(wins)]
    turns = [item for pair in zip(wins, others, strict=False) for item in pair]
    return turns + wins[len(others) :] + others[len(wins) :]


def verdicts(ranking: Judged) -> tuple[list[bool | None], dict[str, list[float | None]]]:
    """The referee's view of each query, its AP being at most its floor, and the APs it comes from; None is unknown."""
    known = {name: values for name, values in ranking.scores(ranking.relevant).items() if name in ("clean", "attacked")}
    known["floor"] = random_average_precision(ranking.counted.right, ranking.counted.items)
    scores = {name: [None if np.isnan(value) else float(value) for value in values] for name, values in known.items()}
    unknown = [None] * len(ranking.relevant)
    pairs = zip(scores.get("attacked", unknown), scores["floor"], strict=True)
    return [None if None in (score, floor) else score <= floor for score, floor in pairs], scores  # type: ignore[operator]
