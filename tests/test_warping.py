"""Pictures warped at random, and seen at other sizes: each draw's own closed form, and that every picture draws for itself."""

import math

import pytest
import torch
from scipy.ndimage import map_coordinates

from crossattack.attacks._balls import ball_of_pictures
from crossattack.attacks._moves import MOST, Draw, Moves, descend, sized, warped

SIDE = 20
DRAWS = ("chance", "mirror", "angle", "size", "stretch", "across", "along", "right", "down")  # in the order in which they are drawn


def pictures(items: int = 2) -> torch.Tensor:
    return torch.rand(items, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def drawing(**drawn: float) -> Draw:
    """Draws that leave a picture as it is, but for these."""
    found = torch.tensor([({"chance": 0.0, "mirror": 0.9} | drawn).get(name, 0.5) for name in DRAWS], dtype=torch.float64)
    return lambda shape: found.expand(2, *shape)


def test_draws_in_the_middle_leave_a_picture_as_it_is_and_may_mirror_it() -> None:
    images = pictures()
    torch.testing.assert_close(warped(images, 1.0, drawing()), images)
    torch.testing.assert_close(warped(images, 1.0, drawing(mirror=0.2)), images.flip(3))


def test_so_many_pictures_are_warped_as_the_probability_says() -> None:
    images, drawn = pictures(2000), torch.rand(2000, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    changed = (warped(images, 0.3, lambda _: drawn) - images).abs().amax((1, 2, 3)) > 1e-9
    assert torch.equal(changed, drawn[:, 0] < 0.3)
    assert float(changed.double().mean()) == pytest.approx(0.3, abs=0.04)


def test_a_shift_is_by_a_tenth_of_the_side_and_repeats_the_edge() -> None:
    images, pixels = pictures(), round(MOST * SIDE / 2)
    moved = warped(images, 1.0, drawing(right=1.0))
    torch.testing.assert_close(moved[..., :-pixels], images[..., pixels:])
    torch.testing.assert_close(moved[..., -pixels:], images[..., -1:].expand(-1, -1, -1, pixels))
    torch.testing.assert_close(warped(images, 1.0, drawing(down=0.0))[:, :, pixels:], images[:, :, :-pixels])


@pytest.mark.parametrize(
    "drawn", [{"angle": 0.8}, {"size": 0.1}, {"stretch": 0.9}, {"across": 1.0}, {"along": 0.2}, {"angle": 0.1, "size": 0.7}]
)
def test_the_map_is_the_one_that_another_library_samples(drawn: dict[str, float]) -> None:
    """scipy at the places that the draws stand for: turned, scaled and sheared about the middle of the picture."""
    image = pictures()[:1].expand(2, -1, -1, -1)
    value = {name: MOST * (2 * drawn.get(name, 0.5) - 1) for name in ("angle", "size", "stretch", "across", "along")}
    wide, high = 1 + value["size"], (1 + value["size"]) * (1 + value["stretch"])
    matrix = torch.tensor(
        [
            [wide * math.cos(value["angle"]), value["across"] - wide * math.sin(value["angle"])],
            [value["along"] + wide * math.sin(value["angle"]), high * math.cos(value["angle"])],
        ],
        dtype=torch.float64,
    )
    middle = (torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2).expand(SIDE, SIDE)
    columns, rows = (matrix @ torch.stack([middle.flatten(), middle.T.flatten()])) + (SIDE - 1) / 2
    wanted = map_coordinates(image[0, 0].numpy(), [rows.numpy(), columns.numpy()], order=1, mode="nearest").reshape(SIDE, SIDE)
    torch.testing.assert_close(warped(image, 1.0, drawing(**drawn))[0, 0], torch.from_numpy(wanted))


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.25, 2.0])
def test_a_picture_at_another_size_is_the_one_that_another_library_samples(factor: float) -> None:
    """scipy at the middles of the new pixels, in old ones."""
    image, side = pictures()[:1], round(factor * SIDE)
    middles = (torch.arange(side, dtype=torch.float64) + 0.5) * SIDE / side - 0.5
    rows, columns = torch.meshgrid(middles, middles, indexing="ij")
    wanted = map_coordinates(image[0, 0].numpy(), [rows.numpy(), columns.numpy()], order=1, mode="nearest")
    torch.testing.assert_close(sized(image, factor)[0, 0], torch.from_numpy(wanted))


def test_sizes_come_in_turn_one_a_step_and_the_picture_keeps_its_own() -> None:
    seen, clean = list[int](), pictures()

    def value(points: torch.Tensor) -> torch.Tensor:
        seen.append(points.shape[-1])
        return points.mean((1, 2, 3))

    ball = ball_of_pictures(clean, 0.1, "linf")
    found = descend(value, ball, Moves(sizes=(1.0, 0.5, 1.5)), drawing(), alpha=0.04, steps=5)
    assert seen == [SIDE, SIDE // 2, SIDE * 3 // 2, SIDE, SIDE // 2]
    torch.testing.assert_close(found, ball.project(clean - 1))
