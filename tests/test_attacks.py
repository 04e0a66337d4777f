"""What every attack promises, whatever it does: the suite runs over every file of `crossattack/attacks`."""

from collections.abc import Iterator
from dataclasses import fields, replace
from math import floor
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from worlds import World, attackers_world

from crossattack import items as storage
from crossattack.attacks import Attack, Items, Perturbed, Pictures, Words
from crossattack.attacks._bags import as_bags
from crossattack.attacks._likeness import likeness
from crossattack.attacks._probing import ask_each
from crossattack.oracle import Reveals
from crossattack.registry import ATTACKS, OBJECTIVES
from surrogates.texts import Bags

EPS, TEXT_EPS, LENGTH = 8 / 255, 0.1, 2.0
FIELDS = {name: {field.name for field in fields(ATTACKS.load(name))} for name in ATTACKS.names()}
NEEDS = {name: ATTACKS.load(name).needs for name in ATTACKS.names()}
WITH_L2 = [name for name in ATTACKS.names() for each in fields(ATTACKS.load(name)) if each.name == "norm" and "l2" in get_args(each.type)]
OF_GRADIENTS = [name for name in ATTACKS.names() if ATTACKS.load(name).family == "gradient"]
SEARCHING = [(name, Reveals(shown)) for name, needs in NEEDS.items() if ATTACKS.load(name).family == "queries" for shown in needs.reveals]


def quick(name: str, **settings: Any) -> Any:
    """The attack with few steps."""
    attack = ATTACKS.load(name)
    known = {field.name for field in fields(attack)}
    return attack(**{key: value for key, value in {"steps": 4, "queries": 12, "epochs": 1, "width": 4, **settings}.items() if key in known})


def first(attack: Attack) -> Reveals:
    """The kind of answers that the attack names first."""
    return Reveals(attack.needs.reveals[0])


def perturbed(attack: Attack, items: str, folder: Path, seed: int = 0, split: int | None = None) -> tuple[Items, list[Perturbed]]:
    """Clean items, and what the attack made of them in batches of `split`."""
    with attackers_world(folder, seed=seed, reveals=first(attack)) as world:
        clean: Items = getattr(world, items)
        perturb = attack.fit(world.context(attack))
        size = split or len(clean.ids)
        return clean, [
            perturb(replace(clean, ids=clean.ids[start : start + size], values=clean.values[start : start + size]))
            for start in range(0, len(clean.ids), size)
        ]


def same(one: Items, other: Items) -> bool:
    """Whether these are the same items, to the byte."""
    if isinstance(one.values, torch.Tensor) and isinstance(other.values, torch.Tensor):
        return torch.equal(one.values, other.values)
    if isinstance(one.values, Bags) and isinstance(other.values, Bags):
        return one.values.words == other.values.words and torch.equal(one.values.weights, other.values.weights)
    return one.values == other.values


