"""Where a change goes, on pictures of which it is known."""

import torch

from crossattack.metrics.texture import flat, slopes, textured, textured_over_flat


def halves() -> torch.Tensor:
    """Left half grey, right half a checkerboard of pixels two wide."""
    picture = torch.full((1, 3, 16, 32), 128, dtype=torch.uint8)
    rows, columns = torch.arange(16)[:, None] // 2, torch.arange(16)[None] // 2
    picture[:, :, :, 16:] = torch.where((rows + columns) % 2 == 0, 40, 220).to(torch.uint8)
    return picture


def test_a_ramp_has_the_slope_it_was_given() -> None:
    """Ten grey levels a pixel to the right: 10 / 255, whatever the direction."""
    ramp = (torch.arange(20) * 10).to(torch.uint8).expand(1, 3, 8, 20)
    assert torch.allclose(slopes(ramp)[0, 1:-1, 1:-1], torch.tensor(10 / 255), atol=1e-6)
    assert torch.allclose(slopes(ramp.transpose(2, 3).contiguous())[0, 1:-1, 1:-1], torch.tensor(10 / 255), atol=1e-6)


def test_a_surface_is_flat_and_a_checkerboard_textured() -> None:
    picture = halves()
    assert flat(picture)[0, :, :15].all()
    assert textured(picture)[0, :, 17:31].float().mean() > 0.9
    assert not (flat(picture) & textured(picture)).any()


def test_the_ratio_is_that_of_the_two_means() -> None:
    """Three levels on every textured pixel, one on every other: 3."""
    clean = halves()
    changed = clean + torch.where(textured(clean)[:, None], 3, 1).to(torch.uint8)
    assert torch.allclose(textured_over_flat(clean, changed), torch.tensor([3.0], dtype=torch.float64))
    assert textured_over_flat(clean, clean + 2).item() == 1


def test_a_picture_without_texture_has_no_ratio() -> None:
    surface = torch.full((1, 3, 8, 8), 90, dtype=torch.uint8)
    assert textured_over_flat(surface, surface + 1).isnan().all()
