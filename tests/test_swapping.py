"""Swaps: squares of several changes of a picture, kept where the target says that they help."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_perturbing import Prudish
from understudies import charges, quick
from worlds import World, attackers_world

from crossattack.attacks import Status, _performing
from crossattack.attacks._cast import Cast
from crossattack.attacks._context import AttackContext
from crossattack.attacks._questions import Performance
from crossattack.attacks._swapping import AREAS, CHANGES, area, changes_of, crossed, squares, swapped
from crossattack.attacks.understudy import Understudy
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.oracle import Oracle


@pytest.mark.parametrize(("share", "sides"), [(1.0, (8, 12)), (1 / 4, (4, 6)), (1 / 16, (2, 3)), (1e-9, (1, 1))])
def test_a_square_covers_its_share_from_corner_to_corner(share: float, sides: tuple[int, int]) -> None:
    there = squares(torch.tensor([[0.0, 0.0], [0.999999, 0.999999]]), (8, 12), share)
    assert there.shape == (2, 1, 8, 12)
    assert there.flatten(1).sum(1).tolist() == [sides[0] * sides[1]] * 2
    assert there[0, 0, : sides[0], : sides[1]].all()
    assert there[1, 0, 8 - sides[0] :, 12 - sides[1] :].all()


def test_squares_get_smaller() -> None:
    found = [area(spent / 100) for spent in range(101)]
    assert found == sorted(found, reverse=True)
    assert sorted(set(found), reverse=True) == [share for _, share in AREAS] == [1 / 2, 1 / 4, 1 / 8, 1 / 16]
    assert area(1.5) == 1 / 16
    assert found.count(1 / 2) == 11
    assert found.count(1 / 16) == 40


def test_a_square_that_is_there_already_is_drawn_again() -> None:
    """Three of four changes are the picture as it is; a draw from the fourth is found, and nothing is where there is nothing to find."""
    best = torch.zeros(8, 3, 16, 16, dtype=torch.uint8)
    changes = torch.stack([best, best, best, best + 1])
    streams = [torch.Generator().manual_seed(item) for item in range(8)]
    shown = crossed(best, changes, 1 / 16, streams)
    assert shown.flatten(1).sum(1).tolist() == [3 * 4 * 4] * 8
    assert torch.equal(crossed(best, changes[:3], 1 / 16, streams), best)


def stage(world: World, attack: Understudy) -> tuple[Cast, Performance]:
    """The target's own network, and pictures about which no more is known than their clean codes."""
    cast = Cast((world.target.network.requires_grad_(False),), (1.0,), attack.ways[1])
    own = harden(encode(world.target, "images", world.pictures.values))
    return cast, Performance(own, world.pictures.values.clone(), torch.zeros(len(own)), torch.ones(len(own), dtype=torch.bool))


