"""Defences: what each makes of a picture, what comes back through it, and what is left of an attack that knows it."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from worlds import scenes, untrained_target

from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.defences import Defence, straight_through, uniform
from crossattack.defences._defended import Defended, Front, behind
from crossattack.defences.bit_depth import BitDepth
from crossattack.defences.jpeg import Jpeg
from crossattack.defences.resizing import Resizing, placed
from crossattack.encoding import as_floats, encode
from crossattack.errors import ConfigError
from crossattack.registry import DEFENCES


def pictures(items: int = 6) -> Tensor:
    """A few scenes as floats."""
    return as_floats(scenes()[0].images[:items])


@pytest.mark.parametrize("name", DEFENCES.names())
class TestEveryDefence:
    def test_it_is_a_defence_with_a_paper(self, name: str) -> None:
        made = DEFENCES.load(name)
        assert isinstance(made(), Defence)
        assert "Paper: " in made.__doc__
        assert "Differs from the paper: " in made.__doc__

    def test_shape_and_range_stay(self, name: str) -> None:
        defence = DEFENCES.load(name)()
        shown = defence.through(pictures(), uniform(pictures(), defence.draws, "a test"))
        assert shown.shape == pictures().shape
        assert shown.dtype == torch.float32
        assert shown.min() >= 0
        assert shown.max() <= 1
        assert not torch.equal(shown, pictures())

    def test_a_picture_alone_is_answered_as_in_a_batch_and_again_alike(self, name: str) -> None:
        target = Defended(untrained_target(scenes()[0]), DEFENCES.load(name)())
        together, alone = target.encode_images(pictures()), torch.cat([target.encode_images(each[None]) for each in pictures()])
        assert torch.allclose(together, alone, atol=1e-5)
        assert torch.equal(together, target.encode_images(pictures()))

    def test_a_gradient_comes_back(self, name: str) -> None:
        target = Defended(untrained_target(scenes()[0]), DEFENCES.load(name)())
        points = pictures().requires_grad_()
        target.encode_images(points).sum().backward()
        assert points.grad is not None
        assert points.grad.isfinite().all()
        assert (points.grad.abs().sum((1, 2, 3)) > 0).all()

    def test_it_is_another_target_which_knows_the_same_words(self, name: str) -> None:
        plain = untrained_target(scenes()[0])
        target, other = Defended(plain, DEFENCES.load(name)()), Defended(untrained_target(scenes()[0], seed=1), DEFENCES.load(name)())
        assert len({plain.digest, target.digest, other.digest}) == 3
        assert target.digest == target.known(3).digest
        assert (target.dim, target.vocabulary, target.similarity) == (plain.dim, plain.vocabulary, plain.similarity)
        texts = scenes()[0].texts[:4]
        assert torch.equal(target.encode_texts(texts), plain.encode_texts(texts))


@pytest.mark.parametrize("quality", [10, 75, 95])
def test_jpeg_is_what_pillow_reads_back(quality: int) -> None:
    shown = Jpeg(quality=quality).through(pictures(), torch.zeros(6, 0))
    for found, picture in zip(shown, scenes()[0].images, strict=False):
        file = BytesIO()
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        read = np.asarray(Image.open(file))
        assert np.array_equal((found * 255).permute(1, 2, 0).numpy().round(), read)


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_are_the_nearest_of_an_even_grid(bits: int) -> None:
    ramp = torch.linspace(0, 1, 768).reshape(1, 3, 16, 16)
    shown = BitDepth(bits=bits).through(ramp, torch.zeros(1, 0))
    grid = np.arange(2**bits) / (2**bits - 1)
    nearest = grid[np.abs(ramp.numpy().reshape(-1, 1) - grid).argmin(1)]
    assert np.abs(shown.numpy().ravel() - nearest).max() < 1e-6
    assert len(shown.unique()) == 2**bits
    assert torch.equal(BitDepth(bits=8).through(pictures(), torch.zeros(6, 0)), pictures())  # bytes are 8 bits


def test_a_resized_picture_lies_whole_where_it_was_put() -> None:
    """White on black: what is left of it is the square of its size, and its middle is where the draws say."""
    white = torch.ones(4, 3, 40, 40)
    scale, up, left = torch.tensor([1.0, 0.5, 0.5, 0.9]), torch.tensor([0.3, 0.0, 1.0, 0.5]), torch.tensor([0.7, 0.0, 0.0, 0.5])
    shown = placed(white, scale, up, left)[:, 0]
    assert torch.allclose(shown.mean((1, 2)), scale.square(), atol=1e-5)
    rows = torch.arange(40) + 0.5
    middles = (shown.sum(2) * rows).sum(1) / shown.sum((1, 2)), (shown.sum(1) * rows).sum(1) / shown.sum((1, 2))
    for found, place in zip(middles, (up, left), strict=True):
        assert torch.allclose(found / 40, scale / 2 + (1 - scale) * (1 - place), atol=1e-4)


def test_draws_are_uniform_of_each_picture_and_of_the_key() -> None:
    many = torch.rand(2000, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    drawn = uniform(many, 3, "a", 0)
    assert torch.equal(drawn, torch.cat([uniform(each[None], 3, "a", 0) for each in many]))
    assert drawn.shape == (2000, 3)
    assert (drawn.mean(0) - 0.5).abs().max() < 0.03
    assert (drawn.var(0) - 1 / 12).abs().max() < 0.01
    assert torch.corrcoef(torch.cat([drawn, uniform(many, 3, "a", 1)], dim=1).T).fill_diagonal_(0).abs().max() < 0.1
    nudged = many.clone()
    nudged[:, 0, 0, 0] += 1 / 255
    assert (uniform(nudged, 3, "a", 0) != drawn).all()


def test_straight_through_has_the_identitys_gradient_and_the_value_to_the_bit() -> None:
    points, weights = pictures().requires_grad_(), torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changed = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    shown = straight_through(points, changed)
    assert torch.equal(shown, changed)
    (shown * weights).sum().backward()
    assert torch.equal(points.grad, weights)


@pytest.mark.parametrize("defence", [Jpeg(quality=30), BitDepth(bits=2)])
def test_the_slope_through_a_rounding_is_the_networks_own_where_it_looked(defence: Any) -> None:
    network = untrained_target(scenes()[0])
    points = pictures().requires_grad_()
    Defended(network, defence).encode_images(points).sum().backward()
    there = defence.through(pictures(), torch.zeros(6, 0)).requires_grad_()
    network.encode_images(there).sum().backward()
    assert torch.allclose(points.grad, there.grad, atol=1e-6)


class TestRandomResizing:
    def test_an_attackers_passes_are_a_mean_over_draws_that_are_not_the_targets(self) -> None:
        network, defence = untrained_target(scenes()[0]), Resizing()
        target = Defended(network, defence)
        by_hand = [network.encode_images(defence.through(pictures(), uniform(pictures(), 3, "attacker", each))) for each in range(4)]
        assert torch.allclose(target.known(4).encode_images(pictures()), torch.stack(by_hand).mean(0), atol=1e-6)
        assert all(not torch.allclose(one, target.encode_images(pictures()), atol=1e-3) for one in by_hand)
        assert torch.equal(target.known(4).encode_images(pictures()), target.known(4).encode_images(pictures()))

    def test_it_answers_in_another_way_for_another_seed_or_a_grey_level_more(self) -> None:
        network = untrained_target(scenes()[0])
        first = Defended(network, Resizing()).encode_images(pictures())
        assert not torch.allclose(first, Defended(network, Resizing(seed=1)).encode_images(pictures()), atol=1e-3)
        nudged = pictures()
        nudged[:, 0, 0, 0] = (nudged[:, 0, 0, 0] - 1 / 255).abs()
        jump = (Defended(network, Resizing()).encode_images(nudged) - first).abs().mean()
        assert jump > 20 * (network.encode_images(nudged) - network.encode_images(pictures())).abs().mean()

    def test_one_that_redraws_answers_the_same_picture_in_many_ways(self) -> None:
        network = untrained_target(scenes()[0])
        target, again = (Defended(network, Resizing(redraws=True)) for _ in range(2))
        first, second = target.encode_images(pictures()), target.encode_images(pictures())
        assert not torch.allclose(first, second, atol=1e-3)
        assert torch.equal(first, again.encode_images(pictures()))  # of the same questions in the same order
        assert torch.equal(target.known(2).encode_images(pictures()), target.known(2).encode_images(pictures()))


def test_a_surrogates_front_is_what_it_is_shown_and_no_part_of_its_file() -> None:
    network = untrained_target(scenes()[0]).network
    keys, wanted = set(network.state_dict()), network.encode_images(BitDepth().through(pictures(), torch.zeros(6, 0)))
    network.front = Front(BitDepth())
    assert torch.equal(network.encode_images(pictures()), wanted)
    assert set(network.state_dict()) == keys


def test_without_a_defence_a_target_is_itself() -> None:
    target = untrained_target(scenes()[0])
    assert behind(None, target) is target
    codes = harden(encode(behind(Jpeg(quality=10), target), "images", scenes()[0].images[:20]))
    assert (codes != harden(encode(target, "images", scenes()[0].images[:20]))).any()


class TestConfiguration:
    def test_a_defence_is_a_section_of_its_own_and_none_unless_said(self, tmp_path: Path) -> None:
        assert load_config().resolved()["defence"] == "none"
        config = load_config(None, ["defence=jpeg", "defence.quality=50"])
        assert config.resolved()["defence"] == {"name": "jpeg", "quality": 50}
        assert config.defence is not None
        assert config.defence.plugin == Jpeg(quality=50)
        (tmp_path / "run.yaml").write_text("defence: {name: jpeg, quality: 50}\n", encoding="utf-8")
        assert load_config(tmp_path / "run.yaml") == config
        assert load_config(tmp_path / "run.yaml", ["defence=none"]) == load_config()

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            (["defence=jpg"], "did you mean 'jpeg'"),
            (["defence.quality=50"], "one of none, bit_depth, jpeg, resizing wanted"),
            (["defence=jpeg", "defence.quality=0"], "defence.quality: 1 or more wanted, 0 got"),
            (["defence=resizing", "defence.smallest=0"], "defence.smallest"),
            (["oracle.draws=0"], "oracle.draws: 1 or more wanted, 0 got"),
            (["target.adversarial=8"], "target.adversarial: 1 or less wanted, 8 got"),
            (["defence=jpeg", "target={name: http, url: 'http://127.0.0.1:1', authorised: true}"], "defence: none wanted with http"),
        ],
    )
    def test_what_cannot_be_is_refused_in_a_line(self, settings: list[str], says: str) -> None:
        with pytest.raises(ConfigError, match=r"^(defence|oracle|target)") as caught:
            load_config(None, settings)
        assert says in str(caught.value)
