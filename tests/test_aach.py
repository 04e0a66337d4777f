"""AACH: what it pays, what it aims at, and that aiming helps."""

from pathlib import Path

import pytest
import torch
from worlds import attackers_world, scenes

from crossattack.attacks._answers import CodeAnswers
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks._surrogate import fit_surrogate
from crossattack.attacks.aach import Aach
from crossattack.attacks.noise import Noise
from crossattack.attacks.pgd import Pgd
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import BudgetRefused, UsageError
from crossattack.objectives.own import Own
from crossattack.progress import Silent
from crossattack.streams import Streams


def flipped(world: object, pictures: torch.Tensor) -> float:
    """Share of the target's bits that differ from the clean pictures'."""
    clean, changed = (harden(encode(world.target, "images", images)) for images in (world.query.images, pictures))  # type: ignore[attr-defined]
    return float((clean != changed).double().mean())


def test_it_pays_for_the_pairs_it_mines_and_for_nothing_else(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=40) as world:
        perturb = Aach(steps=2).fit(world.black)
        perturb(world.pictures)
        perturb(world.words)
        bill = world.ledger.bill("attacker")
        mined = world.black.made["surrogate"].answers
    assert bill.phases == {"mining": bill.spent}
    assert bill.spent in (39, 40)  # a pair more would be one or two queries more
    assert bill.images == len(mined.images) >= 20
    assert bill.texts == len(set(mined.texts))


def test_triplets_from_the_oracle_cost_one_query_an_item(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=60, attacked=6) as world:
        perturb = Aach(steps=2, triplets="oracle").fit(world.black)
        perturb(world.pictures)
        perturb(world.words)
        bill = world.ledger.bill("attacker")
    assert bill.phases["attack"] + bill.repeats >= 12
    assert bill.phases["mining"] in (47, 48)
    assert bill.images == len(world.black.made["surrogate"].answers.images) + 6
    assert bill.spent <= 60


def test_a_smaller_budget_mines_the_first_pairs_of_a_larger_one(tmp_path: Path) -> None:
    asked = []
    for budget in (20, 40):
        with attackers_world(tmp_path / str(budget), budget=budget) as world:
            asked.append(world.black.answers().images)
    assert len(asked[0]) < len(asked[1])
    assert torch.equal(asked[0], asked[1][: len(asked[0])])


def test_a_budget_too_small_for_a_surrogate_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=10) as world:
        with pytest.raises((UsageError, BudgetRefused), match="at least 16 queries, got 10"):
            Aach().fit(world.black)
        assert world.ledger.bill("attacker").spent == 0


def test_a_finished_surrogate_is_read_back_and_not_trained_again(tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        first = world.black.surrogate()
    file = tmp_path / "surrogate.safetensors"
    written = file.stat().st_mtime_ns
    with attackers_world(tmp_path) as world:
        again = world.black.surrogate()
        assert world.ledger.bill("attacker").repeats == 0 or world.ledger.bill("attacker").spent < 60
    assert file.stat().st_mtime_ns == written
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


def test_the_white_box_flips_more_bits_than_noise(tmp_path: Path) -> None:
    with attackers_world(tmp_path, attacked=12) as world:
        noise = flipped(world, Noise().fit(world.black)(world.pictures).items.values)
        ceiling = flipped(world, Pgd(steps=20, objective=Own()).fit(world.white)(world.pictures).items.values)
    assert ceiling > noise + 0.1


def test_on_its_surrogate_it_leaves_its_positives_for_its_negatives(tmp_path: Path) -> None:
    """The order of the nearest and of the farthest paid-for texts turns round, as the surrogate sees it."""
    with attackers_world(tmp_path, attacked=12, budget=100) as world:
        aach, noise = Aach(steps=20, among=0.1, eps=16 / 255), Noise(eps=16 / 255)
        changed, noisy = (attack.fit(world.black)(world.pictures).items.values for attack in (aach, noise))
        surrogate = world.black.made["surrogate"]
        codes = [encode(surrogate.network, "images", images).sign() for images in (world.query.images, changed, noisy)]
    paid = surrogate.answers.text_codes.float()
    before, after, control = (code @ paid.T for code in codes)
    near, far = before.topk(5).indices, (-before).topk(5).indices
    gap = [(scores.gather(1, near).mean() - scores.gather(1, far).mean()).item() for scores in (before, after, control)]
    assert gap[0] > 0
    assert gap[1] < 0.7 * gap[0]
    assert gap[2] > 0.9 * gap[0]


def test_a_surrogate_of_real_size_is_the_same_to_the_bit_each_time(tmp_path: Path) -> None:
    """At this size gradients are summed by several threads, and plain indexing lets them race: no two runs would agree."""
    pairs, _ = scenes(700)
    generator = torch.Generator().manual_seed(0)
    image_codes, text_codes = ((torch.randint(0, 2, (700, 32), generator=generator) * 2 - 1).to(torch.int8) for _ in range(2))
    answers = CodeAnswers(pairs.images, list(pairs.texts), image_codes, text_codes)
    recipe, made = SurrogateRecipe(image_tower="convnet", epochs=1, least_steps=0), set()
    for place in ("one", "two", "three"):
        path = tmp_path / place / "surrogate.safetensors"
        fit_surrogate(answers, recipe, Streams(0), "cpu", Silent(), path)
        made.add(path.read_bytes())
    assert len(made) == 1