def turned(world: World, images: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    return (harden(encode(world.target, "images", images)) != own).float().mean(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_best_is_patched_from_the_changes_and_never_turns_back(norm: str, tmp_path: Path) -> None:
    """Every pixel of it is one of the changes', and it has turned at least as many bits as the best of those whole; every picture is asked
    about as often as was said, where the same picture twice costs once."""
    attack = quick(norm=norm, eps=0.1 if norm == "linf" else 3.0)
    with attackers_world(tmp_path, budget=400, attacked=6) as world:
        cast, best = stage(world, attack)
        changes = changes_of(world.black, cast, world.pictures, best.own.float(), attack.descent)
        short = swapped(world.black, cast, best, world.pictures, best.own.float(), attack.descent, attack.asking, 20, 6 * 20)
        whole = torch.stack([turned(world, change, best.own) for change in changes]).amax(0)
        found = turned(world, best.images, best.own)
    assert short is Status.FAILED
    assert sqlite3.connect(tmp_path / "ledger.sqlite").execute("SELECT SUM(asks) FROM ask").fetchall() == [(6 * 20,)]
    assert len(changes) == CHANGES
    assert all(not torch.equal(first, second) for number, first in enumerate(changes) for second in changes[:number])
    assert all(19 <= each <= 20 for each in charges(tmp_path).values()), "a square that was refused may be drawn twice"
    assert torch.equal(best.far, found)
    assert (found >= whole).all()
    assert (found > whole).any()
    if norm == "linf":
        assert (torch.stack(changes) == best.images).all(2).any(0).all()
    change = (best.images.double() - world.pictures.values.double()) / 255
    size = change.abs().amax((1, 2, 3)) if norm == "linf" else change.square().sum((1, 2, 3)).sqrt()
    assert (size <= attack.eps * (1 + 1e-6)).all()


def test_a_budget_that_ends_in_the_middle_leaves_the_best_so_far(tmp_path: Path) -> None:
    """Of twenty rounds over six pictures fifty queries pay for eight or a few more."""
    attack = quick(eps=0.1)
    with attackers_world(tmp_path, budget=50, attacked=6) as world:
        cast, best = stage(world, attack)
        short = swapped(world.black, cast, best, world.pictures, best.own.float(), attack.descent, attack.asking, 20, 6 * 20)
        assert short is Status.EXHAUSTED
        assert 44 < world.ledger.bill("attacker").spent <= 50
        assert torch.equal(best.far, turned(world, best.images, best.own))
    assert best.far.min() > 0


def test_without_a_query_nothing_is_asked(tmp_path: Path) -> None:
    attack = quick()
    with attackers_world(tmp_path, budget=50, attacked=6) as world:
        cast, best = stage(world, attack)
        for most, queries in ((0, 100), (3, 5)):
            swapped(world.black, cast, best, world.pictures, best.own.float(), attack.descent, attack.asking, most, queries)
        assert world.ledger.bill("attacker").spent == 0


def test_swaps_of_a_picture_that_has_turned_enough_go_to_the_others(tmp_path: Path) -> None:
    """Twelve each are 72, all but the first of them swaps."""
    attack = quick(queries=12, swaps=1.0, enough=0.32, eps=0.4)
    with attackers_world(tmp_path, budget=150, attacked=6) as world:
        attack.fit(world.context(attack))
    each = charges(tmp_path)
    assert len(each) == 6
    assert sum(each.values()) <= 72
    assert min(each.values()) < 12 < max(each.values())


def test_as_far_as_the_oracle_lets_any_one_have_more(tmp_path: Path) -> None:
    """Six of twelve are for swaps: who is not done has a clean code, five points and, of six swaps, four whole changes and squares."""
    attack = quick(queries=12, swaps=0.5, enough=0.32, eps=0.4)
    with attackers_world(tmp_path, budget=150, attacked=6, per_item=12) as world:
        attack.fit(world.context(attack))
    each = charges(tmp_path)
    assert min(each.values()) < 1 + 5 + CHANGES < max(each.values()) <= 12


def test_what_was_asked_about_a_refused_picture_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that swaps are promised no more queries than there are."""
    promised = list[tuple[int, int | None]]()

    def told(context: AttackContext, *rest: Any) -> Status:
        promised.append((rest[-1], context.oracle.remaining))
        return swapped(context, *rest)

    monkeypatch.setattr(_performing, "swapped", told)
    attack = quick(queries=12, swaps=0.5, enough=0.9)
    with attackers_world(tmp_path, budget=72 + 32, attacked=6) as world:
        context = world.context(attack)
        prudish = Prudish(context.oracle._account.endpoint, world.pictures.values[2])
        found = attack.fit(replace(context, oracle=Oracle(world.ledger, prudish, budget=72 + 32)))(world.pictures)
    assert found.status[2] is Status.ERROR
    assert Status.EXHAUSTED not in found.status
    ((queries, left),) = promised
    assert left is not None
    assert 30 <= queries <= left
