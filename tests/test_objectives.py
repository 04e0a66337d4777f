"""Objectives: each is its formula, has a slope to follow, stays finite, and leads where it says."""

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear_hashing import linear_world, seen
from naive_objectives import FORMULAS, Naive
from torch import Tensor
from worlds import World, attackers_world

from crossattack.attacks import Pictures
from crossattack.attacks._aims import modality_of
from crossattack.attacks._eyes import AMONG, CANDIDATES, open_eyes
from crossattack.attacks.pgd import Pgd
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.encoding import encode, take_texts
from crossattack.experiment import run
from crossattack.metrics.ranking import average_precision, expected_places, share_a_label
from crossattack.objectives import Known, View
from crossattack.objectives.consensus import mainstay
from crossattack.oracle import FINDS
from crossattack.progress import Silent
from crossattack.registry import OBJECTIVES


def test_every_objective_has_its_formula_here() -> None:
    assert set(FORMULAS) == set(OBJECTIVES.names())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cmla", {"intra": 0.3}),
        ("dhta", {"members": 1}),
        ("hag", {"tolerance": 0.2, "beta": 0.3}),
        ("sdha", {"members": 3}),
        ("triplet", {"margin": 0.1, "quantisation": 0.5}),
    ],
)
def test_settings_are_those_of_the_formula(name: str, settings: dict[str, float]) -> None:
    view = seen(linear_world(sharpness=0.5))
    naive = [FORMULAS[name](row.tolist(), Naive(view, item), **settings) for item, row in enumerate(view.own)]
    values = OBJECTIVES.load(name)(**settings).of(view)(view.own)
    assert torch.allclose(values, torch.tensor(naive, dtype=torch.float64), rtol=1e-9)
    assert not torch.allclose(values, OBJECTIVES.load(name)().of(view)(view.own))


@pytest.mark.parametrize("name", OBJECTIVES.names())
class TestEveryObjective:
    def test_it_equals_a_loop_over_its_formula(self, name: str) -> None:
        world = linear_world(sharpness=0.5)
        view = seen(world)
        for shift in (0.0, 0.7, -0.4):  # the clean items and others, with bits on either side of every threshold
            relaxed = (view.own + shift).clamp(-1, 1)
            naive = [FORMULAS[name](row.tolist(), Naive(view, item)) for item, row in enumerate(relaxed)]
            assert torch.allclose(
                OBJECTIVES.load(name)().of(view)(relaxed), torch.tensor(naive, dtype=torch.float64), rtol=1e-9, atol=1e-12
            )

    def test_only_a_flat_start_has_no_slope_at_the_clean_items(self, name: str) -> None:
        view = seen(linear_world(sharpness=0.5))
        relaxed = view.own.clone().requires_grad_()
        (slope,) = torch.autograd.grad(OBJECTIVES.load(name)().of(view)(relaxed).sum(), relaxed)
        assert (slope.abs().amax(1) > 1e-3).all() != OBJECTIVES.load(name).flat_start
        assert not OBJECTIVES.load(name).flat_start or not slope.any()

    @pytest.mark.parametrize("level", [1.0, -1.0, 0.0])
    def test_saturated_bits_give_finite_values_and_slopes(self, name: str, level: float) -> None:
        view = seen(linear_world())
        for relaxed in (torch.full_like(view.own, level), view.own.sign(), -mainstay(view.other)):
            point = relaxed.clone().requires_grad_()
            value = OBJECTIVES.load(name)().of(view)(point)
            (slope,) = torch.autograd.grad(value.sum(), point)
            assert value.isfinite().all()
            assert slope.isfinite().all()

    def test_an_items_value_does_not_depend_on_its_neighbours(self, name: str) -> None:
        view = seen(linear_world())
        whole = OBJECTIVES.load(name)().of(view)(view.own / 2)
        for item in range(len(view.own)):
            alone = OBJECTIVES.load(name)().of(_only(view, item))(view.own[item : item + 1] / 2)
            assert torch.allclose(alone, whole[item : item + 1], rtol=1e-12)

    def test_where_nothing_is_relevant_it_stays_finite(self, name: str) -> None:
        view = seen(linear_world())
        bare = [Known(known.codes, *(torch.zeros_like(known.relevant) for _ in range(3)), known.drawn) for known in (view.other, view.same)]
        point = view.own.clone().requires_grad_()
        value = OBJECTIVES.load(name)().of(View(view.own, *bare, view.chosen))(point)
        slope = torch.autograd.grad(value.sum(), point, allow_unused=True)[0] if value.requires_grad else torch.zeros(1)
        assert value.isfinite().all()
        assert slope is not None
        assert slope.isfinite().all()


