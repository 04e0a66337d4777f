"""MND in worlds where the least change is known, and what it promises whatever the network."""

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import torch
from linear_pairs import Linear, grey, linear, linear_world
from torch import Tensor
from worlds import World

from crossattack.attacks import Pictures
from crossattack.attacks._leaving import FarFeatures, LostClasses, TurnedBits
from crossattack.attacks.mnd import BLOCK, Mnd
from crossattack.attacks.smallest import Smallest
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError

SIZE_ONLY = {"magnitude": 1000.0, "structure": 0.0, "gradient": 0.0}


def changed(world: World, attack: Mnd | Smallest, items: Pictures, similarity: Similarity = Similarity.HAMMING, **box: Any) -> Tensor:
    """Pictures after a white-box attack; `box` is what else the box says."""
    assert world.white.white_box is not None
    context = replace(world.white, white_box=replace(world.white.white_box, similarity=similarity, **box))
    return attack.fit(context)(items).items.values  # type: ignore[return-value]


def length(after: Tensor, before: Tensor) -> Tensor:
    return ((after.float() - before.float()) / 255).flatten(1).norm(dim=1)


def near_planes(target: Linear, items: int) -> tuple[Pictures, Tensor]:
    """Pictures some distance from the planes of all bits, and their margins as rounded."""
    generator = torch.Generator().manual_seed(0)
    distances = 0.3 + 0.9 * torch.rand(items, target.dim, generator=generator)
    sides = torch.randint(0, 2, distances.shape, generator=generator) * 2 - 1
    values = 0.5 + (distances * sides * target.weights.norm(dim=1)) @ torch.linalg.pinv(target.weights).T
    pictures = Pictures(tuple(range(items)), (values * 255).round().to(torch.uint8).reshape(items, 3, 16, 16))
    return pictures, encode(target, "images", pictures.values)


def test_one_bit_is_turned_at_about_its_distance_from_the_nearest_plane(tmp_path: Path) -> None:
    target = linear(8)
    with linear_world(tmp_path, target) as world:
        pictures, margins = near_planes(target, 4)
        after = changed(world, Mnd(leave=1 / 8, searches=6, steps=60, **SIZE_ONLY), pictures)
    least = (margins.abs() / target.weights.norm(dim=1)).min(1).values
    found = length(after, pictures.values)
    assert (found >= 0.95 * least).all()
    assert (found <= 1.1 * least).all()
    assert ((encode(target, "images", after) >= 0) != (margins >= 0)).any(1).all()


def test_a_euclidean_feature_leaves_along_its_steepest_direction(tmp_path: Path) -> None:
    """Features W r away at the least |r|: the distance over the largest singular value of W."""
    target, items = linear(8, shrink=0.7), grey(3)
    with linear_world(tmp_path, target) as world:
        after = changed(world, Mnd(leave=0.5, searches=6, steps=60, **SIZE_ONLY), items, Similarity.EUCLIDEAN)
    moved = (encode(target, "images", after) - encode(target, "images", items.values)).norm(dim=1)
    assert (moved >= 0.5).all()
    least = 0.5 / torch.linalg.svdvals(target.weights)[0]
    assert (length(after, items.values) <= 1.25 * least).all()
    assert (length(after, items.values) >= 0.999 * least).all()


def test_a_cosine_feature_leaves_by_as_much_as_it_has_to_and_hardly_more(tmp_path: Path) -> None:
    target = linear(8)
    with linear_world(tmp_path, target) as world:
        pictures, before = near_planes(target, 3)
        after = encode(target, "images", changed(world, Mnd(leave=0.02, searches=5, steps=40), pictures, Similarity.COSINE))
    away = 1 - torch.cosine_similarity(after, before)
    assert (away >= 0.02).all()
    assert (away <= 0.024).all()


