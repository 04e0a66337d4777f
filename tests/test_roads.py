"""What the rarer options of `understudy` are made of: consensus, doubt, margins, patterns, the middle of a network."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from understudies import quick
from worlds import attackers_world, scenes, untrained_target

from crossattack.attacks._audition import auditioned, in_doubt, own_answers
from crossattack.attacks._cast import Cast, Push, agreed
from crossattack.attacks._drill import margin
from crossattack.attacks._moves import Moves
from crossattack.attacks._performing import Pattern, patterned
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import UsageError
from surrogates.halfway import halfway
from surrogates.network import network_for


def test_a_bit_counts_as_much_as_the_nearest_codes_agree_on_it() -> None:
    known = torch.tensor([[1, 1, 1, 1], [1, 1, 1, -1], [1, 1, -1, 1], [-1, -1, -1, -1]], dtype=torch.int8)
    codes = torch.ones(1, 4, dtype=torch.int8)
    assert agreed(codes, known, 3).tolist() == [[1.0, 1.0, pytest.approx(1 / 3), pytest.approx(1 / 3)]]
    assert agreed(codes, known, 100).tolist() == [[0.5, 0.5, 0.0, 0.0]]
    assert torch.equal(agreed(codes, known, 0), codes.float())


def test_a_bit_that_is_right_by_one_is_let_be() -> None:
    """By -b z: right by 2 and by 1, in doubt, wrong by 1; the slope is 1 wherever something is missing."""
    wrong = torch.tensor([-2.0, -1.0, 0.0, 1.0], requires_grad=True)
    missed = margin(wrong)
    assert missed.tolist() == [0.0, 0.0, 1.0, 2.0]
    missed[[0, 2, 3]].sum().backward()
    assert wrong.grad is not None
    assert wrong.grad[[0, 2, 3]].tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(("pattern", "colours", "share"), [("smooth", None, 1.0), ("colours", 1, 1.0), ("patches", 2, 1 / 16)])
def test_a_pattern_moves_the_pixels_that_it_is_about_by_the_whole_radius(pattern: Pattern, colours: int | None, share: float) -> None:
    """From grey, where nothing is clipped; every plane of a picture has as many colours as the pattern has."""
    clean = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    terms = quick(smooth=1.0, pattern=pattern, eps=8 / 255)
    moved = patterned(clean, clean, terms.descent, terms.asking, torch.Generator().manual_seed(0)).int() - 128
    assert (moved.abs() == 8).double().mean() == share
    some = patterned(clean, clean, terms.descent, replace(terms.asking, smooth=0.25), torch.Generator().manual_seed(0))
    assert 6 <= (some != clean).flatten(1).any(1).sum() <= 28  # of 64 a quarter, give or take three deviations and a half
    assert ((moved == 0) | (moved.abs() == 8)).all()
    planes = moved.reshape(-1, 32 * 32)
    if colours is None:
        return assert_smooth(moved)
    assert {len(plane.unique()) for plane in planes} == {colours}
    if pattern == "patches":
        boxes = (moved[:, 0] != 0).float()
        assert boxes.amax(1).sum(1).tolist() == boxes.amax(2).sum(1).tolist() == [8.0] * 64  # a square of eight by eight
    return None


def assert_smooth(moved: torch.Tensor) -> None:
    """Neighbours differ far less often than those of noise, which do half of the time."""
    assert 0 < (moved[..., 1:] != moved[..., :-1]).double().mean() < 0.2


@pytest.mark.parametrize("name", ["convnet", "efficientnet_lite0", "mobilenet_v2"])
def test_halfway_there_are_as_many_layers_before_as_after_and_the_tower_is_left_as_it_was(name: str) -> None:
    """By hand: all convolutions in the order in which a picture passes them, of which the middle one is looked at."""
    network = network_for(scenes()[0].texts, image=name, text="bag_of_words", bits=8, weights="none").eval()
    network.front = lambda pictures: pictures.flip(3)
    passed = list[torch.Tensor]()
    convolutions = [module for module in network.image_tower.modules() if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_hook(lambda layer, shown, made: passed.append(made.clone())) for module in convolutions]
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    network.image_tower(images.flip(3))
    for hook in hooks:
        hook.remove()
    assert len(passed) == len(convolutions)
    assert torch.equal(halfway(network)(images), passed[len(passed) // 2].flatten(1))
    assert not any(module._forward_hooks for module in network.modules())


def test_what_stands_in_front_stands_in_front_of_features_too() -> None:
    network = network_for(scenes()[0].texts, image="convnet", text="bag_of_words", bits=8, weights="none").eval().requires_grad_(False)
    clean = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pushes: tuple[Push, ...] = ("features", "middle")
    for push in pushes:
        network.front = None
        plain = Cast((network,), (1.0,), Moves()).keeping(clean, torch.ones(3, 8), push)
        assert plain(clean).tolist() == pytest.approx([1, 1, 1])
        assert (plain(clean.flip(3)) < 1).all()
        network.front = lambda pictures: (pictures + pictures.flip(3)) / 2
        mirrored = Cast((network,), (1.0,), Moves()).keeping(clean, torch.ones(3, 8), push)
        assert mirrored(clean.flip(3)).tolist() == pytest.approx([1, 1, 1])


def test_a_tower_without_layers_has_no_middle() -> None:
    network = network_for(scenes()[0].texts, image="convnet", text="bag_of_words", bits=8, weights="none")
    network.image_tower = nn.Identity()
    with pytest.raises(ValueError, match=r"a tower of convolutions or linear layers wanted, a Identity got"):
        halfway(network)


def test_pictures_in_doubt_are_those_of_whose_bits_a_network_is_least_sure(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=80) as world:
        answers, others = own_answers(world.black, 10, 4)
        network = untrained_target(scenes()[0], seed=1).network
        more, left = in_doubt(world.black, answers, others, network, 5)
        sure = encode(network, "images", others).abs().mean(1)
        first = sure.argsort(stable=True)
        assert torch.equal(more.images, torch.cat([answers.images, others[first[:5]]]))
        assert torch.equal(left, others[first[5:]])
        assert torch.equal(more.image_codes, harden(encode(world.target, "images", more.images)))
        assert sure[first[:5]].max() < sure[first[5:]].min()


def test_answers_end_where_repeated_attempts_have_eaten_the_budget(tmp_path: Path) -> None:
    """Of 60 queries 40 are gone: four texts and one batch of sixteen are learned from, of an audition nothing."""
    with attackers_world(tmp_path / "some", budget=60) as world:
        world.black.oracle.query_images(torch.randint(256, (40, 3, 16, 16), dtype=torch.uint8), phase="mining")
        answers, others = own_answers(world.black, 40, 4)
        assert (len(answers.texts), len(answers.images), len(others)) == (4, 16, len(world.black.images) - 16)
        network = world.target.network.requires_grad_(False)
        cast = Cast((network,), (1.0,), Moves())
        assert auditioned(world.black, cast, answers, quick().descent, 8, ["kin"]) is cast
    with attackers_world(tmp_path / "less", budget=60) as world:
        world.black.oracle.query_images(torch.randint(256, (50, 3, 16, 16), dtype=torch.uint8), phase="mining")
        with pytest.raises(UsageError, match=r"codes of 8 own pictures wanted, of 6 got before the budget ended; raise `oracle.budget`"):
            own_answers(world.black, 40, 4)
