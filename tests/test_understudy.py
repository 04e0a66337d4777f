"""Understudy: what it pays and keeps, and that nothing of the target reaches it but answers."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from remote_runs import ATTACK
from test_perturbing import Prudish
from test_serve_cli import started
from understudies import charges, quick
from worlds import attackers_world, scenes

from crossattack.attacks import Status
from crossattack.attacks._audition import different, spread_out
from crossattack.attacks._cast import Cast
from crossattack.attacks._moves import Moves
from crossattack.cli import main
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import UsageError
from crossattack.oracle import Oracle, Reveals


@pytest.mark.parametrize("queries", [0, 7])
def test_the_bill_is_what_it_says(queries: int, tmp_path: Path) -> None:
    attack = quick(queries=queries)
    with attackers_world(tmp_path, budget=100, attacked=6) as world:
        perturb = attack.fit(world.context(attack))
        perturb(world.pictures)
        perturb(world.words)
        bill, made = world.ledger.bill("attacker"), world.black.made["surrogate-convnet"].answers
    room = 100 - 6 * queries
    assert 5 * queries <= bill.phases.get("attack", 0) <= 6 * queries  # points on the way may be the same picture twice
    assert len(made.texts) == round(0.2 * room)
    assert len(made.images) == min(room - round(0.2 * room) - room // 10, 48)  # as many as there are
    assert bill.phases["mining"] <= room
    assert bill.spent <= 100


def test_equal_texts_leave_their_share_to_pictures(tmp_path: Path) -> None:
    attack = quick(texts=0.6)
    with attackers_world(tmp_path, budget=50, attacked=6) as world:
        context = world.context(attack)
        few = [context.texts[position % 10] for position in range(len(context.texts))]
        attack.fit(replace(context, texts=tuple(few)))
        answers = context.made["surrogate-convnet"].answers
        assert len(answers.texts) == len(different(few)) == len(set(few)) <= 10
        assert len(answers.images) == 50 - len(answers.texts) - 50 // 10


def test_a_budget_that_is_short_leaves_enough_to_learn_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of 68 queries 32 are not for the six attacked pictures, which wanted 100 each and get six, and it says so."""
    attack = quick(queries=100)
    with attackers_world(tmp_path, budget=68, attacked=6) as world:
        attack.fit(world.context(attack))
        assert 30 <= world.ledger.bill("attacker").phases["attack"] <= 36  # of which some may be the same picture twice
        assert len(world.black.made["surrogate-convnet"].answers.images) == 32 - 8 - 32 // 10
    assert "`attack.queries` is 100; the budget, its share of each item and the steps leave 6 to each." in caplog.text


@pytest.mark.parametrize("settings", [{"queries": 1}, {"queries": 7, "steps": 0}])
def test_what_is_not_asked_on_the_way_is_learned_from(settings: dict[str, int], tmp_path: Path) -> None:
    """A query for each clean picture alone would say nothing, nor would more without a step to take."""
    counts = list[int]()
    for name, more in (("asking", settings), ("never", {**settings, "queries": 0})):
        attack = quick(**more)
        with attackers_world(tmp_path / name, budget=70, attacked=6) as world:
            attack.fit(world.context(attack))(world.pictures)
            assert "attack" not in world.ledger.bill("attacker").phases
            counts.append(len(world.black.made["surrogate-convnet"].answers.images))
    assert counts[0] == counts[1] > 40


@pytest.mark.parametrize("swaps", [0.0, 1.0])
def test_a_picture_that_the_target_refuses_is_asked_about_no_more_and_the_others_go_on(swaps: float, tmp_path: Path) -> None:
    attack = quick(queries=7, eps=0.05, swaps=swaps)
    with attackers_world(tmp_path, budget=100, attacked=6) as world:
        context = world.context(attack)
        prudish = Prudish(context.oracle._account.endpoint, world.pictures.values[2])
        found = attack.fit(replace(context, oracle=Oracle(world.ledger, prudish, budget=100)))(world.pictures)
        bill = world.ledger.bill("attacker")
    assert [status is Status.ERROR for status in found.status] == [False, False, True, False, False, False]
    assert torch.equal(found.items.values[2], world.pictures.values[2])
    assert not torch.equal(found.items.values[3], world.pictures.values[3])
    assert 5 * 6 <= bill.phases["attack"] <= 5 * 7 + 4  # its clean picture, and of the first round what was refused


def test_more_queries_leave_no_picture_nearer(tmp_path: Path) -> None:
    """On the same lessons: the first points are the same, and of all that were asked about the farthest is kept."""
    far = list[torch.Tensor]()
    for queries in (4, 10):
        attack = quick(queries=queries, eps=0.2)
        with attackers_world(tmp_path / str(queries), budget=70 + 6 * queries, attacked=6) as world:
            changed = attack.fit(world.context(attack))(world.pictures)
            clean, after = (harden(encode(world.target, "images", images)) for images in (world.pictures.values, changed.items.values))
        far.append((clean != after).double().mean(1))
        assert [status is Status.SUCCEEDED for status in changed.status] == (far[-1] >= 0.25).tolist()
    assert (far[1] >= far[0]).all()
    assert far[1].mean() > far[0].mean()


