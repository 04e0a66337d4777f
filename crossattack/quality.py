"""Quality: how well a target finds what it should while nobody attacks it."""

import time
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from torch import Tensor, nn

from crossattack.datasets import Pairs, Split
from crossattack.datasets._relevance import relevance
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.index import build_index, compared, sides
from crossattack.metrics.features import Measure, places_of
from crossattack.metrics.features import average_precision as of_places
from crossattack.metrics.ranking import average_precision, random_average_precision
from crossattack.metrics.statistics import bootstrap_mean
from crossattack.progress import Progress
from crossattack.streams import Streams
from crossattack.targets import Target, reads_texts

RESAMPLES = 2000


def quality(target: Target, pairs: Pairs, split: Split, *, device: str, progress: Progress) -> dict[str, Any]:
    """mAP of the query split in every direction that the target has, beside the floor; its size and its speed.

    mAP is the exact expectation over ties of codes; the interval is of 95 %, over groups. Nothing is charged: a target in this
    process is asked by its owner.
    """
    read = pairs if reads_texts(target) else pairs.pictures()
    query, database = read.take(split.query), read.take(split.database)
    index = build_index(target, database, device=device, progress=progress)
    asked, seconds = dict[str, Tensor](), 0.0
    with progress.stage("encoding the queries", sum(len(items) for _, items in sides(query))) as tick:
        for modality, items in sides(query):
            began = time.monotonic()
            asked[modality] = compared(target, encode(target, modality, items, device=device))
            seconds += time.monotonic() - began
            tick(len(items), "")
    relevant, junk = relevance(query, database)
    stored = {"images": index.images, "texts": index.texts}
    ways = {"image_to_text": ("images", "texts"), "text_to_image": ("texts", "images")}
    directions = {}
    for direction, (from_, to) in (ways if query.texts else {"image_to_image": ("images", "images")}).items():
        found = stored[to]
        assert found is not None, "the database of a data set with texts has texts"
        scores = _scores(asked[from_], found, relevant, junk, target.similarity)
        ranked = np.ones_like(relevant) if junk is None else ~junk
        floor = random_average_precision((relevant & ranked).sum(1, dtype=np.int64), ranked.sum(1, dtype=np.int64))
        counted = np.isfinite(scores) & ((relevant & ranked).sum(1) > 0)
        groups = query.groups.numpy()[counted]
        directions[direction] = {
            "map": float(scores[counted].mean()) if counted.any() else None,
            "map_ci95": bootstrap_mean(scores[counted], groups, Streams(0).numpy("bootstrap"), RESAMPLES),
            "floor": float(floor[counted].mean()) if counted.any() else None,
            "queries": int(counted.sum()),
        }
    return {
        "dim": target.dim,
        "similarity": target.similarity.value,
        "digest": target.digest,
        "parameters": parameters(target),
        "items_a_second": round(sum(len(items) for _, items in sides(query)) / max(seconds, 1e-9), 1),
        "database": len(database),
        "directions": directions,
    }


def parameters(target: object) -> int | None:
    """How many numbers its network has; None where no network is seen."""
    network = target if isinstance(target, nn.Module) else getattr(target, "network", None)
    return sum(parameter.numel() for parameter in network.parameters()) if isinstance(network, nn.Module) else None


def _scores(
    asked: Tensor,
    stored: Tensor,
    relevant: Bool[ndarray, "queries items"],
    junk: Bool[ndarray, "queries items"] | None,
    similarity: Similarity,
) -> Float64[ndarray, " queries"]:
    if similarity is Similarity.HAMMING:
        return average_precision(asked, stored, relevant)
    return of_places(places_of(asked, stored, relevant, junk, cast(Measure, similarity.value)))
