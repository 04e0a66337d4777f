"""Sweeps that nobody ran, whose figures follow from their settings by a rule that can be worked out by hand."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import log10
from typing import Any

from crossattack.sweep.grid import digest_of

BUDGETS = (100, 200, 300, 400, 500, 1000, 2000, 5000)
TOWERS = ("convnet", "cnnf", "efficientnet_lite0")
DIRECTIONS = ("image_to_text", "text_to_image")
Rule = Callable[[Mapping[str, Any]], float]


def swept(name: str, grid: Mapping[str, Any], recovered: Rule, *, of: Rule | None = None) -> dict[str, Any]:
    """A finished sweep over all that the grid makes. recovered: of pictures' queries; of texts' it is half of that.

    Clean mAP is 0.7, noise 0.65, ceiling 0.1, floor 0.13. of: agreement in bits.
    """
    cells = [_cell(values, recovered(values), of(values) if of else 0.8) for values in _every(grid)]
    counts = {"pending": 0, "running": 0, "done": len(cells), "failed": 0}
    return {"schema": 1, "name": name, "keys": list(grid), "counts": counts, "cells": cells}


def budget() -> dict[str, Any]:
    """`aach` gets 0.2 more of ten times the queries and 0.01 more from each seed, `mi_fgsm` half of it."""
    return swept("budget", {"attack": ["aach", "mi_fgsm"], "seed": [0, 1, 2], "oracle.budget": list(BUDGETS)}, _budget)


def transfer() -> dict[str, Any]:
    """Own networks recover 0.8, others 0.3, and each seed 0.02 more or less of the gap."""
    grid = {"seed": [0, 1, 2], "surrogate.image_tower": list(TOWERS), "target.image_tower": list(TOWERS)}
    return swept("transfer", grid, _transfer, of=lambda values: 0.9 if _own(values) else 0.6)


def attacks() -> dict[str, Any]:
    """Three attacks, of which nothing can be put in order but what they leave."""
    strengths = {"aach": 0.7, "fgsm": 0.3, "noise": 0.02}
    return swept("attacks", {"attack": list(strengths), "seed": [0, 1]}, lambda values: strengths[values["attack"]])


def set_back(sweep: dict[str, Any], state: str, *places: int, reason: str | None = None) -> dict[str, Any]:
    """The same with these cells in another state."""
    for place in places:
        cell = sweep["cells"][place]
        sweep["counts"][cell["state"]] -= 1
        sweep["counts"][state] += 1
        cell |= {"state": state, "reason": reason, "directions": None, "budget": None, "surrogates": None, "seconds": None}
    return sweep


def _budget(values: Mapping[str, Any]) -> float:
    strength = 0.2 * log10(values["oracle.budget"] / 100) + 0.4 + 0.01 * (values["seed"] - 1)
    return strength if values["attack"] == "aach" else strength / 2


def _transfer(values: Mapping[str, Any]) -> float:
    return 0.8 + 0.02 * (values["seed"] - 1) if _own(values) else 0.3


def _own(values: Mapping[str, Any]) -> bool:
    return bool(values["surrogate.image_tower"] == values["target.image_tower"])


def _every(grid: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (dict(zip(grid, each, strict=True)) for each in product(*grid.values()))


def _cell(values: Mapping[str, Any], recovered: float, agreement: float) -> dict[str, Any]:
    towers = {"image_tower": values.get("surrogate.image_tower", "convnet"), "text_tower": "bag_of_words"}
    return {
        "digest": digest_of(dict(values)),
        "values": dict(values),
        "state": "done",
        "attempts": 1,
        "seconds": 90.0,
        "reason": None,
        "directions": {direction: _found(round(recovered / (1 + place), 6)) for place, direction in enumerate(DIRECTIONS)},
        "budget": {"spent": values.get("oracle.budget", 2000)},
        "surrogates": [{**towers, "bit_agreement": agreement, "rank_agreement": agreement / 2, "feature_agreement": None}],
    }


def _found(recovered: float) -> dict[str, Any]:
    scores = {"clean": 0.7, "noise": 0.65, "attacked": round(0.7 - 0.6 * recovered, 6), "ceiling": 0.1, "floor": 0.13}
    return {
        "map": scores,
        "map_ci95": {name: [round(value - 0.04, 6), round(value + 0.04, 6)] for name, value in scores.items()},
        "recovered": recovered,
        "recovered_ci95": [round(recovered - 0.06, 6), round(recovered + 0.06, 6)],
        "over_noise": round(scores["noise"] - scores["attacked"], 6),
        "over_noise_ci95": None,
    }
