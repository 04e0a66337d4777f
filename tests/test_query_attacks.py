"""Attacks that ask about the very items they attack: what they find where the least change is known, and what it costs."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from linear_world import LinearWorld, grey_pictures, linear_world
from worlds import attackers_world

from crossattack.attacks import Pictures, Status, Words
from crossattack.attacks._likeness import likeness
from crossattack.attacks._probing import Found, ask_each, probe_all
from crossattack.attacks.nes import Nes
from crossattack.attacks.qair import Qair
from crossattack.attacks.simba import Simba
from crossattack.attacks.spsa import Spsa
from crossattack.attacks.square import Square
from crossattack.ledger import Ledger
from crossattack.oracle import Answer, Reveals
from crossattack.registry import ATTACKS

LEAST = 4 / 255  # at which the cheapest bit of the linear world flips
SLOPED = [Nes(), Spsa(), Spsa(optimiser="sign", samples=80), Simba(frequencies=1.0), Simba(basis="pixel"), Square()]
QUERYING = [name for name in ATTACKS.names() if ATTACKS.load(name).family == "queries"]


def named(attack: Any) -> str:
    return "-".join([type(attack).__name__, *(str(getattr(attack, key)) for key in ("basis", "optimiser") if hasattr(attack, key))])


def found_in(world: LinearWorld, attack: Any, pictures: Pictures | None = None) -> list[Found]:
    return probe_all(world.context, pictures or world.pictures, attack, type(attack).__name__.lower(), attack.probe)


def likeness_of(world: LinearWorld, found: Found, item: int) -> float:
    """What the target says to what was found, from answers that are paid for already."""
    clean = world.pictures.values[item : item + 1]
    before, after = ask_each(world.context.oracle, [clean, found.picture[None]], [item, item])
    assert before is not None
    assert after is not None
    return float(likeness(before, after))


def charged(ledger: Ledger) -> Counter[int]:
    """What the ledger says was paid on behalf of each attacked picture."""
    rows = "SELECT item, count(*) FROM charge WHERE account = 'attacker' AND modality = 'images' GROUP BY item"
    return Counter(dict(ledger._db.execute(rows).fetchall()))


# What they find


@pytest.mark.parametrize("attack", SLOPED, ids=named)
def test_the_cheapest_bit_flips_within_twice_the_least_change(attack: Any, tmp_path: Path) -> None:
    with linear_world(tmp_path, least=LEAST) as world:
        (found,) = found_in(world, replace(attack, eps=2 * LEAST, queries=900))
        changed = found.picture[None]
        noise = world.pictures.values + torch.randint(0, 2, changed.shape, generator=torch.Generator().manual_seed(0)) * 16 - 8
        assert world.target.least_eps(world.pictures.values).tolist() == pytest.approx([LEAST], rel=1e-4)
        assert world.bits_flipped(changed).tolist() == [1]
        assert world.bits_flipped(noise.to(torch.uint8)).tolist() == [0]
        assert (changed.int() - world.pictures.values.int()).abs().max() <= 8


@pytest.mark.parametrize("attack", SLOPED, ids=named)
def test_below_the_least_change_no_bit_flips_and_the_likeness_falls_all_the_same(attack: Any, tmp_path: Path) -> None:
    with linear_world(tmp_path, least=LEAST) as world:
        (found,) = found_in(world, replace(attack, eps=3 / 255, queries=200))
        assert world.bits_flipped(found.picture[None]).tolist() == [0]
        assert found.status is Status.FAILED
        assert min(found.trace) < 0.97 * found.trace[0]


@pytest.mark.parametrize("attack", SLOPED, ids=named)
def test_hard_codes_have_no_slope_until_a_bit_flips(attack: Any, tmp_path: Path) -> None:
    """Below the least change every answer is the clean one, so nothing is learned and the clean picture comes back."""
    with linear_world(tmp_path, reveals=Reveals.CODES, least=LEAST) as world:
        (found,) = found_in(world, replace(attack, eps=3 / 255, queries=60))
        assert set(found.trace) == {1.0}
        assert torch.equal(found.picture, world.pictures.values[0])
        assert found.status is Status.FAILED


@pytest.mark.parametrize("attack", SLOPED, ids=named)
def test_hard_codes_do_where_a_flip_is_near(attack: Any, tmp_path: Path) -> None:
    with linear_world(tmp_path, reveals=Reveals.CODES, least=0.02 / 255) as world:
        (found,) = found_in(world, replace(attack, queries=150))
        assert world.bits_flipped(found.picture[None]) >= 1
        assert found.status is Status.SUCCEEDED, "one of four bits is a quarter"


def test_lists_alone_are_enough_where_bits_are_near_their_flips(tmp_path: Path) -> None:
    """Rank overlap falls below what as many random corners of the ball reach: it follows a slope, and does not only draw."""
    with linear_world(tmp_path, reveals=Reveals.RANKING, bits=16, least=0.05 / 255) as world:
        (found,) = found_in(world, Qair(queries=300, until="end"))
        signs = torch.randint(0, 2, (300, *found.picture.shape), generator=torch.Generator().manual_seed(0)) * 16 - 8
        corners = (world.pictures.values.int() + signs).to(torch.uint8)
        (before,), (drawn,) = (ask_each(world.context.oracle, [each], [0]) for each in (world.pictures.values, corners))
        assert before is not None
        assert drawn is not None
        assert min(found.trace) < likeness(before, drawn).min()


def test_square_moves_every_value_to_the_wall_of_its_ball(tmp_path: Path) -> None:
    with linear_world(tmp_path) as world:
        (found,) = found_in(world, Square(queries=40))
        assert set((found.picture.int() - world.pictures.values[0].int()).abs().unique().tolist()) == {8}


@pytest.mark.parametrize(
    "attack", [Nes(norm="l2", eps=0.5), Spsa(norm="l2", eps=0.5), Simba(norm="l2", eps=0.5, frequencies=1.0)], ids=named
)
def test_an_l2_ball_is_kept_too(attack: Any, tmp_path: Path) -> None:
    with linear_world(tmp_path) as world:
        (found,) = found_in(world, replace(attack, queries=200))
        change = (found.picture.float() - world.pictures.values[0].float()) / 255
        assert 0.2 < change.norm() <= 0.5 + 1e-5
        assert min(found.trace) < 0.9


# What they pay


@pytest.mark.parametrize(("name", "reveals"), [(name, shown) for name in QUERYING for shown in ATTACKS.load(name).needs.reveals])
def test_each_item_is_billed_what_was_asked_on_its_behalf(name: str, reveals: str, tmp_path: Path) -> None:
    attack = ATTACKS.load(name)(queries=30, until="end")
    with linear_world(tmp_path, reveals=Reveals(reveals), items=3, bits=8) as world:
        found = found_in(world, attack)
        bill = world.ledger.bill("attacker")
        paid = charged(world.ledger)
        assert all(len(one.trace) <= 30 for one in found)
        asked = sum(len(one.trace) for one in found)
    assert (bill.spent, bill.spent + bill.repeats) == (sum(paid.values()), asked)
    assert set(paid) == {0, 1, 2}
    assert all(paid[item] <= len(one.trace) for item, one in enumerate(found))
    assert bill.phases == {"attack": bill.spent}


@pytest.mark.parametrize("name", QUERYING)
def test_the_clean_item_is_the_first_query_and_the_best_only_gets_better(name: str, tmp_path: Path) -> None:
    attack = partial(ATTACKS.load(name), until="end", **{"frequencies": 1.0} if name == "simba" else {})
    reveals = Reveals(ATTACKS.load(name).needs.reveals[-1])
    with linear_world(tmp_path, reveals=reveals, bits=16, least=0.5 / 255) as world:
        traces, best = [], []
        for queries in (1, 2, 10, 22, 43):
            (found,) = found_in(world, attack(queries=queries))
            traces.append(found.trace)
            best.append(likeness_of(world, found, 0))
    assert [len(trace) for trace in traces] == [1, 2, 10, 22, 43]
    assert best == sorted(best, reverse=True)
    assert all(trace[0] == pytest.approx(1) for trace in traces)
    assert best == [pytest.approx(min(trace)) for trace in traces]
    if name != "square":  # whose squares depend on how many there will be
        assert traces[-1][:22] == traces[-2]


def test_the_share_of_an_item_is_settled_before_the_first_query(tmp_path: Path) -> None:
    with linear_world(tmp_path, budget=100, attacked=5) as world:
        assert world.context.allowance(500) == 20
        assert world.context.allowance(7) == 7
    with linear_world(tmp_path / "capped", budget=100, attacked=5, per_item=4) as world:
        assert world.context.allowance(500) == 4


@pytest.mark.parametrize("split", [1, 2, 6])
@pytest.mark.parametrize("attack", [Nes(samples=6), Square(), Simba(frequencies=1.0), Spsa(samples=6)], ids=named)
def test_a_share_that_ends_an_attack_leaves_the_best_so_far(attack: Any, split: int, tmp_path: Path) -> None:
    """However items are cut into batches, each gets its share, its own probes and its own result."""
    with linear_world(tmp_path, budget=90, items=6) as world:
        found = []
        for start in range(0, 6, split):
            here = Pictures(world.pictures.ids[start : start + split], world.pictures.values[start : start + split])
            found += found_in(world, attack, here)
        assert max(charged(world.ledger).values()) <= 15
        assert [likeness_of(world, one, item) for item, one in enumerate(found)] == [pytest.approx(min(one.trace)) for one in found]
    assert {one.status for one in found} == {Status.EXHAUSTED}
    assert {len(one.trace) for one in found} == {15}
    with linear_world(tmp_path / "other", budget=90, items=6) as world:
        together = found_in(world, attack)
    assert [one.trace for one in together] == [one.trace for one in found]
    assert all(torch.equal(one.picture, other.picture) for one, other in zip(together, found, strict=True))


@pytest.mark.parametrize("spent", [0, 1, 4, 30, 37])
def test_a_refusal_in_the_middle_of_an_item_loses_nothing(spent: int, tmp_path: Path) -> None:
    """The budget is gone before the shares are, as when a service was paid for repeated attempts."""
    with linear_world(tmp_path, budget=40, items=2) as world:
        elsewhere = grey_pictures(spent, seed=9)
        if spent:
            world.context.oracle.query_images(elsewhere, phase="mining")
        found = found_in(world, Nes(samples=4))
        left = 40 - spent
        assert world.context.oracle.remaining == 0
        assert sum(len(one.trace) for one in found) == left
    for one, clean in zip(found, world.pictures.values, strict=True):
        assert one.status is Status.EXHAUSTED
        assert torch.equal(one.picture, clean) == (min(one.trace, default=1.0) >= 1)


def test_an_item_without_a_single_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    with linear_world(tmp_path, budget=1, items=2) as world:
        assert [(one.status, one.trace) for one in found_in(world, Square())] == [(Status.EXHAUSTED, ())] * 2
        assert world.ledger.bill("attacker").spent == 0


def test_an_item_that_left_its_place_is_let_be_unless_told_to_go_on(tmp_path: Path) -> None:
    for until, exact in (("success", False), ("end", True)):
        with linear_world(tmp_path / until, reveals=Reveals.CODES, least=0.25 / 255) as world:
            (found,) = found_in(world, Square(queries=60, until=until))  # type: ignore[arg-type]
            assert found.status is Status.SUCCEEDED
            assert (len(found.trace) == 60) is exact


def test_a_killed_attack_is_resumed_without_paying_twice(tmp_path: Path) -> None:
    """All that was paid for is read back, so the same probes lead to the same pictures on the same bill."""

    class Killed(Exception):
        pass

    attack, bills = Nes(queries=40, samples=6), []
    with linear_world(tmp_path / "whole", items=3, reveals=Reveals.CODES) as world:
        whole, bills = found_in(world, attack), [world.ledger.bill("attacker")]
    for _ in range(2):
        with linear_world(tmp_path / "killed", items=3, reveals=Reveals.CODES) as world, pytest.MonkeyPatch.context() as patch:
            seen, query = world.ledger.bill("attacker").spent, world.context.oracle.query_images

            def dies(images: Any, *, seen: int = seen, query: Any = query, world: Any = world, **more: Any) -> Answer:
                if world.ledger.bill("attacker").spent >= seen + 25:
                    raise Killed
                return query(images, **more)  # type: ignore[no-any-return]

            patch.setattr(type(world.context.oracle), "query_images", lambda self, images, dies=dies, **more: dies(images, **more))
            with pytest.raises(Killed):
                found_in(world, attack)
    with linear_world(tmp_path / "killed", items=3, reveals=Reveals.CODES) as world:
        resumed = found_in(world, attack)
        bills.append(world.ledger.bill("attacker"))
    assert [one.trace for one in resumed] == [one.trace for one in whole]
    assert bills[0] == bills[1]


@pytest.mark.parametrize("name", QUERYING)
def test_texts_come_back_as_they_were_at_no_cost(name: str, tmp_path: Path) -> None:
    attack = ATTACKS.load(name)
    with attackers_world(tmp_path, reveals=Reveals(attack.needs.reveals[0])) as world:
        changed = attack().fit(world.black)(world.words)
        assert changed.items == world.words
        assert isinstance(changed.items, Words)
        assert set(changed.status) == {Status.UNVERIFIED}
        assert world.ledger.bill("attacker").spent == 0


def test_another_seed_asks_other_things_and_the_same_seed_the_same(tmp_path: Path) -> None:
    traces = []
    for place, seed in enumerate((0, 0, 1)):
        with linear_world(tmp_path / str(place), seed=seed) as world:
            traces.append(found_in(world, Square(queries=9))[0].trace)
    assert traces[0] == traces[1]
    assert not set(traces[0][1:]) & set(traces[2][1:])
