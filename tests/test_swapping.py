"""Swaps: squares of several changes of a picture, kept where the target says that they help."""

import sqlite3
from pathlib import Path

import pytest
import torch
from understudies import quick
from worlds import attackers_world

from crossattack.attacks._cast import Cast
from crossattack.attacks._questions import Performance
from crossattack.attacks._swapping import AREAS, CHANGES, area, changes_of, squares, swapped
from crossattack.codes import harden
from crossattack.encoding import encode


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


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_best_is_patched_from_the_changes_and_never_turns_back(norm: str, tmp_path: Path) -> None:
    """Every pixel of it is one of the changes', and it has turned at least as many bits as the best of those whole; every picture is asked
    about as often as was said."""
    attack = quick(norm=norm, eps=0.1 if norm == "linf" else 3.0)
    with attackers_world(tmp_path, budget=400, attacked=6) as world:
        cast = Cast((world.target.network.requires_grad_(False),), (1.0,), attack.ways[1])
        own = harden(encode(world.target, "images", world.pictures.values))
        best = Performance(own, world.pictures.values.clone(), torch.zeros(6), torch.ones(6, dtype=torch.bool))
        codes, before = own.float(), world.ledger.bill("attacker").spent
        changes = changes_of(world.black, cast, world.pictures, codes, attack.descent)
        swapped(world.black, cast, best, world.pictures, codes, attack.descent, attack.asking, 20, 6 * 20)
        spent = world.ledger.bill("attacker").spent - before
        whole = torch.stack([(harden(encode(world.target, "images", change)) != own).float().mean(1) for change in changes]).amax(0)
        turned = (harden(encode(world.target, "images", best.images)) != own).float().mean(1)
    assert len(changes) == CHANGES
    assert all(not torch.equal(first, second) for number, first in enumerate(changes) for second in changes[:number])
    assert 6 * CHANGES <= spent <= 6 * 20  # the same picture twice costs once
    assert torch.equal(best.far, turned)
    assert (turned >= whole).all()
    assert (turned > whole).any()
    if norm == "linf":
        assert (torch.stack(changes) == best.images).all(2).any(0).all()
    change = (best.images.double() - world.pictures.values.double()) / 255
    size = change.abs().amax((1, 2, 3)) if norm == "linf" else change.square().sum((1, 2, 3)).sqrt()
    assert (size <= attack.eps * (1 + 1e-6)).all()


def test_swaps_of_a_picture_that_has_turned_enough_go_to_the_others(tmp_path: Path) -> None:
    """Twelve each are 72, all but the first of them swaps."""
    attack = quick(queries=12, swaps=1.0, enough=0.32, eps=0.4)
    with attackers_world(tmp_path, budget=150, attacked=6) as world:
        attack.fit(world.context(attack))
        rows = sqlite3.connect(tmp_path / "ledger.sqlite").execute("SELECT item, COUNT(*) FROM charge WHERE item IS NOT NULL GROUP BY item")
        each = dict(rows.fetchall())
    assert len(each) == 6
    assert sum(each.values()) <= 72
    assert min(each.values()) < 12 < max(each.values())