@pytest.mark.parametrize("name", ATTACKS.names())
class TestEveryAttack:
    def test_pictures_read_back_from_a_file_are_bytes_inside_the_ball(self, name: str, tmp_path: Path) -> None:
        clean, (changed,) = perturbed(quick(name, eps=EPS), "pictures", tmp_path)
        before = clean.values.clone()
        storage.save(tmp_path / "items.h5", changed)
        read = storage.load(tmp_path / "items.h5").items
        assert isinstance(read, Pictures)
        assert read.values.dtype is torch.uint8
        assert (read.values.int() - clean.values.int()).abs().max() <= floor(EPS * 255)
        if not NEEDS[name].queries:  # those keep a picture where no paid answer is better: see below
            assert same(read, clean) == ("images" not in NEEDS[name].changes)
        assert torch.equal(before, clean.values)
        assert read.ids == clean.ids

    def test_texts_are_marked_as_what_they_are_and_bags_stay_inside_their_box(self, name: str, tmp_path: Path) -> None:
        clean, (changed,) = perturbed(quick(name, text_eps=TEXT_EPS), "words", tmp_path)
        assert isinstance(changed.items, Words)
        if not isinstance(changed.items.values, Bags):
            assert changed.realisable
            storage.save(tmp_path / "items.h5", changed)
            assert same(storage.load(tmp_path / "items.h5").items, changed.items)
            assert same(changed.items, clean) == ("texts" not in ATTACKS.load(name).needs.changes)
            assert all(
                isinstance(after, str) == isinstance(before, str) for before, after in zip(clean.values, changed.items.values, strict=True)
            )
            return
        assert not changed.realisable
        after = changed.items.values
        change = after.weights - as_bags(clean.values, after.words).weights
        assert 0 < change.abs().max() <= TEXT_EPS + 1e-6
        assert after.weights.min() >= 0
        assert after.weights.max() <= 1

    @pytest.mark.parametrize("kind", ["pictures", "words"])
    def test_the_same_seed_gives_the_same_items(self, name: str, kind: str, tmp_path: Path) -> None:
        first, second = (perturbed(quick(name), kind, tmp_path / folder)[1][0].items for folder in ("one", "two"))
        assert same(first, second)

    def test_batches_do_not_matter_to_edited_texts(self, name: str, tmp_path: Path) -> None:
        whole = perturbed(quick(name), "words", tmp_path / "whole")[1][0].items.values
        if isinstance(whole, Bags):
            return  # weights move like pixels, by the same descent
        parts = [batch.items.values for batch in perturbed(quick(name), "words", tmp_path / "parts", split=1)[1]]
        assert [text for part in parts for text in part] == list(whole)

    @pytest.mark.parametrize("split", [1, 4])
    def test_batches_do_not_matter(self, name: str, split: int, tmp_path: Path) -> None:
        whole = perturbed(quick(name), "pictures", tmp_path / "whole")[1][0].items.values
        parts = torch.cat([batch.items.values for batch in perturbed(quick(name), "pictures", tmp_path / "parts", split=split)[1]])
        # A sum taken in another order may turn the sign of a gradient that is zero but for rounding.
        assert (whole == parts).double().mean() > 0.999

    def test_a_radius_of_zero_gives_the_clean_items_back(self, name: str, tmp_path: Path) -> None:
        clean, (changed,) = perturbed(quick(name, eps=0.0), "pictures", tmp_path / "pictures")
        assert torch.equal(changed.items.values, clean.values)
        clean, (changed,) = perturbed(quick(name, text_eps=0.0, edits=0), "words", tmp_path / "words")
        if isinstance(changed.items.values, Bags):
            assert torch.equal(changed.items.values.weights, as_bags(clean.values, changed.items.values.words).weights)
        else:
            assert changed.items.values == clean.values

    def test_the_bill_only_grows_and_ends_within_the_budget(self, name: str, tmp_path: Path) -> None:
        attack = quick(name)
        with attackers_world(tmp_path, budget=60, reveals=first(attack)) as world:
            left = [world.black.oracle.remaining]
            perturb = attack.fit(world.context(attack))
            left.append(world.black.oracle.remaining)
            for items in (world.pictures, world.words):
                perturb(items)
                left.append(world.black.oracle.remaining)
            assert left == sorted(left, reverse=True)
            assert world.ledger.bill("attacker").spent == 60 - left[-1] <= 60

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_constant_pictures_alone_in_a_batch_survive(self, name: str, level: int, tmp_path: Path) -> None:
        attack = quick(name)
        with attackers_world(tmp_path, reveals=first(attack)) as world:
            flat = Pictures((3,), torch.full_like(world.query.images[:1], level))
            changed = attack.fit(world.context(attack))(flat).items.values
        assert (changed.int() - level).abs().max() <= floor(EPS * 255)

    def test_saturated_codes_give_no_nan(self, name: str, tmp_path: Path) -> None:
        attack = quick(name)
        with attackers_world(tmp_path, reveals=first(attack)) as world:
            with torch.no_grad():
                world.target.network.image_head.weight.mul_(1e6)
                world.target.network.text_head.weight.mul_(1e6)
            perturb = attack.fit(world.context(attack))
            perturb(world.pictures)
            bags = perturb(world.words).items.values
        assert not isinstance(bags, Bags) or bags.weights.isfinite().all()


@pytest.mark.parametrize("name", WITH_L2)
class TestEveryAttackWithANorm:
    def test_pictures_read_back_from_a_file_are_bytes_inside_the_l2_ball(self, name: str, tmp_path: Path) -> None:
        clean, (changed,) = perturbed(quick(name, norm="l2", eps=LENGTH), "pictures", tmp_path)
        storage.save(tmp_path / "items.h5", changed)
        read = storage.load(tmp_path / "items.h5").items
        assert isinstance(read, Pictures)
        assert read.values.dtype is torch.uint8
        assert NEEDS[name].queries or (squares(clean, read) > 0).all()
        assert (squares(clean, read) <= (LENGTH * 255) ** 2 * (1 + 1e-5)).all()

    def test_a_radius_of_zero_gives_the_clean_pictures_back(self, name: str, tmp_path: Path) -> None:
        clean, (changed,) = perturbed(quick(name, norm="l2", eps=0.0), "pictures", tmp_path)
        assert torch.equal(changed.items.values, clean.values)


