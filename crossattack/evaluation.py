"""Evaluation: from the codes of clean, noisy, attacked and ceiling queries to the numbers of results.json.

`judge` asks the referee for codes, which are paid for on the referee's own account. What comes after it is a function of
what lies in the run's folder, so that it can be computed again without a query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Bool, Int8, Int64
from numpy import ndarray
from torch import Tensor

from crossattack.attacks import Pictures, Status
from crossattack.attacks._surrogate import Surrogate
from crossattack.cache import whole_file
from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.index import Index
from crossattack.ledger import Modality
from crossattack.metrics.hashing import bit_agreement, code_entropy, rank_agreement
from crossattack.metrics.ranking import average_precision, random_average_precision, share_a_label
from crossattack.metrics.statistics import bootstrap_mean, bootstrap_recovered, recovered
from crossattack.oracle import Referee
from crossattack.perturbing import Condition
from crossattack.progress import Progress
from crossattack.streams import Streams
from surrogates.texts import Bags

DIRECTIONS: dict[str, Modality] = {"image_to_text": "images", "text_to_image": "texts"}  # and the modality of the queries

CONDITIONS = ("clean", "noise", "attacked", "ceiling")


@dataclass(frozen=True)
class Ranking:
    """One direction: codes of the queries by condition, and what they are ranked against."""

    queries: dict[str, Int8[Tensor, "queries bits"]]
    database: Int8[Tensor, "items bits"]
    relevant: Bool[ndarray, "queries items"]
    groups: Int64[ndarray, " queries"]


def judge(
    referee: Referee, conditions: Mapping[str, Condition], query: Pairs, database: Pairs, index: Index, progress: Progress
) -> dict[str, Ranking]:
    """Codes of every condition's items on the referee's bill, beside the database of each direction."""
    relevant = share_a_label(query.labels, database.labels)
    rankings = {}
    with progress.stage("judging", len(DIRECTIONS) * len(conditions) * len(query)) as tick:
        for direction, modality in DIRECTIONS.items():
            codes = {}
            for name, condition in conditions.items():
                items = condition[modality].items
                if isinstance(items.values, Bags) and not referee.takes_bags:
                    continue  # feature space: nobody can send that to a service
                if isinstance(items, Pictures):
                    codes[name] = referee.query_images(items.values, phase=name).codes
                else:
                    codes[name] = referee.query_texts(items.values, phase=name).codes
                tick(len(query), f"{direction}, {name}")
            rankings[direction] = Ranking(codes, index.texts if modality == "images" else index.images, relevant, query.groups.numpy())
    return rankings


def keep_codes(path: Path, rankings: Mapping[str, Ranking]) -> None:
    """Everything that `measure` reads, as one file."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        for direction, ranking in rankings.items():
            group = file.create_group(direction)
            for name, codes in ranking.queries.items():
                group[f"queries/{name}"] = codes.numpy()
            group["database"], group["groups"] = ranking.database.numpy(), ranking.groups
            group.create_dataset("relevant", data=ranking.relevant, compression="gzip")


def measure(
    rankings: Mapping[str, Ranking], conditions: Mapping[str, Condition], streams: Streams, resamples: int
) -> dict[str, dict[str, Any]]:
    """`directions` of results.json: what each direction's ranking lost, with 95 % intervals over groups."""
    return {
        direction: _measure(ranking, conditions["attacked"][DIRECTIONS[direction]].status, streams, resamples)
        for direction, ranking in rankings.items()
    }


def _measure(ranking: Ranking, status: tuple[Status, ...], streams: Streams, resamples: int) -> dict[str, Any]:
    counts = ranking.relevant.sum(axis=1).astype(np.int64)
    scored = counts > 0  # a query to which nothing is relevant has no average precision in any condition
    groups, any_scored = ranking.groups[scored], bool(scored.any())
    scores = {name: average_precision(codes, ranking.database, ranking.relevant)[scored] for name, codes in ranking.queries.items()}
    scores["floor"] = random_average_precision(counts, len(ranking.database))[scored]
    unknown = np.full(int(scored.sum()), np.nan)  # what could not be asked, or has no white box
    scores = {name: scores.get(name, unknown) for name in (*CONDITIONS, "floor")}
    triple = (scores["clean"], scores["attacked"], scores["ceiling"])
    asked = "attacked" in ranking.queries
    flipped = (ranking.queries["clean"] != ranking.queries["attacked" if asked else "clean"]).double().mean(1)
    return {
        "attacked_items": len(counts),
        "map": {name: float(values.mean()) if any_scored and values is not unknown else None for name, values in scores.items()},
        "map_ci95": {name: bootstrap_mean(values, groups, streams.numpy("bootstrap"), resamples) for name, values in scores.items()},
        "recovered": recovered(*triple),
        "recovered_ci95": bootstrap_recovered(*triple, groups, streams.numpy("bootstrap"), resamples),
        "success": {
            "attacker": _attackers_view(status),
            "referee": float((scores["attacked"] <= scores["floor"]).mean()) if any_scored and asked else None,
        },
        "status": {kind.name.lower(): sum(each is kind for each in status) for kind in Status},
        "metrics": {
            "bits_flipped": float(flipped.mean()) if asked else None,
            "quarter_flipped": float((flipped >= 0.25).double().mean()) if asked else None,
            "code_entropy": {name: code_entropy(codes) for name, codes in ranking.queries.items()},
            "queries_without_relevant": int((~scored).sum()),
        },
    }


def _attackers_view(status: tuple[Status, ...]) -> float | None:
    """Share of items that the attacker knows to have succeeded; None where nothing was asked about any."""
    asked = [each for each in status if each is not Status.UNVERIFIED]
    return sum(each is Status.SUCCEEDED for each in asked) / len(status) if asked else None


def agreement(referee: Referee, made: Mapping[str, Surrogate], held_back: Pairs, device: str) -> list[dict[str, Any]]:
    """`surrogates` of results.json: how well each predicts the target on pairs that neither learned from.

    For the report only: a choice made from it would have to be paid for.
    """
    found = []
    for name, surrogate in made.items():
        network = surrogate.network
        sides: tuple[tuple[Modality, Any], ...] = (("images", held_back.images), ("texts", held_back.texts))
        images, texts = (harden(encode(network, modality, items, device=device)) for modality, items in sides)
        their_images = referee.query_images(held_back.images, phase="agreement").codes
        their_texts = referee.query_texts(held_back.texts, phase="agreement").codes
        ranks = [rank_agreement(images, texts, their_images, their_texts), rank_agreement(texts, images, their_texts, their_images)]
        known = [rank for rank in ranks if rank is not None]
        found.append(
            {
                "name": name,
                "image_tower": network.settings["image_tower"],
                "text_tower": network.settings["text_tower"],
                "bit_agreement": bit_agreement(torch.cat([images, texts]), torch.cat([their_images, their_texts])),
                "rank_agreement": sum(known) / len(known) if known else None,
            }
        )
    return found
