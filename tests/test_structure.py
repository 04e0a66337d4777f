"""Structural similarity on several scales against a plain computation, and the form for losses against the measure."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from test_perceptual import both, pictures

from crossattack.errors import UsageError
from crossattack.metrics import structure
from crossattack.metrics.structure import ms_ssim, scales_of, similarity, ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def plain(x: NDArray[Any], y: NDArray[Any], scales: int) -> float:
    """MS-SSIM of one plane in [0, 1] by SciPy's Gaussian filter, scale by scale."""
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    found = 1.0
    for scale in range(scales):
        blur = lambda plane: gaussian_filter(plane, 1.5, radius=5)[5:-5, 5:-5]  # noqa: E731
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        value = (2 * cov + 9e-4) / (vx + vy + 9e-4)
        if scale == scales - 1:
            value = value * (2 * mx * my + 1e-4) / (mx * mx + my * my + 1e-4)
        found *= max(value.mean(), 0.0) ** weights[scale]
        height, width = (side // 2 * 2 for side in x.shape)
        x, y = (p[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for p in (x, y))
    return found


@pytest.mark.parametrize(("height", "width", "scales"), [(11, 40, 1), (64, 64, 3), (176, 177, 5)])
def test_several_scales_are_a_plain_computation_of_them(height: int, width: int, scales: int) -> None:
    clean, changed = pictures(4, height, width)
    assert scales_of(height, width) == scales
    for x, y, found in zip(clean.numpy() / 255, changed.numpy() / 255, ms_ssim(clean, changed), strict=True):
        assert found.item() == pytest.approx(np.mean([plain(a, b, scales) for a, b in zip(x, y, strict=True)]), abs=1e-10)


def test_one_scale_is_scikit_images_ssim() -> None:
    clean, changed = pictures(3, 20, 21)
    for x, y, found in zip(clean.numpy(), changed.numpy(), ms_ssim(clean, changed), strict=True):
        options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        theirs = np.mean([max(structural_similarity(a / 255, b / 255, **options), 0) for a, b in zip(x, y, strict=True)])
        assert found.item() == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("pixels", "scales"), [(10, 0), (11, 1), (21, 1), (22, 2), (43, 2), (44, 3), (64, 3), (88, 4), (175, 4), (176, 5)])
def test_the_window_says_how_many_scales_fit(pixels: int, scales: int) -> None:
    assert scales_of(pixels, 500) == scales_of(500, pixels) == scales


def test_where_only_the_luminance_changes_only_its_power_is_left() -> None:
    clean, changed = (picture.repeat(1, 1, 4, 4) for picture in both(100, 140))  # 64 x 64: 3 scales
    x, y = 100 / 255, 140 / 255
    luminance, weight = (2 * x * y + 1e-4) / (x * x + y * y + 1e-4), 0.3001 / (0.0448 + 0.2856 + 0.3001)
    assert ms_ssim(clean, changed).tolist() == pytest.approx([luminance**weight] * 2)


def test_structure_turned_round_counts_as_none_and_never_as_a_number_that_is_no_number() -> None:
    board = (torch.arange(64) % 2 * 255).byte().expand(1, 3, 64, 64).contiguous()
    assert ms_ssim(board, 255 - board).tolist() == [0]
    assert ms_ssim(board, board).tolist() == [pytest.approx(1)]


def test_the_form_for_losses_is_the_measure_and_has_the_slope_of_its_differences() -> None:
    clean, changed = pictures(3, 13, 12)
    x, y = clean.double() / 255, (changed.double() / 255).requires_grad_()
    assert torch.allclose(similarity(x, y), ssim(clean, changed), rtol=0, atol=1e-12)
    assert torch.allclose(similarity(x.float(), y.float()).double(), ssim(clean, changed), rtol=0, atol=1e-4)
    assert torch.autograd.gradcheck(lambda z: similarity(x, z), (y,))


def test_pictures_below_the_window_are_refused_on_any_scale() -> None:
    small = torch.zeros(1, 3, 10, 40, dtype=torch.uint8)
    with pytest.raises(UsageError, match="11 pixels wide and the pictures are 10 x 40"):
        ms_ssim(small, small)


@pytest.mark.parametrize(("items", "height", "width"), [(1, 11, 11), (3, 11, 40), (2, 37, 12), (5, 64, 64), (0, 20, 20)])
def test_compiled_loops_say_the_same(items: int, height: int, width: int) -> None:
    rng = np.random.default_rng(items)
    clean = torch.from_numpy(rng.integers(0, 256, (items, 3, height, width), dtype=np.uint8))
    changed = (clean.int() + torch.from_numpy(rng.integers(-40, 41, clean.shape))).clamp(0, 255).byte()
    for other in (clean, changed, 255 - clean):
        assert structure._compiled(clean, other).numpy() == pytest.approx(structure._plain(clean, other).numpy(), abs=1e-12)


def test_many_pictures_are_compared_by_compiled_loops_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[str] = []
    for name in ("_plain", "_compiled"):
        monkeypatch.setattr(
            structure, name, lambda clean, changed, name=name: went.append(name) or torch.ones(len(clean), dtype=torch.float64)
        )
    many = torch.zeros(1, 1, dtype=torch.uint8).expand(1 << 11, 1 << 11)[None, None]
    ssim(many, many)
    ssim(many[..., 1:], many[..., 1:])
    monkeypatch.setattr(structure, "find_spec", lambda _: None)
    ssim(many, many)
    assert went == ["_compiled", "_plain", "_plain"]