@pytest.fixture(scope="module")
def open_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose target is granted: looking at it leaves nothing behind, so all tests share it."""
    with attackers_world(tmp_path_factory.mktemp("open")) as world:
        yield world


@pytest.mark.parametrize("name", OF_GRADIENTS)
class TestEveryAttackOnTheGrantedTarget:
    @pytest.mark.parametrize("norm", ["linf", "l2"])
    @pytest.mark.parametrize("objective", OBJECTIVES.names())
    def test_it_lowers_any_objective_inside_its_ball(self, name: str, objective: str, norm: str, open_world: World) -> None:
        eps = EPS if norm == "linf" else LENGTH
        attack = quick(name, objective=OBJECTIVES.load(objective)(), norm=norm, eps=eps)
        before, clean = open_world.pictures.values.clone(), open_world.pictures
        changed = attack.fit(open_world.white)(clean).items
        assert torch.equal(before, clean.values)
        assert not torch.equal(changed.values, clean.values)
        assert changed.values.dtype is torch.uint8
        if norm == "linf":
            assert (changed.values.int() - clean.values.int()).abs().max() <= floor(EPS * 255)
        else:
            assert (squares(clean, changed) <= (LENGTH * 255) ** 2 * (1 + 1e-5)).all()

    def test_bags_stay_inside_their_box(self, name: str, open_world: World) -> None:
        after = quick(name, text_eps=TEXT_EPS).fit(open_world.white)(open_world.words).items.values
        change = after.weights - as_bags(open_world.words.values, after.words).weights
        assert 0 < change.abs().max() <= TEXT_EPS + 1e-6
        assert 0 <= after.weights.min() <= after.weights.max() <= 1

    def test_it_asks_nothing_and_builds_no_surrogate(self, name: str, open_world: World) -> None:
        perturb = quick(name).fit(open_world.white)
        perturb(open_world.pictures)
        perturb(open_world.words)
        assert open_world.ledger.bill("attacker").spent == 0
        assert not open_world.white.made

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_neither_a_second_time_nor_batches_matter(self, name: str, norm: str, open_world: World) -> None:
        clean, attack = open_world.pictures, quick(name, norm=norm, eps=EPS if norm == "linf" else LENGTH)
        first, second = (attack.fit(open_world.white)(clean).items.values for _ in range(2))
        assert torch.equal(first, second)
        for split in (1, 4):
            parts = [Pictures(clean.ids[start : start + split], clean.values[start : start + split]) for start in range(0, 6, split)]
            perturb = attack.fit(open_world.white)
            joined = torch.cat([perturb(part).items.values for part in parts])
            # A sum taken in another order may turn the sign of a gradient that is zero but for rounding.
            assert (joined == first).double().mean() > 0.999

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_constant_picture_alone_survives(self, name: str, level: int, open_world: World) -> None:
        flat = Pictures((3,), torch.full_like(open_world.query.images[:1], level))
        changed = quick(name).fit(open_world.white)(flat).items.values
        assert 0 < (changed.int() - level).abs().max() <= floor(EPS * 255)

    def test_saturated_codes_give_no_nan(self, name: str, tmp_path: Path) -> None:
        with attackers_world(tmp_path) as world:
            with torch.no_grad():
                world.target.network.image_head.weight.mul_(1e6)
                world.target.network.text_head.weight.mul_(1e6)
            perturb = quick(name, norm="l2", eps=LENGTH).fit(world.white)
            assert (squares(world.pictures, perturb(world.pictures).items) <= (LENGTH * 255) ** 2 * (1 + 1e-5)).all()
            assert perturb(world.words).items.values.weights.isfinite().all()


@pytest.mark.parametrize("objective", OBJECTIVES.names())
def test_any_objective_can_be_lowered_through_a_surrogate(objective: str, tmp_path: Path) -> None:
    clean, (changed,) = perturbed(quick("pgd", objective=OBJECTIVES.load(objective)()), "pictures", tmp_path)
    assert 0 < (changed.items.values.int() - clean.values.int()).abs().max() <= floor(EPS * 255)


def squares(clean: Items, changed: Items) -> Tensor:
    """The square of each picture's change in grey levels, exactly."""
    return (changed.values.long() - clean.values.long()).flatten(1).square().sum(1)


@pytest.mark.parametrize(("name", "reveals"), SEARCHING)
def test_an_attack_by_queries_changes_a_picture_for_a_better_answer_only(name: str, reveals: Reveals, tmp_path: Path) -> None:
    attack = quick(name)
    with attackers_world(tmp_path, reveals=reveals, budget=240) as world:
        changed = attack.fit(world.black)(world.pictures)
        better = 0
        for item, (before, after) in enumerate(zip(world.pictures.values, changed.items.values, strict=True)):
            spent = world.black.oracle.remaining
            (clean,), (best,) = (ask_each(world.black.oracle, [each[None]], [item]) for each in (before, after))
            assert world.black.oracle.remaining == spent, "both were paid for"
            assert clean
            assert best
            assert torch.equal(before, after) or likeness(clean, best) < 1
            better += not torch.equal(before, after)
    assert better
    assert (changed.items.values.int() - world.pictures.values.int()).abs().max() <= floor(EPS * 255)
