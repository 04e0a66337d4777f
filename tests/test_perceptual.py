"""Perceptual distortion: closed forms, and scikit-image."""

import json

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from crossattack.errors import UsageError
from crossattack.metrics import _blocks
from crossattack.metrics.colour import ciede2000
from crossattack.metrics.perceptual import distortion, l0, l2, linf, perceptibility, psnr, rmse
from crossattack.metrics.structure import ms_ssim, ssim


def pictures(items: int = 6, height: int = 24, width: int = 31) -> tuple[Tensor, Tensor]:
    """Smooth, flat and noisy pictures, and the same with noise that grows from one to the next."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (items, 3, height, width))
    clean[1] = 255
    clean[2] = np.linspace(0, 255, width).astype(int)
    noise = rng.integers(-1, 2, clean.shape) * np.arange(1, items + 1)[:, None, None, None] * 4
    return torch.from_numpy(clean).byte(), torch.from_numpy((clean + noise).clip(0, 255)).byte()


def both(clean: int, changed: int) -> tuple[Tensor, Tensor]:
    return torch.full((2, 3, 16, 16), clean, dtype=torch.uint8), torch.full((2, 3, 16, 16), changed, dtype=torch.uint8)


def test_ssim_and_psnr_are_scikit_images() -> None:
    clean, changed = pictures()
    for x, y, similar, noise in zip(clean.numpy(), changed.numpy(), ssim(clean, changed), psnr(clean, changed), strict=True):
        theirs = structural_similarity(
            x / 255, y / 255, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=0
        )
        assert similar.item() == pytest.approx(theirs, abs=1e-9)
        assert noise.item() == pytest.approx(peak_signal_noise_ratio(x, y, data_range=255), abs=1e-9)


def test_a_constant_change_has_closed_forms() -> None:
    clean, changed = both(100, 108)
    assert linf(clean, changed).tolist() == pytest.approx([8 / 255] * 2)
    assert l2(clean, changed).tolist() == pytest.approx([8 / 255 * (3 * 16 * 16) ** 0.5] * 2)
    assert rmse(clean, changed).tolist() == pytest.approx([8 / 255] * 2)
    assert psnr(clean, changed).tolist() == pytest.approx([20 * np.log10(255 / 8)] * 2)
    x, y = 100 / 255, 108 / 255  # no variance: only the luminance speaks
    assert ssim(clean, changed).tolist() == pytest.approx([(2 * x * y + 1e-4) / (x * x + y * y + 1e-4)] * 2)


def test_black_and_white_are_as_far_as_pictures_get() -> None:
    clean, changed = both(0, 255)
    assert linf(clean, changed).tolist() == [1, 1]
    assert psnr(changed, clean).tolist() == [0, 0]


def test_the_conventions_of_perceptibility_differ_when_pictures_do() -> None:
    clean, changed = both(50, 50)
    changed[0] += 30
    assert perceptibility(clean, changed) == pytest.approx(30 / 255 / 2**0.5)
    assert distortion(clean, changed)["perceptibility"] == pytest.approx(30 / 255 / 2**0.5)
    assert distortion(clean, changed)["perceptibility_per_picture"] == pytest.approx(15 / 255)


def test_unchanged_pictures_keep_the_mean_finite_and_are_counted() -> None:
    clean, changed = both(50, 50)
    same = distortion(clean, changed)
    assert (same["psnr"], same["unchanged"], same["ssim"], same["linf_max"]) == (None, 2, 1, 0)
    changed[1] += 1
    one = distortion(clean, changed)
    assert one["psnr"] == pytest.approx(20 * np.log10(255))
    assert (one["unchanged"], one["linf"], one["linf_max"]) == (1, pytest.approx(0.5 / 255), pytest.approx(1 / 255))
    json.dumps(one, allow_nan=False)


def test_no_pictures_are_no_error() -> None:
    none = torch.zeros(0, 3, 16, 16, dtype=torch.uint8)
    assert {key: value for key, value in distortion(none, none).items() if value is not None} == {
        "unchanged": 0,
        "ms_ssim_scales": 1,
    }


def test_blocks_of_any_size_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    clean, changed = pictures()
    measures = (l0, linf, l2, psnr, ssim, ms_ssim, ciede2000)
    whole = [measure(clean, changed) for measure in measures]
    monkeypatch.setattr(_blocks, "BLOCK", 1)
    for measure, expected in zip(measures, whole, strict=True):
        assert torch.allclose(measure(clean, changed), expected, rtol=0, atol=1e-12)


def test_l0_counts_pixels_whatever_their_colours_did() -> None:
    clean, changed = both(50, 50)
    changed[0, 0, 3, 3], changed[0, :, 5, 5], changed[1, 1, 0] = 51, 0, 60
    assert l0(clean, changed).tolist() == [2, 16]


def test_distortion_of_pictures_below_the_window_has_no_similarity_and_says_the_rest() -> None:
    clean, changed = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8), torch.full((2, 3, 8, 8), 108, dtype=torch.uint8)
    found = distortion(clean, changed)
    assert (found["ssim"], found["ms_ssim"], found["ms_ssim_scales"]) == (None, None, 0)
    assert found["ciede2000"] == pytest.approx(float(ciede2000(clean, changed).mean()))


def test_pictures_below_the_window_are_refused() -> None:
    small = torch.zeros(1, 3, 10, 40, dtype=torch.uint8)
    with pytest.raises(UsageError, match="11 pixels wide and the pictures are 10 x 40"):
        ssim(small, small)
