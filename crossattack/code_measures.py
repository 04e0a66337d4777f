"""Every metric of codes, whoever made them: what a paper would print, beside what it would have printed with another definition."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from crossattack.exchange import CodeSet, SomeCodes
from crossattack.metrics.cutoffs import (
    Legacy,
    average_precision_at,
    legacy_average_precision,
    ndcg_at,
    pooled_within,
    precision_at,
    recall_at,
    success_at,
    within,
)
from crossattack.metrics.hashing import bit_agreement, bit_balance, code_entropy, opposite_codes, rank_agreement
from crossattack.metrics.hubness import hubness
from crossattack.metrics.ranking import (
    RECALLS,
    Levels,
    average_precision,
    levels,
    levels_average_precision,
    mean_over_queries,
    precision_at_recalls,
    random_average_precision,
    share_a_label,
)

CUTS = (50, 5000)
PLACES = (1, 10, 100, 1000)
RADIUS = 2
BLOCK = 256  # queries at a time, where there is a number for each query and item
DEFINITIONS: tuple[Legacy, ...] = ("first_k_relevant", "top_k_hits", "top_k_min", "trapezoid")


def measured(held: CodeSet, cuts: Sequence[int] = CUTS) -> dict[str, Any]:
    """All of them, by direction, as JSON holds it."""
    relevant = share_a_label(held.query_labels, held.database_labels)
    codes = held.codes
    return {
        "queries": len(held.query_labels),
        "database": len(held.database_labels),
        "bits": next(iter(codes.values())).shape[1],
        "labels": held.query_labels.shape[1],
        "zeros": held.zeros,
        "directions": {
            name: of_direction(queries, items, relevant, cuts) | {"ndcg_at": gained(held, queries, items)}
            for name, queries, items in held.directions()
        },
        "codes": {side: of_codes(own) for side, own in codes.items()},
        "agreement": agreement(held),
    }


def of_direction(queries: SomeCodes, database: SomeCodes, relevant: Bool[ndarray, "queries items"], cuts: Sequence[int]) -> dict[str, Any]:
    """Rankings of the database for the queries."""
    found = levels(queries, database, relevant)
    scores = {"expected": levels_average_precision(found), "stable": average_precision(queries, database, relevant, "stable")}
    scores |= {"best": levels_average_precision(found, "best"), "worst": levels_average_precision(found, "worst")}
    counts = relevant.sum(1, dtype=np.int64)
    mean = mean_over_queries(scores["expected"])
    some = counts > 0
    curve = precision_at_recalls(found)[some].mean(0).tolist() if some.any() else None
    places = [k for k in PLACES if k <= len(database)]
    return {
        "map": {order: mean_over_queries(score).value for order, score in scores.items()},
        "floor": mean_over_queries(random_average_precision(counts, relevant.shape[1])).value,
        "opposite_code": mean_over_queries(opposed(database, relevant)).value,
        "scored": mean.scored,
        "left_out": mean.left_out,
        "map_at": {str(k): map_at(k, queries, database, relevant, found) for k in cuts},
        "precision_at": {str(k): averaged(precision_at(k, found), some) for k in places},
        "recall_at": {str(k): averaged(recall_at(k, found), some) for k in places},
        "cmc": {str(k): averaged(success_at(k, found), some) for k in places},
        f"precision_radius_{RADIUS}": averaged(within(RADIUS, found)[0], some),
        "by_radius": by_radius(found, some),
        "hubness": hubness(queries, database),
        "pr_curve": None if curve is None else dict(zip((f"{recall:.1f}" for recall in RECALLS), curve, strict=True)),
    }


def map_at(
    k: int, queries: SomeCodes, database: SomeCodes, relevant: Bool[ndarray, "queries items"], found: Levels
) -> dict[str, float | None]:
    """MAP@k in expectation over the orders of the ties, and in each of the field's definitions."""
    told = {"expected": average_precision_at(k, found)}
    told |= {definition: legacy_average_precision(definition, k, queries, database, relevant) for definition in DEFINITIONS}
    return {definition: mean_over_queries(values).value for definition, values in told.items()}


def by_radius(found: Levels, some: Bool[ndarray, " queries"]) -> dict[str, list[float | None]]:
    """Precision and recall of the Hamming ball of each radius from 0 on: the mean over queries, and of all pairs at once."""
    balls = [within(radius, found) for radius in range(found.items.shape[1])]
    pooled = pooled_within(found)
    return {
        "precision": [averaged(precision, some) for precision, _ in balls],
        "recall": [averaged(recall, some) for _, recall in balls],
        "pooled_precision": [None if np.isnan(value) else float(value) for value in pooled[0]],
        "pooled_recall": [None if np.isnan(value) else float(value) for value in pooled[1]],
    }


def gained(held: CodeSet, queries: SomeCodes, database: SomeCodes) -> dict[str, float | None]:
    """NDCG at a few places, the gain of an item growing with the labels it shares."""
    told = {k: list[Float64[ndarray, " queries"]]() for k in PLACES if k <= len(database)}
    labels = held.database_labels.float().T
    for start in range(0, len(queries), BLOCK):
        here = slice(start, start + BLOCK)
        shared = (held.query_labels[here].float() @ labels).long().numpy()
        for k, found in told.items():
            found.append(ndcg_at(k, queries[here], database, shared))
    return {str(k): mean_over_queries(np.concatenate(found)).value for k, found in told.items()}


def opposed(database: SomeCodes, relevant: Bool[ndarray, "queries items"]) -> Float64[ndarray, " queries"]:
    """Average precision of codes turned against everything relevant, which hardly any attack can go below."""
    blocks = [relevant[start : start + BLOCK] for start in range(0, len(relevant), BLOCK)]
    return np.concatenate([average_precision(opposite_codes(database, block), database, block) for block in blocks])


def of_codes(codes: SomeCodes) -> dict[str, Any]:
    """How evenly a set of codes uses its bits."""
    balance = bit_balance(codes)
    return {"items": len(codes), "entropy": code_entropy(codes), "balance": [float(balance.min()), float(balance.max())]}


def agreement(held: CodeSet) -> dict[str, float | None]:
    """How far a picture's code and its text's are the same, where a file has both; and how far they rank alike."""
    codes, told = {str(side): own for side, own in held.codes.items()}, dict[str, float | None]()
    if "query_images" in codes and "query_texts" in codes:
        told["query_bits"] = bit_agreement(codes["query_images"], codes["query_texts"])
    if "database_images" in codes and "database_texts" in codes:
        told["database_bits"] = bit_agreement(codes["database_images"], codes["database_texts"])
    if len(told) == 2:
        images, texts = ((codes[f"query_{kind}"], codes[f"database_{kind}"]) for kind in ("images", "texts"))
        told["ranks"] = rank_agreement(*images, *texts)
    return told


def averaged(values: Float64[ndarray, " queries"], some: Bool[ndarray, " queries"]) -> float | None:
    """The mean over the queries to which something is relevant."""
    return float(values[some].mean()) if some.any() else None