def test_the_complement_of_the_mainstay_is_where_consensus_is_least() -> None:
    """Every code of 6 bits, by brute force."""
    view = seen(linear_world(bits=6))
    loss, stay = OBJECTIVES.load("consensus")().of(view), mainstay(view.other)
    codes = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 6)
    gap = view.other.centre(view.other.irrelevant) - view.other.centre(view.other.relevant)
    for item in range(len(view.own)):
        reached = codes[(codes @ gap[item]).argmax()]  # nearest to what is irrelevant, farthest from what is relevant
        assert torch.equal(reached, -stay[item])
        values = torch.stack([loss(code.expand(len(view.own), -1))[item] for code in codes])
        agreements = codes @ stay[item]
        assert values[agreements == 6] == values.max()
        assert values[agreements == -6] == values.min()


class TestWhatAViewSays:
    def test_with_labels_it_is_their_cosine(self, tmp_path: Path) -> None:
        with attackers_world(tmp_path, attacked=5) as world:
            box, context = world.white.white_box, world.white
            assert box is not None
            for items in (world.pictures, world.words):
                view = open_eyes(context).look(items)
                own = modality_of(items)
                assert torch.equal(view.own, encode(world.target, own, items.values))
                for side, codes in ((view.other, _codes(world, FINDS[own])), (view.same, _codes(world, own))):
                    assert torch.equal(side.codes, codes.float())
                    for item in range(5):
                        _check_labels(side.relevant[item], box.query_labels[item], box.database_labels)
                        wanted = box.own_labels[context.wanted[own][item]]
                        _check_labels(side.wanted[item], wanted, box.database_labels)
                        assert side.irrelevant[item].tolist() == [float(weight == 0) for weight in side.relevant[item].tolist()]
                        _check_drawn(side, item)
                assert torch.equal(view.chosen, _codes(world, FINDS[own])[[0, 3]].float())

    def test_with_answers_it_is_the_nearest_and_the_farthest_that_was_paid_for(self, tmp_path: Path) -> None:
        with attackers_world(tmp_path, attacked=5, budget=100) as world:
            context = world.black
            eyes = open_eyes(context)
            surrogate = context.made["surrogate"]
            for items in (world.pictures, world.words):
                view = eyes.look(items)
                own = modality_of(items)
                clean = harden(encode(surrogate.network, own, items.values))
                for kind, side in ((FINDS[own], view.other), (own, view.same)):
                    known = surrogate.image_codes if kind == "images" else surrogate.text_codes
                    assert torch.equal(side.codes, known.float())
                    positions = context.wanted[own]
                    values = context.images[positions] if kind == "images" else take_texts(context.texts, positions)
                    goals = harden(encode(surrogate.network, kind, values))
                    for item in range(5):
                        _check_extremes(side.relevant[item], clean[item], known, nearest=True)
                        _check_extremes(side.irrelevant[item], clean[item], known, nearest=False)
                        _check_extremes(side.wanted[item], goals[item], known, nearest=True)
                        _check_drawn(side, item)

    @pytest.mark.parametrize("grant", ["labels", "answers"])
    def test_it_is_the_same_however_items_are_batched(self, grant: str, tmp_path: Path) -> None:
        with attackers_world(tmp_path, attacked=4, budget=100) as world:
            eyes = open_eyes(world.white if grant == "labels" else world.black)
            whole = eyes.look(world.pictures)
            for item in range(4):
                alone = eyes.look(Pictures((item,), world.pictures.values[item : item + 1]))
                for name in ("relevant", "irrelevant", "wanted", "drawn"):
                    for side in ("other", "same"):
                        assert torch.equal(getattr(getattr(alone, side), name)[0], getattr(getattr(whole, side), name)[item])


@pytest.mark.parametrize("name", [name for name in OBJECTIVES.names() if OBJECTIVES.load(name).targeted])
def test_targeted_ones_reach_what_the_wanted_pair_finds(name: str, tmp_path: Path) -> None:
    found = {}
    with attackers_world(tmp_path, attacked=12) as world:
        box = world.white.white_box
        assert box is not None
        changed = Pgd(objective=OBJECTIVES.load(name)(), eps=24 / 255).fit(world.white)(world.pictures).items
        wanted = share_a_label(box.own_labels[world.white.wanted["images"]], box.database_labels)
        for condition, items in (("clean", world.pictures), ("attacked", changed)):
            codes = harden(encode(world.target, "images", items.values))
            found[condition] = float(np.nanmean(average_precision(codes, box.text_codes, wanted)))
    assert found["attacked"] > found["clean"] + 0.02, found


