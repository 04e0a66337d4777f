"""Attacks that ask about the very items they attack: what they find where the least change is known, and what it costs."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from linear_world import LinearWorld, grey_pictures, linear_world
from test_experiment import SMALL, kill_once_there, without_times
from worlds import attackers_world

from crossattack.attacks import Pictures, Status, Words
from crossattack.attacks._likeness import likeness, still_listed
from crossattack.attacks._probing import Found, allowance, ask_each, probe_all
from crossattack.attacks._slopes import estimated_slope, way
from crossattack.attacks._verdict import left_its_place
from crossattack.attacks.nes import Nes
from crossattack.attacks.qair import Qair
from crossattack.attacks.simba import Simba
from crossattack.attacks.spsa import Spsa
from crossattack.attacks.square import Square
from crossattack.config import load_config, to_yaml
from crossattack.errors import ConfigError, UsageError
from crossattack.experiment import run
from crossattack.ledger import Ledger
from crossattack.oracle import Answer, Reveals
from crossattack.progress import Silent
from crossattack.registry import ATTACKS
from crossattack.replay import replay

LEAST = 4 / 255  # at which the cheapest bit of the linear world flips
SLOPED = [Nes(), Spsa(), Spsa(optimiser="sign", samples=80), Simba(frequencies=1.0), Simba(basis="pixel"), Square()]
QUERYING = [name for name in ATTACKS.names() if ATTACKS.load(name).needs.queries]


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


# What they reckon with


def test_an_estimated_slope_of_a_linear_score_is_its_gradient() -> None:
    """The number, not only its sign: 4,000 pairs, gradients of length 1; the error of a mean of products is known."""
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(3, 4, 4, generator=generator)
    gradient /= gradient.norm()
    clean = grey_pictures(1)[:, :, :4, :4]
    for draws in (torch.randn(4000, 3, 4, 4, generator=generator), torch.randint(0, 2, (4000, 3, 4, 4), generator=generator) * 2.0 - 1):
        up, down = ((clean + sign * 3 * draws).round().to(torch.uint8) for sign in (1, -1))
        moves = way(down, up) / 2
        slope = estimated_slope((moves * gradient).sum((1, 2, 3)).double(), moves)[0]
        assert (slope - gradient).norm() < 3 * (48 / 4000) ** 0.5
        assert float((slope * gradient).sum()) == pytest.approx(1, abs=0.1)


def test_a_move_that_never_was_has_no_slope() -> None:
    assert estimated_slope(torch.zeros(2, dtype=torch.float64), torch.zeros(2, 3, 4, 4)).abs().max() == 0


def test_the_overlap_of_lists_is_a_sum_over_places() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, *others = (torch.randperm(30, generator=generator)[:8].int() for _ in range(20))
    weight = [1 / torch.log2(torch.tensor(2.0 + place)).item() for place in range(8)]
    whole = sum(each * each for each in weight)
    for other, got in zip(others, still_listed(clean, torch.stack(others)).tolist(), strict=True):
        pairs = [(clean.tolist().index(one), place) for place, one in enumerate(other.tolist()) if one in clean.tolist()]
        assert got == pytest.approx(sum(weight[before] * weight[after] for before, after in pairs) / whole)


def test_the_overlap_falls_as_what_was_listed_sinks_or_leaves() -> None:
    clean = torch.arange(5, dtype=torch.int32)
    lists = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 3, 4], [0, 1, 2, 3, 9], [9, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    same, low_swap, high_swap, last_left, first_left, none = still_listed(clean, lists.int()).tolist()
    assert same == 1
    assert 1 > low_swap > high_swap > first_left > none == 0
    assert last_left > first_left


def test_likeness_of_features_is_one_at_the_clean_one_and_falls_with_each_distance() -> None:
    clean = torch.tensor([[0.5, -1.0, 0.25]])
    probes = torch.cat([clean, -clean, torch.tensor([[0.5, -1.0, -0.25]])])
    answers = (Answer(Reveals.FEATURES, each) for each in (clean, probes))
    before, after = answers
    assert likeness(before, after, "signs").tolist() == pytest.approx([1, -1, 1.25 / 1.75])
    assert likeness(before, after, "cosine").tolist() == pytest.approx([1, -1, (1.3125 - 0.125) / 1.3125])
    assert likeness(before, after, "squared").tolist() == pytest.approx([1, -3, 1 - 0.25 / 1.3125])


def test_features_left_their_place_at_the_cosine_that_a_quarter_of_the_bits_makes() -> None:
    codes = torch.ones(3, 8, dtype=torch.int8)
    codes[1, :2] = codes[2, :1] = -1
    by_codes, by_features = (
        left_its_place(Answer(reveals, values[:1]), Answer(reveals, values)).tolist()
        for reveals, values in ((Reveals.CODES, codes), (Reveals.FEATURES, codes.float()))
    )
    assert by_codes == by_features == [False, True, False]


def test_waves_and_pixels_are_orthogonal_and_all_there() -> None:
    with_one = {"dct": Simba(frequencies=1.0), "pixel": Simba(basis="pixel")}
    for attack in with_one.values():
        rows = torch.stack([direction.flatten() for direction in attack.directions(subject())])
        products = rows @ rows.T
        assert rows.shape == (108, 108)
        assert (products - products.diag().diag()).abs().max() < 1e-4
        assert rows.abs().max(1).values.tolist() == pytest.approx([1] * 108)
    assert len(list(Simba(frequencies=0.5).directions(subject()))) == 3 * 3 * 3


def test_squares_shrink_at_the_papers_times_scaled_to_the_allowance() -> None:
    attack = Square()
    shares = [0.0005, 0.0015, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.9]
    areas = [0.8 / 2**halvings for halvings in range(10)]
    assert [attack.side(share, 100, 100) for share in shares] == [round((area * 10_000) ** 0.5) for area in areas]
    assert attack.side(0.9, 6, 6) == 1


def test_square_moves_every_value_to_the_wall_of_its_ball(tmp_path: Path) -> None:
    with linear_world(tmp_path) as world:
        (found,) = found_in(world, Square(queries=40))
        assert set((found.picture.int() - world.pictures.values[0].int()).abs().unique().tolist()) == {8}


def subject() -> Any:
    from crossattack.attacks._balls import ball_of_pictures
    from crossattack.attacks._probing import Subject

    return Subject(ball_of_pictures(grey_pictures(1).float() / 255, 8 / 255, "linf"), torch.Generator().manual_seed(0), 10)


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
        assert allowance(world.context, 500) == 10
        assert allowance(world.context, 7) == 7
    with linear_world(tmp_path / "capped", budget=100, attacked=5, per_item=4) as world:
        assert allowance(world.context, 500) == 4


@pytest.mark.parametrize("split", [1, 2, 6])
@pytest.mark.parametrize("attack", [Nes(samples=6), Square(), Simba(frequencies=1.0), Spsa(samples=6)], ids=named)
def test_a_share_that_ends_an_attack_leaves_the_best_so_far(attack: Any, split: int, tmp_path: Path) -> None:
    """However items are cut into batches, each gets its share, its own probes and its own result."""
    with linear_world(tmp_path, budget=180, items=6) as world:
        found = []
        for start in range(0, 6, split):
            here = Pictures(world.pictures.ids[start : start + split], world.pictures.values[start : start + split])
            found += found_in(world, attack, here)
        assert max(charged(world.ledger).values()) <= 15
        assert [likeness_of(world, one, item) for item, one in enumerate(found)] == [pytest.approx(min(one.trace)) for one in found]
    assert {one.status for one in found} == {Status.EXHAUSTED}
    assert {len(one.trace) for one in found} == {15}
    with linear_world(tmp_path / "other", budget=180, items=6) as world:
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
        assert world.context.oracle.remaining == max(0, left - 20)
        assert sum(len(one.trace) for one in found) == min(20, left)
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


# What a run says


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=overrides)
    return str(caught.value)


def test_settings_that_cannot_be_are_refused_in_a_line() -> None:
    assert refusal("attack=square", "attacked=500", "oracle.budget=1999") == (
        "oracle.budget: 2000 or more wanted, 2 for each of 500 items of either modality that square asks about, 1999 got; "
        "the nearest is 2000, or attack fewer with `--attacked`."
    )
    assert refusal("attack=qair").startswith("oracle.reveals: ranking wanted by qair, which cannot use codes")
    assert refusal("attack={name: nes, sigma: 0.001}").startswith("attack.sigma: ")
    assert refusal("attack={name: nes, samples: 7}").startswith("attack.samples: ")
    assert refusal("attack={name: square, norm: l2}").startswith("attack.norm: 'linf' wanted")
    assert load_config(overrides=["attack=square", "oracle.reveals=features"]).oracle.reveals == "features"


def asked_run(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    config = load_config(overrides=sets(overrides))
    (folder / "config.yaml").write_text(to_yaml(config))
    return run(config, folder, Silent())


def sets(overrides: Sequence[str]) -> list[str]:
    small = [each for each in SMALL if not each.startswith(("attack.", "oracle.", "attacked"))]
    return [*small, "attacked=4", "oracle.budget=96", "evaluation.resamples=20", *overrides]


@pytest.mark.usefixtures("empty_cache")
def test_features_are_a_threat_model_of_a_whole_run(tmp_path: Path) -> None:
    results = asked_run(tmp_path / "run", "attack=square", "oracle.reveals=features")
    model, bill, found = results["threat_model"], results["budget"], results["directions"]
    assert (model["reveals"], model["top_k"], model["text"], model["text_eps"]) == ("features", None, "none", None)
    assert bill["phases"] == {"attack": bill["spent"]}
    assert (bill["images"], bill["texts"]) == (bill["spent"], 0)
    assert 0 < bill["spent"] <= 4 * 12
    assert found["text_to_image"]["map"]["attacked"] == found["text_to_image"]["map"]["clean"]
    assert found["text_to_image"]["success"]["attacker"] is None
    assert sum(found["image_to_text"]["status"][kind] for kind in ("succeeded", "exhausted")) == 4
    assert results["distortion"]["images"]["linf_max"] == pytest.approx(8 / 255)
    assert results["distortion"]["texts"] == {"realisable": True, "edited": 0}
    does = {check["name"]: check["ok"] for check in results["checks"]}
    assert does["text_to_image: the attack does something"] is None
    assert replay(tmp_path / "run")[0] == []


@pytest.mark.usefixtures("empty_cache")
def test_a_run_killed_amid_its_probes_ends_with_the_same_results(tmp_path: Path) -> None:
    overrides = sets(["attack=nes", "attack.samples=4", "name=killed"])
    arguments = [sys.executable, "-m", "crossattack.run", "--runs", str(tmp_path), "--name", "killed", "--quiet", "--json"]
    for override in overrides:
        arguments += ["--set", override]
    whole = asked_run(tmp_path / "whole", "attack=nes", "attack.samples=4", "name=killed")
    kill_once_there(tmp_path / "killed", "checkpoints/noise/texts-000000.h5", arguments)
    resumed = run(load_config(overrides=overrides), tmp_path / "killed", Silent())
    assert without_times(resumed) == without_times(whole)


def test_an_answer_of_another_kind_is_refused() -> None:
    lists = Answer(Reveals.RANKING, torch.zeros(1, 3, dtype=torch.int32))
    with pytest.raises(UsageError, match="features wanted, this target reveals ranking"):
        likeness(Answer(Reveals.FEATURES, torch.zeros(1, 3)), lists)
