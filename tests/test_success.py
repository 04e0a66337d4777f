"""Rates of success: what is a success, out of how many, and how sure that is."""

import numpy as np
import pytest
import torch

from crossattack.attacks import Perturbed, Pictures, Status
from crossattack.evaluation import measure
from crossattack.metrics.statistics import wilson_interval
from crossattack.rankings import Ranking
from crossattack.streams import Streams


def measured(status: list[Status], wrong: int) -> dict[str, object]:
    """Of items that find the five of theirs among twenty, `wrong` of which find them last when attacked."""
    items = len(status)
    database = torch.ones(20, 8, dtype=torch.int8)
    database[5:] = -1
    relevant = np.zeros((items, 20), bool)
    relevant[:, :5] = True
    clean = torch.ones(items, 8, dtype=torch.int8)
    attacked = clean.clone()
    attacked[:wrong] = -1
    ranking = Ranking({"clean": clean, "attacked": attacked}, database, relevant, np.arange(items))
    pictures = Pictures(tuple(range(items)), torch.zeros(items, 3, 4, 4, dtype=torch.uint8))
    conditions = {"attacked": {"images": Perturbed(pictures, tuple(status))}}
    return measure({"image_to_text": ranking}, conditions, Streams(0), resamples=50)["image_to_text"]


def test_exhausted_items_are_failures_at_the_cap_and_never_dropped() -> None:
    status = [Status.SUCCEEDED] * 2 + [Status.EXHAUSTED] * 5 + [Status.FAILED, Status.ERROR, Status.UNVERIFIED]
    found = measured(status, wrong=3)
    assert found["success"] == {"attacker": 0.2, "referee": 0.3, "referee_clean": 0.0}
    assert found["status"] == {"succeeded": 2, "failed": 1, "exhausted": 5, "error": 1, "unverified": 1}
    assert found["attacked_items"] == 10
    assert measured([Status.EXHAUSTED] * 10, wrong=0)["success"] == {"attacker": 0.0, "referee": 0.0, "referee_clean": 0.0}


def test_rates_have_wilsons_intervals_over_all_items() -> None:
    found = measured([Status.SUCCEEDED] * 4 + [Status.EXHAUSTED] * 36, wrong=10)
    assert found["success_ci95"] == {
        "attacker": wilson_interval(4, 40),
        "referee": pytest.approx(wilson_interval(10, 40)),
        "referee_clean": wilson_interval(0, 40),
    }


def test_what_nobody_asked_about_has_no_rate_and_no_interval() -> None:
    found = measured([Status.UNVERIFIED] * 10, wrong=10)
    assert found["success"] == {"attacker": None, "referee": 1.0, "referee_clean": 0.0}
    assert found["success_ci95"] == {"attacker": None, "referee": wilson_interval(10, 10), "referee_clean": wilson_interval(0, 10)}