def test_own_pictures_are_asked_about_in_the_order_of_every_attack(tmp_path: Path) -> None:
    with attackers_world(tmp_path / "usual", budget=80) as world:
        usual = world.black.answers().images
    with attackers_world(tmp_path / "ours", budget=80) as world:
        quick().fit(world.context(quick()))
        ours = world.black.made["surrogate-convnet"].answers.images
    count = min(len(usual), len(ours))
    assert torch.equal(usual[:count], ours[:count])


def test_families_are_trained_side_by_side_on_one_bill(tmp_path: Path) -> None:
    attack = quick(families=("convnet", "cnnf:none", "convnet:none"))
    with attackers_world(tmp_path, budget=60, data=scenes(pixels=32)) as world:
        attack.fit(world.context(attack))(world.pictures)
        assert list(world.black.made) == ["surrogate-convnet", "surrogate-cnnf", "surrogate-convnet-2"]
        assert world.ledger.bill("attacker").spent <= 60
    assert {path.name for path in tmp_path.glob("surrogate-*.safetensors")} == {
        "surrogate-convnet.safetensors",
        "surrogate-cnnf.safetensors",
        "surrogate-convnet-2.safetensors",
    }


def test_a_budget_too_small_to_learn_from_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=14) as world:
        with pytest.raises(UsageError, match=r"8 pictures or more to learn from wanted, 14 queries got; raise `oracle.budget`"):
            quick().fit(world.context(quick()))
        assert world.ledger.bill("attacker").spent == 0


def test_texts_are_edited_by_two_words_at_most_and_cost_nothing(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=60) as world:
        perturb = quick().fit(world.context(quick()))
        spent = world.ledger.bill("attacker").spent
        changed = perturb(world.words).items.values
        assert world.ledger.bill("attacker").spent == spent
    for before, after in zip(world.words.values, changed, strict=True):
        assert before != after
        assert len(set(before.split()) - set(after.split())) <= 2


def test_texts_are_edited_through_the_eyes_of_all_copies(tmp_path: Path) -> None:
    """Made for two surrogates, edits take more of what both say together than those made for the first alone."""
    attack, left = quick(copies=2), dict[int, torch.Tensor]()
    with attackers_world(tmp_path, budget=60) as world:
        context = world.context(attack)
        edited = {2: attack.fit(context)(world.words).items.values}
        pair = [world.black.made[name].network for name in world.black.made]
        edited[1] = quick().fit(world.context(quick()))(world.words).items.values
        both = Cast(tuple(pair), (1.0, 1.0), Moves())
        own = harden(encode(both, "texts", world.words.values))
        for copies, texts in edited.items():
            left[copies] = (encode(both, "texts", texts) * own).mean(1)
    assert len(pair) == 2
    assert left[2].mean() < left[1].mean()


def test_only_families_that_the_audition_left_are_trained_again(tmp_path: Path) -> None:
    attack = quick(families=("convnet", "cnnf:none"), copies=3, eps=0.1, queries=2)
    with attackers_world(tmp_path, budget=82, data=scenes(pixels=32)) as world:
        attack.fit(world.context(attack))
        assert list(world.black.made) == [
            "surrogate-convnet",
            "surrogate-cnnf",
            "surrogate-convnet-copy-1",
            "surrogate-convnet-copy-2",
        ]
        first, _, second, third = (made.network for made in world.black.made.values())
    image = torch.rand(1, 3, 32, 32)
    assert len({tuple(network.project_images(image)[0].tolist()) for network in (first, second, third)}) == 3


ASKING: dict[str, Any] = {"queries": 7}
OPTIONS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (  # each beside what it is added to
    ({}, {"copies": 2}),
    ({}, {"lesson": "relations"}),
    ({}, {"lesson": "margins"}),
    ({}, {"lesson": "triplets"}),
    ({}, {"strong": True}),
    ({}, {"mixing": 1.0}),
    ({}, {"robust": 4 / 255}),
    ({}, {"averaging": 0.9}),
    ({}, {"unasked": 1.0}),
    ({}, {"spread": True}),
    ({}, {"doubt": 0.5}),
    ({}, {"rehearsed": 0.3}),
    ({}, {"push": "relaxed"}),
    ({}, {"push": "features"}),
    ({}, {"push": "middle"}),
    ({}, {"consensus": 8}),
    ({}, {"nearness": 2.0}),
    ({}, {"affine": 1.0}),
    ({"audition": 0}, {"sizes": (0.5, 1.0, 1.5)}),
    ({"audition": 0, "push": "middle"}, {"sizes": (0.5, 1.0, 1.5)}),
    ({}, {"kernel": 5}),
    ({}, {"scales": 3}),
    ({}, {"neighbours": 2}),
    ({}, {"late": 3}),
    ({"alpha": 0.1 / 255, "eps": 0.4}, {"starts": 3}),
    (ASKING, {"epochs": 2}),
    (ASKING, {"change": 4.0}),
    (ASKING, {"smooth": 0.5}),
    (ASKING | {"smooth": 0.5}, {"pattern": "colours"}),
    (ASKING | {"smooth": 0.5}, {"pattern": "patches"}),
    (ASKING | {"eps": 0.4}, {"enough": 0.1}),
    (ASKING, {"swaps": 0.5}),
    (ASKING, {"swaps": 1.0}),
)


