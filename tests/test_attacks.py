"""What every attack promises, whatever it does: the suite runs over every file of `crossattack/attacks`."""

from dataclasses import fields, replace
from math import floor
from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import attackers_world

from crossattack import items as storage
from crossattack.attacks import Attack, Items, Perturbed, Pictures, Words
from crossattack.attacks._bags import as_bags
from crossattack.registry import ATTACKS
from surrogates.texts import Bags

EPS, TEXT_EPS = 8 / 255, 0.1


def quick(name: str, **settings: Any) -> Any:
    """The attack with few steps."""
    attack = ATTACKS.load(name)
    known = {field.name for field in fields(attack)}
    return attack(**{key: value for key, value in {"steps": 4, "queries": 12, **settings}.items() if key in known})


def perturbed(attack: Attack, items: str, folder: Path, seed: int = 0, split: int | None = None) -> tuple[Items, list[Perturbed]]:
    """Clean items, and what the attack made of them in batches of `split`."""
    with attackers_world(folder, seed=seed) as world:
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
        assert same(read, clean) == ("images" not in ATTACKS.load(name).needs.changes)
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
        with attackers_world(tmp_path, budget=60) as world:
            attack, left = quick(name), [world.black.oracle.remaining]
            perturb = attack.fit(world.context(attack))
            left.append(world.black.oracle.remaining)
            for items in (world.pictures, world.words):
                perturb(items)
                left.append(world.black.oracle.remaining)
            assert left == sorted(left, reverse=True)
            assert world.ledger.bill("attacker").spent == 60 - left[-1] <= 60

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_constant_pictures_alone_in_a_batch_survive(self, name: str, level: int, tmp_path: Path) -> None:
        with attackers_world(tmp_path) as world:
            attack = quick(name)
            flat = Pictures((3,), torch.full_like(world.query.images[:1], level))
            changed = attack.fit(world.context(attack))(flat).items.values
        assert (changed.int() - level).abs().max() <= floor(EPS * 255)

    def test_saturated_codes_give_no_nan(self, name: str, tmp_path: Path) -> None:
        with attackers_world(tmp_path) as world:
            with torch.no_grad():
                world.target.network.image_head.weight.mul_(1e6)
                world.target.network.text_head.weight.mul_(1e6)
            attack = quick(name)
            perturb = attack.fit(world.context(attack))
            perturb(world.pictures)
            bags = perturb(world.words).items.values
        assert not isinstance(bags, Bags) or bags.weights.isfinite().all()
