"""Auditions: who is trusted, which way pictures go, and what is told of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from understudies import quick
from worlds import attackers_world, scenes, untrained_target

from crossattack.attacks import Pictures
from crossattack.attacks._audition import auditioned, points_of
from crossattack.attacks._cast import Cast, correlation
from crossattack.attacks._moves import Moves
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.findings import findings
from crossattack.goals import MODALITIES
from crossattack.ledger import Modality


def test_correlation_of_bits_has_its_closed_form() -> None:
    first, second = torch.tensor([[1.0, 1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert correlation(first, first) == pytest.approx(1)
    assert correlation(first, 1 - first) == pytest.approx(-1)
    assert correlation(first, second) == pytest.approx(1 / 3**0.5)  # phi of a table of 1, 1, 0, 2
    assert correlation(first, torch.zeros(1, 4)) == 0


def test_the_one_that_foresees_what_turns_is_trusted_and_leads(tmp_path: Path) -> None:
    """The target's own network beside one of other weights: the first is trusted wholly, the other by less than half."""
    pairs, _ = scenes()
    kin, stranger = untrained_target(pairs).network, untrained_target(pairs, seed=1).network
    with attackers_world(tmp_path, budget=60) as world:
        answers = world.black.answers(reserve=20)
        both = Cast((kin.requires_grad_(False), stranger.requires_grad_(False)), (1.0, 1.0), Moves(decay=1.0))
        own = Pictures(tuple(range(8)), answers.images[:8])
        codes = answers.image_codes[:8]
        changed = points_of(world.black, both, own, own.values, codes.float(), quick().descent, 4)[-1]
        turned = (harden(encode(world.target, "images", changed)) != codes).float()
        trust = both.judged(own.values, changed, turned).trust
    assert trust[0] == pytest.approx(1)
    assert trust[1] < 0.5
    assert turned.mean() > 0.1
    assert Cast(both.networks, (1.0, 0.049), both.moves).leading().networks == (kin,)
    assert Cast(both.networks, (0.05, 1.0), both.moves).leading().trust == (0.05, 1.0)


def test_an_audition_settles_whom_to_trust_and_how_to_move(tmp_path: Path) -> None:
    """On the target's own network: it is trusted, and its moves are those that turned more bits; twice as many queries as pictures."""
    with attackers_world(tmp_path, budget=60) as world:
        answers, attack = world.black.answers(reserve=20), quick(diversity=1.0)
        cast = Cast((world.target.network.requires_grad_(False),), (1.0,), Moves(decay=1.0, diversity=0.5))
        before = world.black.oracle.remaining
        found = auditioned(world.black, cast, answers, attack.descent, 17, ["kin"])
        assert before - world.black.oracle.remaining == 16
        own, codes = Pictures(tuple(range(-8, 0)), answers.images[:8]), answers.image_codes[:8]
        turned = dict[float, float]()
        for diversity in (0.0, 1.0):
            moving = replace(cast, moves=Moves(decay=1.0, diversity=diversity))
            changed = points_of(world.black, moving, own, own.values, codes.float(), attack.descent, attack.steps)[-1]
            turned[diversity] = float((harden(encode(world.target, "images", changed)) != codes).float().mean())
    assert turned[0.0] != turned[1.0]
    assert turned[found.moves.diversity] == max(turned.values())
    assert found.trust == (pytest.approx(1),)


def test_an_audition_tries_warped_pictures_too_where_told(tmp_path: Path) -> None:
    """A third way for the same queries: five pictures go three ways each, and the way that turned most bits is kept."""
    attack = quick(affine=1.0, eps=0.2)
    with attackers_world(tmp_path, budget=60) as world:
        answers, before = world.black.answers(reserve=20), world.black.oracle.remaining
        network = world.target.network.requires_grad_(False)
        found = auditioned(world.black, Cast((network,), (1.0,), attack.ways[-1]), answers, attack.descent, 17, ["kin"])
        own, codes = Pictures(tuple(range(-5, 0)), answers.images[:5]), answers.image_codes[:5]
        turned = list[float]()
        for moves in attack.ways:
            changed = points_of(world.black, replace(found, moves=moves), own, own.values, codes.float(), attack.descent, attack.steps)[-1]
            turned.append(float((harden(encode(world.target, "images", changed)) != codes).float().mean()))
        assert before - 15 <= world.black.oracle.remaining < before
        told = findings(tmp_path)["audition"]
    assert list(told["bits_turned"].values()) == pytest.approx(turned)
    assert told["taken"] == ["straight", "resized", "warped"][attack.ways.index(found.moves)]
    assert told["trust"] == {"kin": pytest.approx(1)}
    assert told["pictures"] == 5
    assert [moves.affine for moves in attack.ways] == [0, 0, 1]
    assert len(set(turned)) == 3
    assert turned[attack.ways.index(found.moves)] == max(turned)


def test_a_cast_votes_by_trust(tmp_path: Path) -> None:
    """Of three bits the first surrogate has one turned, the second all: by trust 3 and 1 that is (3 / 3 + 1) of 4."""
    pairs, _ = scenes()
    networks = [untrained_target(pairs, seed=seed, bits=3).network.requires_grad_(False) for seed in (0, 1)]
    images = pairs.take(torch.arange(2)).read().pixels()
    first, second = (harden(encode(network, "images", images)) for network in networks)
    codes = torch.where(torch.tensor([True, False, False]), -first, first)
    wanted = 3 * (first != codes).float().mean(1) + (second != codes).float().mean(1)
    votes = Cast(tuple(networks), (3.0, 1.0), Moves()).votes(images, codes, "cpu")
    torch.testing.assert_close(votes, wanted)
    assert (wanted - (second != codes).float().mean(1)).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_cast_encodes_as_the_mean_of_its_surrogates_by_trust(modality: Modality) -> None:
    """And a lonely one as it does alone, whatever the trust in it."""
    pairs, _ = scenes()
    first, second = (untrained_target(pairs, seed=seed).network for seed in (0, 1))
    few = pairs.take(torch.arange(5)).read()
    items = few.pixels() if modality == "images" else few.texts
    wanted = 0.75 * encode(first, modality, items) + 0.25 * encode(second, modality, items)
    torch.testing.assert_close(encode(Cast((first, second), (0.3, 0.1), Moves()), modality, items), wanted)
    assert torch.equal(encode(Cast((second,), (0.3,), Moves()), modality, items), encode(second, modality, items))
