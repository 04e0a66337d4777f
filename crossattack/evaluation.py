"""Evaluation: from the codes of clean, noisy, attacked and ceiling queries to the numbers of results.json.

`judge` asks the referee for codes, which are paid for on the referee's own account. What comes after it is a function of
what lies in the run's folder, so that it can be computed again without a query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped
from numpy import ndarray
from torch import Tensor

from crossattack.attacks import Pictures, Status
from crossattack.attacks._answers import CodeAnswers
from crossattack.attacks._surrogate import FeatureSurrogate, Surrogate
from crossattack.codes import Codes, harden
from crossattack.datasets import Pairs
from crossattack.datasets._relevance import relevance
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.index import Index
from crossattack.ledger import Modality
from crossattack.metrics.features import Measure
from crossattack.metrics.hashing import bit_agreement, rank_agreement
from crossattack.metrics.ranking import random_average_precision, share_a_label
from crossattack.metrics.statistics import Interval, bootstrap_mean, bootstrap_recovered, recovered, wilson_interval
from crossattack.oracle import FINDS, Referee, Reveals
from crossattack.perturbing import CONDITIONS, Condition
from crossattack.progress import Progress
from crossattack.rankings import Judged, Lists, Ranking, Similar
from crossattack.streams import Streams
from surrogates.texts import Bags

DIRECTIONS: dict[str, Modality] = {"image_to_text": "images", "text_to_image": "texts", "image_to_image": "images"}  # of the queries
ALONE = ("image_to_image",)  # directions of pictures without texts


@dataclass(frozen=True)
class Goal:
    """What an attack was to reach beyond leaving: labels of the wanted pair of each attacked item, ids of chosen items.

    labels: by the modality of the attacked items; empty where the attack is not targeted.
    """

    labels: Mapping[Modality, Bool[Tensor, "queries labels"]]
    chosen: tuple[int, ...]


def judge(
    referee: Referee,
    conditions: Mapping[str, Condition],
    query: Pairs,
    database: Pairs,
    index: Index | None,
    goal: Goal,
    progress: Progress,
) -> dict[str, Judged]:
    """Answers to every condition's items on the referee's bill, beside the database of each direction.

    Codes or features, as the target compares them; lists where there is no index.
    """
    relevant, junk = relevance(query, database)
    directions = {name: modality for name, modality in DIRECTIONS.items() if (name in ALONE) != bool(query.texts)}
    rankings = dict[str, Judged]()
    with progress.stage("judging", len(directions) * len(conditions) * len(query)) as tick:
        for direction, modality in directions.items():
            codes = {}
            for name, condition in conditions.items():
                items = condition[modality].items
                if isinstance(items.values, Bags) and not referee.takes_bags:
                    continue  # feature space: nobody can send that to a service
                if isinstance(items, Pictures):
                    answer = referee.query_images(items.values, phase=name)
                else:
                    answer = referee.query_texts(items.values, phase=name)
                codes[name] = answer.values
                tick(len(query), f"{direction}, {name}")
            groups = query.groups.numpy()
            wanted = share_a_label(goal.labels[modality], database.labels) if modality in goal.labels else None
            if index is None:
                rankings[direction] = Lists(codes, len(database), relevant, groups, wanted, goal.chosen)
                continue
            known = index.images if direction in ALONE or modality == "texts" else index.texts
            assert known is not None, "the database of a data set with texts has texts"
            if index.similarity is Similarity.HAMMING:
                keys = index.keys.get(FINDS[modality], [])
                rankings[direction] = Ranking(codes, known, relevant, groups, wanted, goal.chosen, keys)
            else:
                measure = cast(Measure, index.similarity.value)
                rankings[direction] = Similar(codes, known, relevant, groups, measure, junk, wanted, goal.chosen)
    return rankings


def measure(
    rankings: Mapping[str, Judged], conditions: Mapping[str, Condition], streams: Streams, resamples: int
) -> dict[str, dict[str, Any]]:
    """`directions` of results.json: what each direction's ranking lost, with 95 % intervals over groups."""
    return {
        direction: _measure(ranking, conditions["attacked"][DIRECTIONS[direction]].status, streams, resamples)
        for direction, ranking in rankings.items()
    }