def test_a_person_sees_less_of_it_than_of_the_shortest_change(tmp_path: Path) -> None:
    """Where the left half is flat and the right half has texture, the change goes to the right."""
    target = linear(8)
    with linear_world(tmp_path, target) as world:
        pictures, _ = near_planes(target, 3)
        values = pictures.values.clone()
        values[:, :, :, :8] = 127
        values[:, :, :, 8:] = torch.tensor([90, 160], dtype=torch.uint8).repeat(4)
        items = Pictures(pictures.ids, values)
        seen, short = (changed(world, Mnd(leave=1 / 8, searches=4, steps=40, **weights), items) for weights in ({}, SIZE_ONLY))  # type: ignore[arg-type]
    left = lambda after: ((after.float() - values.float())[:, :, :, :7]).abs().sum()  # noqa: E731
    assert left(seen) < 0.7 * left(short)
    assert ((encode(target, "images", seen) >= 0) != (encode(target, "images", values) >= 0)).any(1).all()


@pytest.mark.parametrize("split", [1, 4])
def test_batches_do_not_matter_to_the_byte(split: int, tmp_path: Path) -> None:
    target, attack = linear(8), Mnd(searches=2, steps=6)
    with linear_world(tmp_path, target, attacked=30) as world:
        pictures, _ = near_planes(target, BLOCK + 3)
        whole = changed(world, attack, pictures)
        parts = [Pictures(pictures.ids[at : at + split], pictures.values[at : at + split]) for at in range(0, BLOCK + 3, split)]
        assert torch.equal(whole, torch.cat([changed(world, attack, part) for part in parts]))


def test_where_nothing_succeeds_the_change_that_came_nearest_is_kept_inside_eps(tmp_path: Path) -> None:
    target = linear(8)
    with linear_world(tmp_path, target) as world:
        pictures, margins = near_planes(target, 3)
        after = changed(world, Mnd(leave=1.0, eps=1 / 255, searches=3, steps=30), pictures)
    assert (after.int() - pictures.values.int()).abs().max() == 1
    leaving = TurnedBits(margins, 1.0)
    outputs = encode(target, "images", after)
    assert not leaving.gone(outputs).any()
    assert (leaving.missing(outputs) < 0.97 * leaving.missing(margins)).all()


def test_how_far_is_far_enough_is_counted_as_the_network_compares() -> None:
    own = torch.tensor([[1.0, -2.0, 3.0, -0.5, 0.2, 4.0, -1.0, 2.0]])
    turned = own.clone()
    turned[0, 3:5] *= -1
    codes = TurnedBits(own, 0.25)
    assert (codes.gone(own).tolist(), codes.gone(turned).tolist()) == ([False], [True])
    assert codes.missing(own).item() == pytest.approx((0.2 + 0.5) / 2 + 0.02)  # the two bits that are nearest to turning
    assert not TurnedBits(own, 0.26).gone(turned).any()  # three of eight
    assert (harden(turned) != harden(own)).sum() == ceil(0.25 * 8)
    assert FarFeatures(own, Similarity.COSINE, 2.0).gone(-own).all()
    assert FarFeatures(own, Similarity.COSINE, 1.0).missing(own).item() == pytest.approx(1.02)
    assert FarFeatures(own, Similarity.EUCLIDEAN, 3.0).gone(own + torch.tensor([3.0] + [0.0] * 7)).all()


def test_a_class_is_lost_when_another_score_is_so_much_above_the_best_true_one() -> None:
    own, true = torch.tensor([[3.0, 1.0, 2.5, -1.0]] * 2), torch.tensor([[1, 0, 0, 0], [1, 0, 1, 0]]).bool()
    classes = LostClasses(own, true, 0.5)
    assert classes.missing(own).tolist() == pytest.approx([1.02, 1.02])
    assert not classes.gone(own).any()
    just = own.clone()
    just[:, 1] = 3.5
    assert classes.gone(just).tolist() == [True, True]
    assert classes.missing(just).tolist() == pytest.approx([0.02, 0.02])
    half = own.clone()
    half[:, 0] = 2.5  # the first item's margin was 0.5 and is 0, half of the way to -0.5; the second's was 2 and is 1.5 of 2.5
    assert classes.missing(half).tolist() == pytest.approx([0.5 + 0.02, 2.0 / 2.5 + 0.02])
    assert not classes.gone(half).any()


