"""How sure a mean over seeds is: items and seeds are both drawn again, from what the cells' folders keep of every item.

All seeds of a group attack the same items, so a resample draws groups of items once for all of them, and seeds besides (as
`metrics.seeds` does); the figure is then computed anew. The share `recovered` is that of each drawn seed, on the drawn items,
before the mean is taken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from crossattack.errors import CrossattackError
from crossattack.metrics.seeds import over_seeds
from crossattack.metrics.statistics import RESAMPLES, Interval, percentile_interval, resampled_means
from crossattack.progress import Progress
from crossattack.report.comparison import CONDITIONS, Judged, judged
from crossattack.report.sweep.merging import groups_of
from crossattack.streams import Streams

Scores = Mapping[str, Float64[ndarray, " items"]]


def intervals(sweep: Mapping[str, Any], folder: Path, progress: Progress) -> list[dict[str, Any]]:
    """`intervals` of a kept sweep: of every group of two seeds or more that attacked the same items and whose folders are whole."""
    groups = [[str(cell["digest"]) for cell in group.cells] for group in groups_of(sweep)]
    groups = [digests for digests in groups if len(digests) > 1]
    if not groups:
        return []
    found = []
    with progress.stage("drawing items and seeds again", sum(map(len, groups))) as tick:
        for digests in groups:
            runs = []
            for digest in digests:
                runs.append(_judged(folder / digest))
                tick(1, digest)
            if (directions := _pooled(runs)) is not None:
                found.append({"cells": digests, "directions": directions})
    return found


def pooled(
    seeds: Sequence[Scores], groups: Int64[ndarray, " items"], resamples: int = RESAMPLES
) -> tuple[dict[str, Interval | None], Interval | None]:
    """95 % intervals of the mean over seeds: of the average precision of each condition, and of `recovered`.

    seeds: average precision of every item by condition, of each seed, on the same items. groups: of siblings among these. None
    where there are fewer than two groups, or no condition of that name, or a drawn ceiling does no damage.
    """
    names = [name for name in CONDITIONS if all(name in scores for scores in seeds)]
    rows = np.stack([scores[name] for scores in seeds for name in names])  # (seeds * conditions, items)
    means = resampled_means(rows, groups, Streams(0).numpy("items"), resamples)
    if means is None:
        return dict.fromkeys(names), None

    def interval(values: Float64[ndarray, "seeds resamples"]) -> Interval:
        return percentile_interval(over_seeds(values, Streams(0).numpy("seeds")))

    by_name = dict(zip(names, means.reshape(len(seeds), len(names), resamples).swapaxes(0, 1), strict=True))
    whole = {"clean", "attacked", "ceiling"} <= set(names) and bool((by_name["clean"] > by_name["ceiling"]).all())
    share = interval((by_name["clean"] - by_name["attacked"]) / (by_name["clean"] - by_name["ceiling"])) if whole else None
    return {name: interval(values) for name, values in by_name.items()}, share


def _judged(folder: Path) -> tuple[str, dict[str, Judged]] | None:
    """Every item's average precision; None where something of the folder is gone."""
    try:
        return judged(folder)
    except (CrossattackError, OSError):
        return None


def _pooled(runs: Sequence[tuple[str, dict[str, Judged]] | None]) -> dict[str, Any] | None:
    """By direction; None where a run is not there, or its items are others."""
    known = [run for run in runs if run is not None]
    if len(known) < len(runs) or len({split for split, _ in known}) > 1:
        return None
    (_, first), *_ = known
    found = {}
    for direction, one in first.items():
        if any(direction not in run or run[direction].items != one.items for _, run in known):
            return None
        maps, share = pooled([run[direction].scores for _, run in known], one.groups)
        found[direction] = {"map_ci95": maps, "recovered_ci95": share}
    return found