def _measure(ranking: Judged, status: tuple[Status, ...], streams: Streams, resamples: int) -> dict[str, Any]:
    counted = ranking.counted
    scored = counted.right > 0  # a query to which nothing is relevant has no average precision in any condition
    groups, any_scored = ranking.groups[scored], bool(scored.any())
    scores = {name: values[scored] for name, values in ranking.scores(ranking.relevant).items()}
    scores["floor"] = random_average_precision(counted.right, counted.items)[scored]
    unknown = np.full(int(scored.sum()), np.nan)  # what could not be asked, or has no white box
    if (best := ranking.best()) is not None:
        scores["opposite_code"] = best[scored]
    scores = {name: scores.get(name, unknown) for name in (*CONDITIONS, "floor", "opposite_code")}
    triple = (scores["clean"], scores["attacked"], scores["ceiling"])
    flipped = ranking.flipped()
    below = {name: int((scores[name] <= scores["floor"]).sum()) for name in ("attacked", "clean")}
    known = {name: any_scored and values is not unknown for name, values in scores.items()}
    return {
        "attacked_items": len(scored),
        "map": {name: float(values.mean()) if known[name] else None for name, values in scores.items()},
        "map_ci95": {name: bootstrap_mean(values, groups, streams.numpy("bootstrap"), resamples) for name, values in scores.items()},
        "recovered": recovered(*triple),
        "recovered_ci95": bootstrap_recovered(*triple, groups, streams.numpy("bootstrap"), resamples),
        "over_noise": float((scores["noise"] - scores["attacked"]).mean()) if known["noise"] and known["attacked"] else None,
        "over_noise_ci95": bootstrap_mean(scores["noise"] - scores["attacked"], groups, streams.numpy("bootstrap"), resamples),
        "success": {
            "attacker": _attackers_view(status),
            "referee": float((scores["attacked"] <= scores["floor"]).mean()) if known["attacked"] else None,
            "referee_clean": float((scores["clean"] <= scores["floor"]).mean()) if known["clean"] else None,
        },
        "success_ci95": {
            "attacker": _attackers_interval(status),
            "referee": wilson_interval(below["attacked"], int(scored.sum())) if known["attacked"] else None,
            "referee_clean": wilson_interval(below["clean"], int(scored.sum())) if known["clean"] else None,
        },
        "status": {kind.name.lower(): sum(each is kind for each in status) for kind in Status},
        "metrics": {
            "bits_flipped": None if flipped is None else float(flipped.mean()),
            "quarter_flipped": None if flipped is None else float((flipped >= 0.25).mean()),
            "top10_gone": _top_gone(ranking) if "attacked" in ranking.queries else None,
            "queries_without_relevant": int((~scored).sum()),
            "t_map": None if ranking.wanted is None else _means(ranking.scores(ranking.wanted)),
            "chosen_place": _means(ranking.places()) if ranking.chosen else None,
            "code_entropy": {},
            "pr_curve": {},
            **ranking.told(),
        },
    }


def _means(values: Mapping[str, Float64[ndarray, " queries"]]) -> dict[str, float | None]:
    """By condition, over the queries that have a value."""
    return {name: float(np.nanmean(each)) if np.isfinite(each).any() else None for name, each in values.items()}


def _top_gone(ranking: Judged, top: int = 10) -> float:
    """Share of queries of whose clean top 10 nothing is left in the attacked one's, in the target's own order of ties."""
    before, after = (ranking.top(name, top) for name in ("clean", "attacked"))
    return float((~(before[:, :, None] == after[:, None, :]).any(axis=(1, 2))).mean())


def _attackers_view(status: tuple[Status, ...]) -> float | None:
    """Share of items that the attacker knows to have succeeded; None where nothing was asked about any.

    Of all items: those whose budget was exhausted, that were refused or never asked about are failures, and none is dropped.
    """
    return status.count(Status.SUCCEEDED) / len(status) if set(status) - {Status.UNVERIFIED} else None


