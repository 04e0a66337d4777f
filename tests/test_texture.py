"""Where a change goes, on pictures of which it is known."""

from pathlib import Path

import pytest
import torch

from crossattack.config import load_config, to_yaml
from crossattack.errors import UsageError
from crossattack.metrics.texture import flat, slopes, textured, textured_over_flat
from crossattack.perturbing import kept, untouched
from crossattack.progress import Silent
from crossattack.report.overlay import draw, overlay


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


def test_the_overlay_is_red_where_the_picture_was_changed_and_pale_elsewhere() -> None:
    clean = torch.full((3, 4, 4), 200, dtype=torch.uint8)
    changed = clean.clone()
    changed[:, 1, 2] += 9
    shown = overlay(clean, changed)
    assert shown[1, 2] == pytest.approx([0.84, 0.1, 0.2], abs=1e-6)
    assert shown[0, 0] == pytest.approx([0.55 + 0.45 * 200 / 255] * 3, abs=1e-6)


def test_a_figure_shows_only_what_anybody_may_show(tmp_path: Path) -> None:
    """Scenes are ours and carry no credits: nothing is taken, and nothing is written."""
    folder = tmp_path / "run"
    folder.mkdir()
    config = load_config(None, ["data={name: scenes, pairs: 60, pixels: 16}", "attacked=2", "target.image_tower=convnet"])
    (folder / "config.yaml").write_text(to_yaml(config))
    pairs, split = config.data.plugin.load(Silent())
    clean = untouched(pairs.take(split.query[:2]))
    kept(folder / "items.h5", {"clean": clean, "attacked": clean})
    with pytest.raises(UsageError, match=r"drawings under Apache-2\.0, MIT, CC0-1\.0 wanted, scenes has none"):
        draw(folder, tmp_path / "figure.png", 4)
    assert not (tmp_path / "figure.png").exists()