TOWARDS = pytest.mark.parametrize(("name", "sign"), [("promote", -1), ("demote", 1)])


@TOWARDS
@pytest.mark.parametrize("grant", ["target", "surrogate"])
def test_chosen_items_move_the_way_they_are_to_in_the_eyes_that_are_followed(name: str, sign: int, grant: str, tmp_path: Path) -> None:
    with attackers_world(tmp_path, attacked=12, budget=200) as world:
        context = world.white if grant == "target" else world.black
        changed = Pgd(objective=OBJECTIVES.load(name)(ids=(0, 3)), eps=24 / 255).fit(context)(world.pictures).items
        network = world.target if grant == "target" else context.made["surrogate"].network
        codes = [harden(encode(network, "images", each.values)) for each in (world.pictures, changed)]
        database = harden(encode(network, "texts", world.catalogue.texts))
    before, after = (expected_places(each, database, (0, 3)).mean() for each in codes)
    assert sign * (after - before) > 2, (before, after)


@pytest.mark.parametrize(("name", "item", "sign"), [("promote", 0, -1), ("demote", 3, 1)])  # from the tail, from the head
@pytest.mark.usefixtures("empty_cache")
def test_chosen_items_move_the_way_they_are_to_in_a_whole_run(name: str, item: int, sign: int, tmp_path: Path) -> None:
    small = ["data=scenes", "data.pairs=600", "data.pixels=16", "target.image_tower=convnet", "target.epochs=2", "target.bits=16"]
    chosen = ["attack=pgd", f"attack.objective={{name: {name}, ids: [{item}]}}", "attack.eps=24/255", "attack.text_eps=0.5"]
    found = run(load_config(overrides=[*small, *chosen, "oracle.white_box=true", "attacked=30", "ceiling.steps=1"]), tmp_path, Silent())
    for direction in ("image_to_text", "text_to_image"):
        places = found["directions"][direction]["metrics"]["chosen_place"]
        assert sign * (places["attacked"] - places["clean"]) > 10, (direction, places)


def _only(view: View, item: int) -> View:
    here = slice(item, item + 1)
    sides = (
        Known(known.codes, known.relevant[here], known.irrelevant[here], known.wanted[here], known.drawn[here])
        for known in (view.other, view.same)
    )
    return View(view.own[here], *sides, view.chosen)


def _codes(world: World, modality: Any) -> Tensor:
    box = world.white.white_box
    assert box is not None
    return box.image_codes if modality == "images" else box.text_codes


def _check_labels(weights: Tensor, labels: Tensor, database: Tensor) -> None:
    """Each weight is the share of labels in common, by the geometric mean of how many there are."""
    mine = set(torch.nonzero(labels).flatten().tolist())
    for weight, row in zip(weights.tolist(), database, strict=True):
        theirs = set(torch.nonzero(row).flatten().tolist())
        assert weight == pytest.approx(len(mine & theirs) / sqrt(len(mine) * len(theirs)) if mine and theirs else 0.0, abs=1e-6)


def _check_extremes(weights: Tensor, code: Tensor, known: Tensor, *, nearest: bool) -> None:
    """Nothing that is left out lies nearer (farther) than what is in."""
    distances = [int((code != each).sum()) for each in known]
    inside = [distance for distance, weight in zip(distances, weights.tolist(), strict=True) if weight == 1]
    outside = [distance for distance, weight in zip(distances, weights.tolist(), strict=True) if weight == 0]
    assert len(inside) + len(outside) == len(known)
    assert len(inside) == max(1, round(AMONG * len(known)))
    assert max(inside) <= min(outside) if nearest else min(inside) >= max(outside)


def _check_drawn(side: Known, item: int) -> None:
    """Wanted ones only, each as often as any other but one."""
    wanted = set(torch.nonzero(side.wanted[item]).flatten().tolist()) or set(range(len(side.codes)))
    drawn = side.drawn[item].tolist()
    assert len(drawn) == CANDIDATES
    assert set(drawn) <= wanted
    counts = [drawn.count(one) for one in wanted]
    assert max(counts) - min(counts) <= 1
