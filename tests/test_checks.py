"""Validity checks: each passes on sound figures and fails on those that it is there to doubt."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattack.checks import run_checks
from crossattack.codes import harden
from crossattack.datasets import Split
from crossattack.metrics.hashing import code_entropy
from crossattack.report._doubts import DOUBTS, doubt

SPLIT = Split(
    query=torch.arange(0, 4),
    database=torch.arange(4, 12),
    train=torch.arange(4, 8),
    attacker=torch.arange(12, 16),
    held_back=torch.arange(16, 18),
)
GROUPS = torch.arange(18) // 2  # siblings by twos
SOUND: dict[str, Any] = {
    "service": None,
    "budget": {"cap": 100, "spent": 90, "images": 50, "texts": 40, "phases": {"mining": 70, "attack": 20}},
    "threat_model": {"eps": 8 / 255, "norm": "linf", "changes": ["images", "texts"], "reveals": "codes"},
    "distortion": {"images": {"linf_max": 8 / 255, "l2_max": 2.0}},
    "directions": {
        "image_to_text": {
            "map": {"clean": 0.7, "noise": 0.68, "attacked": 0.3, "ceiling": 0.1},
            "recovered_ci95": [0.5, 0.7],
            "success": {"attacker": 0.5},
            "metrics": {"top10_gone": 0.9, "code_entropy": {"clean": 0.97}},
        }
    },
    "trials": {
        "copies": {"database": 0, "attacker": 0},
        "directions": {
            "image_to_text": {
                "items": 20,
                "asked_twice": 20,
                "paid": False,
                "differed": 0,
                "saturated": 0.1,
                "downhill": 1.0,
                "without_slope": 0,
                "map": {"clean": 0.7, "ceiling": 0.1, "wider": 0.08, "unbounded": 0.05, "opposite_code": 0.04},
            }
        },
    },
}


def verdicts(results: dict[str, Any], split: Split = SPLIT, groups: Tensor = GROUPS) -> dict[str, tuple[bool | None, str]]:
    return {check.name.removeprefix("image_to_text: "): (check.ok, check.detail) for check in run_checks(results, groups, split)}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sound figures but for one."""
    results = deepcopy(SOUND)
    *above, last = path.split(".")
    here = results
    for key in above:
        here = here[key]
    assert last in here
    here[last] = value
    return results


def test_sound_figures_pass_every_check() -> None:
    found = verdicts(SOUND)
    assert {ok for ok, _ in found.values()} == {True}
    assert len(found) == 13


FOUND, TRIED = "directions.image_to_text", "trials.directions.image_to_text"


@pytest.mark.parametrize(
    ("path", "value", "claim", "detail"),
    [
        ("budget.spent", 101, "budget kept", "101 of 100"),
        ("budget.phases", {"mining": 1}, "budget kept", "phases {'mining': 1}"),
        ("distortion.images.linf_max", 9 / 255, "pictures inside eps", "0.03529, eps 0.03137"),
        ("threat_model.eps", 0.5 / 255, "eps reaches a grey level", "eps is 0.50/255"),
        (f"{FOUND}.map.ceiling", 0.4, "the ceiling is above the attack", "attack 0.400, ceiling 0.300"),
        (f"{FOUND}.map.attacked", 0.69, "the attack does something", "attack 0.010"),
        (f"{FOUND}.map.noise", 0.45, "noise does far less than the attack", "noise 0.250, attack 0.400"),
        (f"{FOUND}.metrics.code_entropy.clean", 0.3, "clean codes use their bits", "mean entropy of a bit 0.30 of 1"),
        (f"{TRIED}.map.wider", 0.13, "a larger radius is at least as strong", "0.100, twice as far 0.130"),
        (f"{TRIED}.map.unbounded", 0.2, "without a radius the best possible codes are reached", "everything within reach: 0.200"),
        (f"{TRIED}.downhill", 0.5, "gradients are not masked", "takes 50% of 20 items lower"),
        (f"{TRIED}.saturated", 0.9, "tanh is not saturated", "90% of the relaxed bits"),
        (f"{TRIED}.differed", 1, "the target repeats its answers", "1 of 20 items asked twice were answered in two ways; it may"),
        ("trials.copies.attacker", 2, "no attacked picture in another role", "2 of the attacker's"),
    ],
)
def test_a_figure_that_cannot_be_right_fails_its_check_and_no_other(path: str, value: Any, claim: str, detail: str) -> None:
    found = verdicts(changed(path, value))
    ok, says = found[claim]
    assert ok is False
    assert detail in says
    others = {"eps reaches a grey level": {"pictures inside eps"}, "the attack does something": {"noise does far less than the attack"}}
    assert {name for name, (ok, _) in found.items() if ok is False} - others.get(claim, set()) == {claim}


def test_every_claim_is_explained_on_the_page_and_in_the_docs() -> None:
    page = (Path(__file__).parents[1] / "docs/results.md").read_text(encoding="utf-8")
    assert {claim for claim in verdicts(SOUND) if not doubt(claim)} == set()
    for claim, why in DOUBTS.items():
        assert f"| {claim} | {why} |" in page


def test_a_hair_more_than_allowed_is_noise_and_not_a_failure() -> None:
    assert verdicts(changed(f"{TRIED}.map.wider", 0.115))["a larger radius is at least as strong"][0]
    assert verdicts(changed(f"{FOUND}.map.ceiling", 0.31))["the ceiling is above the attack"][0]


def test_collapsed_codes_are_told_from_codes_that_use_their_bits() -> None:
    rng = torch.Generator().manual_seed(0)
    codes = harden(torch.randn(200, 32, generator=rng))
    collapsed = torch.where(torch.rand(codes.shape, generator=rng) < 0.05, codes, codes[:1])
    for some, ok in ((codes, True), (collapsed, False)):
        assert verdicts(changed(f"{FOUND}.metrics.code_entropy.clean", code_entropy(some)))["clean codes use their bits"][0] is ok


@pytest.mark.parametrize(
    ("role", "items", "said"),
    [
        ("attacker", [1, 12, 13], "query and attacker"),
        ("held_back", [13, 17], "attacker and held_back"),
        ("database", [3, 4, 5, 6], "query and database"),
        ("train", [0, 4], "query and train"),
        ("train", [16], "held_back and train"),
    ],
)
def test_a_split_that_leaks_siblings_is_named(role: str, items: list[int], said: str) -> None:
    roles = {name: getattr(SPLIT, name) for name in ("query", "database", "train", "attacker", "held_back")}
    ok, detail = verdicts(SOUND, Split(**{**roles, role: torch.tensor(items)}))["no group in two roles"]
    assert ok is False
    assert said in detail


def test_of_a_run_without_trials_nothing_is_said_of_them() -> None:
    without = {key: value for key, value in SOUND.items() if key != "trials"}
    assert len(verdicts(without)) == 7