def made(folder: Path, **settings: Any) -> tuple[torch.Tensor, int]:
    """Changed pictures, and what was spent of 60 queries, and 10 more for each that a picture may have."""
    attack = quick(**settings)
    with attackers_world(folder, budget=60 + 10 * attack.queries, attacked=6) as world:
        found = attack.fit(world.context(attack))(world.pictures).items.values
        assert (found.int() - world.pictures.values.int()).abs().max() <= 255 * attack.eps
        return found, world.ledger.bill("attacker").spent


@pytest.mark.parametrize(("beside", "option"), OPTIONS, ids=[f"{name}-{value}" for _, option in OPTIONS for name, value in option.items()])
def test_every_option_does_something_within_radius_and_budget_and_again_the_same(
    beside: dict[str, Any], option: dict[str, Any], tmp_path: Path
) -> None:
    first, spent = made(tmp_path / "first", **beside, **option)
    assert spent <= 60 + 10 * beside.get("queries", 0)
    assert not torch.equal(first, made(tmp_path / "without", **beside)[0])
    assert torch.equal(made(tmp_path / "again", **beside, **option)[0], first)


def test_pictures_least_like_each_other_come_first() -> None:
    """Three bundles of directions: the first three asked about are of three bundles, the fourth is the one farthest from all of them."""
    bundles = torch.eye(4)[[0, 0, 0, 1, 1, 2, 2]] + 0.1 * torch.eye(7, 4)
    order = spread_out(bundles, 4)
    assert sorted(order.tolist()) == list(range(7))
    assert sorted({0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2}[row] for row in order[:3].tolist()) == [0, 1, 2]
    unit = torch.nn.functional.normalize(bundles, dim=1)
    nearest = (unit @ unit[order[:3]].T).amax(1)
    assert int(order[3]) == int(nearest.argmin())
    assert order[4:].tolist() == sorted(order[4:].tolist())


def test_queries_of_a_picture_that_has_turned_enough_go_to_the_others(tmp_path: Path) -> None:
    """Twelve each are 72: whoever is done after the first round of three leaves his to others, so that one has more than twelve."""
    attack = quick(queries=12, enough=0.32, eps=0.4)
    with attackers_world(tmp_path, budget=150, attacked=6) as world:
        attack.fit(world.context(attack))
    each = charges(tmp_path)
    assert len(each) == 6
    assert sum(each.values()) <= 72
    assert min(each.values()) < 12 < max(each.values())


def test_lists_are_learned_as_triplets_and_nothing_is_asked_on_the_way(tmp_path: Path) -> None:
    attack = quick()
    with attackers_world(tmp_path / "lists", budget=80, reveals=Reveals.RANKING) as world:
        found = attack.fit(world.context(attack))(world.pictures).items.values
        assert world.ledger.bill("attacker").spent <= 80
        assert world.ledger.bill("attacker").phases.keys() == {"mining"}
    assert not torch.equal(found, world.pictures.values)
    with attackers_world(tmp_path / "asked", budget=80, reveals=Reveals.RANKING) as world:
        asking = quick(queries=5)
        with pytest.raises(UsageError, match=r"`attack.queries` asks for codes on the way, the target shows lists; leave it out"):
            asking.fit(world.context(asking))
        assert world.ledger.bill("attacker").spent == 0


def test_a_target_in_another_process_gives_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the target lies in this process but the address of a service; all figures are those of the run beside the target."""
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "cache"))
    asked = ["attack=understudy", "attack.queries=3", "attack.asked=2", "oracle.budget=120"]
    recipe = ["target.image_tower=convnet", "target.epochs=1", "target.bits=16", "ceiling.steps=2"]
    found = dict[str, Any]()
    with ExitStack() as stack:
        _, told, _ = stack.enter_context(started(tmp_path, "--state", "state.sqlite"))
        for name, target in (("local", recipe), ("remote", ["target=http", f"target.url={told['url']}", "target.rate=1e6"])):
            sets = [part for each in (*ATTACK, *target, *asked) for part in ("--set", each)]
            assert main(["run", "--quiet", "--runs", str(tmp_path / "runs"), "--name", name, *sets]) == 0
            found[name] = json.loads((tmp_path / "runs" / name / "results.json").read_text(encoding="utf-8"))
    assert found["remote"]["budget"]["phases"] == found["local"]["budget"]["phases"]
    for direction in ("image_to_text", "text_to_image"):
        ours, theirs = (found[name]["directions"][direction]["map"] for name in ("local", "remote"))
        assert theirs["ceiling"] is None
        assert [theirs[name] for name in ("clean", "noise", "attacked")] == [ours[name] for name in ("clean", "noise", "attacked")]
    assert found["remote"]["surrogates"] == found["local"]["surrogates"]
    assert found["remote"]["findings"] == found["local"]["findings"]
    assert found["local"]["findings"]["audition"]["trust"].keys() == {"surrogate-convnet"}