def _attackers_interval(status: tuple[Status, ...]) -> Interval | None:
    """Wilson's interval of that share."""
    return wilson_interval(status.count(Status.SUCCEEDED), len(status)) if set(status) - {Status.UNVERIFIED} else None


@dataclass(frozen=True)
class Compared:
    """A surrogate's codes of the held-back pairs beside the target's, by modality; `keys` are their fingerprints.

    `theirs` and `keys` are empty where nobody sees the target's codes.

    aligned: whether its bits stand for the target's, one by one, as they do where it learned from codes.
    """

    aligned: bool
    image_tower: str
    text_tower: str
    ours: dict[Modality, Shaped[Tensor, "pairs bits"]]  # or features
    theirs: dict[Modality, Shaped[Tensor, "pairs other_bits"]]
    keys: dict[Modality, list[bytes]]


def compare(referee: Referee, made: Mapping[str, Surrogate | FeatureSurrogate], held_back: Pairs, device: str) -> dict[str, Compared]:
    """Each surrogate's codes of pairs that neither it nor the target learned from, and the target's on the referee's bill."""
    if not made or not len(held_back):
        return {}
    if not held_back.texts:
        return _compare_features(referee, made, held_back, device)
    theirs, keys = dict[Modality, Tensor](), dict[Modality, list[bytes]]()
    if referee.reveals is not Reveals.RANKING:
        theirs["images"] = referee.query_images(held_back.pixels(), phase="agreement").values
        theirs["texts"] = referee.query_texts(held_back.texts, phase="agreement").values
        keys = {"images": fingerprint_images(held_back.images), "texts": fingerprint_texts(held_back.texts)}
    found = {}
    for name, surrogate in made.items():
        assert isinstance(surrogate, Surrogate), "of a target with texts"
        network = surrogate.network
        sides: tuple[tuple[Modality, Any], ...] = (("images", held_back.images), ("texts", held_back.texts))
        ours: dict[Modality, Codes] = {modality: harden(encode(network, modality, items, device=device)) for modality, items in sides}
        aligned = isinstance(surrogate.answers, CodeAnswers)
        found[name] = Compared(aligned, network.settings["image_tower"], network.settings["text_tower"], ours, theirs, keys)
    return found


def _compare_features(
    referee: Referee, made: Mapping[str, Surrogate | FeatureSurrogate], held_back: Pairs, device: str
) -> dict[str, Compared]:
    """The same of a target of features."""
    theirs = referee.query_images(held_back.pixels(), phase="agreement").features
    keys = fingerprint_images(held_back.images)
    found = {}
    for name, surrogate in made.items():
        ours = encode(surrogate.network, "images", held_back.images, device=device)
        tower = surrogate.network.settings["image_tower"]
        found[name] = Compared(False, tower, "", {"images": ours}, {"images": theirs}, {"images": keys})
    return found


def agreement(compared: Mapping[str, Compared]) -> list[dict[str, Any]]:
    """`surrogates` of results.json: how well each predicts the target on pairs that neither learned from.

    Of features it is the signs that a surrogate of a target with texts learned from. For the report only: a choice made from it
    would have to be paid for.
    """
    found = []
    for name, one in compared.items():
        known, bits, cosine = list[float](), None, None
        if one.theirs and "texts" not in one.theirs:
            cosine = float(torch.nn.functional.cosine_similarity(one.ours["images"], one.theirs["images"]).mean())
        elif one.theirs:
            (images, texts), (their_images, their_texts) = one.ours.values(), (harden(side.float()) for side in one.theirs.values())
            ranks = [rank_agreement(images, texts, their_images, their_texts), rank_agreement(texts, images, their_texts, their_images)]
            known = [rank for rank in ranks if rank is not None]
            bits = bit_agreement(torch.cat([images, texts]), torch.cat([their_images, their_texts])) if one.aligned else None
        found.append(
            {
                "name": name,
                "image_tower": one.image_tower,
                "text_tower": one.text_tower or None,
                "feature_agreement": cosine,
                "bit_agreement": bits,
                "rank_agreement": sum(known) / len(known) if known else None,
            }
        )
    return found
