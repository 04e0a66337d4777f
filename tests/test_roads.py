"""What the rarer options of `understudy` are made of: consensus, doubt, margins, patterns, the middle of a network."""

from typing import cast

import pytest
import torch
from torch import nn
from understudies import quick

from crossattack.attacks._cast import agreed
from crossattack.attacks._drill import margin
from crossattack.attacks._performing import Pattern, patterned
from surrogates.folding import folded
from surrogates.halfway import halfway
from surrogates.towers import image_tower


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
def test_a_pattern_moves_the_pixels_that_it_is_about_by_the_whole_radius(pattern: str, colours: int | None, share: float) -> None:
    """From grey, where nothing is clipped; every plane of a picture has as many colours as the pattern has."""
    clean = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    terms = quick(smooth=1.0, pattern=cast(Pattern, pattern), eps=8 / 255)
    moved = patterned(clean, clean, terms, torch.Generator().manual_seed(0)).int() - 128
    assert (moved.abs() == 8).double().mean() == share
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
def test_halfway_is_the_middle_of_the_longest_chain_and_leaves_the_tower_as_it_was(name: str) -> None:
    tower = image_tower(name, "none").eval()
    longest = max((module for module in tower.modules() if isinstance(module, nn.Sequential)), key=len)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = tower(images)
    seen = halfway(tower)(images)
    shown = images * 2 - 1 if name == "convnet" else (images - tower.mean) / tower.deviation
    assert torch.allclose(seen, longest[: len(longest) // 2 + 1](shown).flatten(1), atol=1e-5)
    assert torch.equal(tower(images), before)
    if name != "convnet":  # whose middle is a convolution, to which folding adds the normalisation after it
        assert torch.allclose(halfway(folded(tower))(images), seen, atol=1e-4)


def test_a_tower_without_layers_in_a_row_has_no_middle() -> None:
    with pytest.raises(ValueError, match=r"a tower with a chain of layers \(nn.Sequential\) wanted, a Identity got"):
        halfway(nn.Identity())