def classified(target: Linear, items: int) -> tuple[Pictures, Tensor, Tensor]:
    """Pictures of a linear classifier's classes, 0, 1, 2 and so on, their labels, and the margins to all others."""
    wanted = torch.arange(items) % target.dim
    scores = torch.nn.functional.one_hot(wanted, target.dim) * 0.8 + 0.2 * torch.rand(
        items, target.dim, generator=torch.Generator().manual_seed(0)
    )
    values = 0.5 + scores @ torch.linalg.pinv(target.weights).T
    pictures = Pictures(tuple(range(items)), (values * 255).round().to(torch.uint8).reshape(items, 3, 16, 16))
    found = encode(target, "images", pictures.values)
    assert torch.equal(found.argmax(1), wanted)
    return pictures, torch.nn.functional.one_hot(wanted, target.dim).bool(), found.gather(1, wanted[:, None]) - found


def box_of(true: Tensor) -> dict[str, Any]:
    """Labels of the attacked items; there is no database, and the attacker has nothing."""
    nobody = torch.zeros(0, true.shape[1], dtype=torch.bool)
    codes = {"image_codes": nobody.float(), "text_codes": None}
    return {"query_labels": true, "database_labels": nobody, "own_labels": nobody, **codes}


def ways_out(target: Linear, true: Tensor) -> Tensor:
    """The directions in which each item's margins fall: the true class's row less every other's, (items, others, values)."""
    rows = target.weights[true.int().argmax(1)][:, None] - target.weights
    return rows[~true].reshape(len(true), -1, rows.shape[2])


def test_a_linear_classifier_is_left_at_about_the_distance_of_its_nearest_boundary(tmp_path: Path) -> None:
    """The least |r| is the smallest of margin / |w_true - w_other|."""
    target = linear(4)
    with linear_world(tmp_path, target) as world:
        pictures, true, margins = classified(target, 4)
        attack = Mnd(leave=0.01, eps=32 / 255, searches=6, steps=60, **SIZE_ONLY)
        after = changed(world, attack, pictures, Similarity.SCORES, **box_of(true))
    least = (margins[~true].reshape(4, -1) / ways_out(target, true).norm(dim=2)).min(1).values
    found = length(after, pictures.values)
    assert (found >= least).all()
    assert (found <= 1.1 * least).all()
    assert (encode(target, "images", after).argmax(1) != torch.arange(4)).all()


def test_between_two_classes_the_smallest_radius_is_the_margin_over_the_size_of_their_difference(tmp_path: Path) -> None:
    target = linear(2)
    with linear_world(tmp_path, target) as world:
        pictures, true, margins = classified(target, 4)
        attack = Smallest(inner="pgd", objective=None, leave=0.01, eps=64 / 255)
        after = changed(world, attack, pictures, Similarity.SCORES, **box_of(true))
    level = (after.int() - pictures.values.int()).flatten(1).abs().amax(1)
    least = (margins[~true] + 0.01) / ways_out(target, true)[:, 0].abs().sum(1)
    assert level.tolist() == [ceil(255 * each) for each in least.tolist()]


def test_labels_that_are_none_of_the_classes_are_refused_in_a_line(tmp_path: Path) -> None:
    with linear_world(tmp_path, linear(8)) as world, pytest.raises(UsageError, match=r"one of the 8 classes, and not all, wanted"):
        changed(world, Mnd(), grey(2), Similarity.SCORES, **box_of(torch.ones(2, 8, dtype=torch.bool)))


@pytest.mark.parametrize(("similarity", "leave"), [(Similarity.HAMMING, 1.5), (Similarity.COSINE, 2.5)])
def test_a_distance_that_no_item_can_have_is_refused_in_a_line(similarity: Similarity, leave: float, tmp_path: Path) -> None:
    with linear_world(tmp_path, linear(8)) as world, pytest.raises(UsageError, match=r"wanted for `leave`, .* got; ask for less\.$"):
        changed(world, Mnd(leave=leave), grey(1), similarity)


def test_texts_stay_as_they_are(tmp_path: Path) -> None:
    with linear_world(tmp_path, linear(8)) as world:
        kept: Any = Mnd().fit(world.white)(world.words)
    assert kept.items is world.words
