"""Just noticeable differences: the curves in closed form, the filters against loops, and where a change hides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from linear_pairs import linear, linear_world
from torch import Tensor

from crossattack.attacks import Pictures
from crossattack.attacks._balls import ball_of_pictures
from crossattack.attacks._jnd import by_light, by_texture, hidden, jnd, radii
from crossattack.config import load_config
from crossattack.errors import ConfigError, UsageError
from crossattack.perturbing import noise_like
from crossattack.registry import ATTACKS

FOUR = [
    [[0, 0, 0, 0, 0], [1, 3, 8, 3, 1], [0, 0, 0, 0, 0], [-1, -3, -8, -3, -1], [0, 0, 0, 0, 0]],
    [[0, 0, 1, 0, 0], [0, 8, 3, 0, 0], [1, 3, 0, -3, -1], [0, 0, -3, -8, 0], [0, 0, -1, 0, 0]],
    [[0, 0, 1, 0, 0], [0, 0, 3, 8, 0], [-1, -3, 0, 3, 1], [0, -8, -3, 0, 0], [0, 0, -1, 0, 0]],
    [[0, 1, 0, -1, 0], [0, 3, 0, -3, 0], [0, 8, 0, -8, 0], [0, 3, 0, -3, 0], [0, 1, 0, -1, 0]],
]
MEAN = [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 2, 0, 2, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]]


def flat(level: float, pixels: int = 12) -> Tensor:
    return torch.full((1, 3, pixels, pixels), level / 255, dtype=torch.float64)


def photo(pixels: int = 13) -> Tensor:
    return torch.rand(2, 3, pixels, pixels + 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("level", "threshold"), [(0, 20), (127, 3), (255, 6), (191, 4.5), (127 / 4, 17 / 2 + 3), (127 / 100, 17 * 0.9 + 3)]
)
def test_the_curve_of_light_has_its_published_values(level: float, threshold: float) -> None:
    assert by_light(torch.tensor(float(level), dtype=torch.float64)).item() == pytest.approx(threshold)
    assert jnd(flat(level)) == pytest.approx(threshold / 255)  # flat ground: light alone


def test_mid_grey_hides_least_and_the_curve_has_no_jump() -> None:
    levels = torch.linspace(0, 255, 2551, dtype=torch.float64)
    curve = by_light(levels)
    assert levels[curve.argmin()].item() == 127
    assert (curve.diff()[1:].abs() < 0.5).all()


def test_a_slope_hides_by_its_steepness_and_a_little_by_its_light() -> None:
    light, slope = torch.tensor([0.0, 127.0, 255.0]), torch.tensor([100.0, 100.0, 0.0])
    assert by_texture(light, slope).tolist() == pytest.approx([12.0, 100 * 0.1277 + 0.5 - 1.27, 0.5 - 2.55])


def test_thresholds_are_those_of_a_loop_over_pixels() -> None:
    pictures = photo()
    for picture, found in zip(pictures.numpy(), jnd(pictures).numpy(), strict=True):
        grey = np.pad(255 * (0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]), 2, mode="edge")
        for down in range(picture.shape[1]):
            for along in range(picture.shape[2]):
                patch = grey[down : down + 5, along : along + 5]
                light = (patch * MEAN).sum() / 32
                steepest = max(abs((patch * kernel).sum()) / 16 for kernel in FOUR)
                by_its_light = 17 * (1 - (light / 127) ** 0.5) + 3 if light <= 127 else 3 / 128 * (light - 127) + 3
                wanted = max(by_its_light, steepest * (light * 0.0001 + 0.115) + 0.5 - light * 0.01)
                assert found[0, down, along] == pytest.approx(wanted / 255, rel=1e-9)


@pytest.mark.parametrize("turn", [0, 1])
def test_an_edge_hides_more_than_the_grounds_beside_it_whichever_way_it_runs(turn: int) -> None:
    picture = flat(60, 20)
    picture[:, :, :, 10:] = 200 / 255
    threshold = jnd(torch.rot90(picture, turn, (2, 3)))[0, 0].rot90(-turn)
    assert threshold[:, 9].min() > 2 * threshold[:, :6].max()
    assert threshold[:, 10].min() > 2 * threshold[:, 14:].max()


def test_radii_reach_eps_where_the_picture_hides_most_and_nowhere_more() -> None:
    pictures = photo()
    found, threshold = radii(pictures, 8 / 255), jnd(pictures)
    assert found.amax((1, 2, 3)).tolist() == pytest.approx([8 / 255] * 2)
    assert torch.allclose(found / found.amax((1, 2, 3), keepdim=True), threshold / threshold.amax((1, 2, 3), keepdim=True))
    assert radii(flat(255), 8 / 255) == pytest.approx(8 / 255)  # a flat picture hides alike everywhere
    assert (found > 0).all()


EPS = 8 / 255


def half_textured() -> Pictures:
    """Mid-grey on the left, stripes on the right."""
    values = torch.full((2, 3, 16, 16), 127, dtype=torch.uint8)
    values[:, :, :, 8:] = torch.tensor([60, 190], dtype=torch.uint8).repeat(4)
    return Pictures((0, 1), values)


def allowed(items: Pictures) -> Tensor:
    """Whole levels that each pixel may move."""
    return (radii(items.values.float() / 255, EPS) * 255 + 1e-3).floor()


def test_a_hidden_ball_is_the_same_in_whole_levels_and_never_wider() -> None:
    items = half_textured()
    ball = ball_of_pictures(items.values.float() / 255, EPS, "linf")
    narrow = hidden(ball)
    levels = (narrow.high - ball.clean) * 255
    assert torch.allclose(levels, allowed(items).expand_as(levels), atol=1e-3)
    assert torch.allclose((ball.clean - narrow.low) * 255, levels, atol=1e-3)
    assert levels.max().item() == pytest.approx(8)
    assert levels[:, :, :, :4].max().item() <= 2


@pytest.mark.parametrize("name", ["fgsm", "pgd", "vmi_fgsm", "gradient"])
def test_with_perception_an_attack_and_its_control_move_each_pixel_as_far_as_the_picture_hides_it(name: str, tmp_path: Path) -> None:
    attack, items = ATTACKS.load(name)(eps=EPS, perception="mnd"), half_textured()
    with linear_world(tmp_path, linear(8)) as world:
        for one in (attack, noise_like(attack)):
            change = (one.fit(world.white)(items).items.values.int() - items.values.int()).abs()
            assert (change <= allowed(items)).all()
            assert change.max() == 8
            assert (change == allowed(items)).float().mean() > 0.5


def test_the_ceiling_has_the_attacks_perception_and_l2_has_none() -> None:
    config = load_config(None, ["attack.perception=mnd"], {})
    assert config.ceiling.plugin.perception == "mnd"
    with pytest.raises(ConfigError, match=r"attack\.perception: none wanted with `norm: l2`, mnd got"):
        load_config(None, ["attack.perception=mnd", "attack.norm=l2", "attack.eps=2"], {})
    with pytest.raises(UsageError, match="`norm: linf` wanted with `perception: mnd`, l2 got"):
        hidden(ball_of_pictures(half_textured().values.float() / 255, 2.0, "l2"))
