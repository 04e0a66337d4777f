"""Moves: the parts that the gradient attacks are made of, each of which can be combined with all others.

    start        the clean item, or anywhere in the ball
    diversity    the slope is that of a picture resized and moved a little, with this probability (DI)
    affine       the slope is that of a picture turned, sheared, stretched, moved and perhaps mirrored, with this probability (EOT)
    sizes        the slope is that of a picture at so many times its size, by one of these factors a step, in turn (RDI)
    scales       the slope is the mean over the picture at 1, 1/2, 1/4, ... of its brightness (SI)
    kernel       the slope of a picture is smoothed by a Gaussian of this many pixels (TI)
    decay        slopes add up from step to step, each divided by its mean size, the sum fading by this factor (MI)
    nesterov     the slope is taken where the sum is about to lead (NI)
    neighbours   the slope is corrected by its mean over so many random points around, less itself, as of the step before (VMI)

What none of them says is plain projected descent. `descend` is the whole loop, `way` the same point by point.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from crossattack.attacks._balls import SMALLEST as LEAST_SLOPE
from crossattack.attacks._balls import Ball
from crossattack.defences.resizing import placed

Value: TypeAlias = Callable[[Tensor], Float[Tensor, " items"]]  # of points; to be lowered
Draw: TypeAlias = Callable[[tuple[int, ...]], Tensor]  # uniform draws from [0, 1] of this shape an item, each item its own
SMALLEST = 0.9  # share of its size that a resized picture has at least
SIGMAS = 3.0  # within the smoothing kernel
MOST = 0.2  # radians of a turn, share of a stretch and of a shear, and shift in half sides, each way


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Which parts a descent has; the defaults are none."""

    start: Literal["clean", "uniform"] = "clean"
    diversity: float = 0.0
    affine: float = 0.0
    sizes: tuple[float, ...] = (1.0,)
    scales: int = 1
    kernel: int = 1
    decay: float = 0.0
    nesterov: bool = False
    neighbours: int = 0
    reach: float = 1.5  # of the neighbours, in radii

    def from_anywhere(self) -> "Moves":
        """The same from a random start: for an objective that has no slope at the clean item."""
        return replace(self, start="uniform")

    def for_bags(self) -> "Moves":
        """The parts that make sense for bags of words, which have neither brightness nor neighbouring pixels."""
        return replace(self, diversity=0.0, affine=0.0, sizes=(1.0,), scales=1, kernel=1)


def descend(value: Value, ball: Ball, moves: Moves, draw: Draw, *, alpha: float, steps: int) -> Tensor:
    """The last of `steps` points, each a move of `alpha` down the slope of `value` and back into the ball.

    An item's way does not depend on its neighbours in the batch: values are summed, and every item draws for itself.
    """
    start = ball.clean if moves.start == "clean" else ball.anywhere(draw(tuple(ball.clean.shape[1:])))
    points = deque(way(value, ball, moves, draw, start, alpha=alpha, steps=steps), maxlen=1)
    return points.pop() if points else start


def way(value: Value, ball: Ball, moves: Moves, draw: Draw, start: Tensor, *, alpha: float, steps: int) -> Iterator[Tensor]:
    """The points of a descent from `start`, one a step; `moves.start` has no say in it."""
    found, added, correction = start, torch.zeros_like(start), torch.zeros_like(start)
    for step in range(steps):
        here = found - alpha * moves.decay * added if moves.nesterov else found
        seen = _at_size(value, moves.sizes[step % len(moves.sizes)])
        slope = _slope(seen, here, moves, draw)
        ahead = slope + correction
        if moves.neighbours:
            correction = _around(seen, found, ball, moves, draw) - slope
        if moves.kernel > 1:
            ahead = smoothed(ahead, moves.kernel)
        if moves.decay:
            added = ahead = moves.decay * added + ahead / _mean_size(ahead)
        found = ball.project(found + alpha * ball.downhill(ahead))
        yield found


def _at_size(value: Value, factor: float) -> Value:
    """The value of pictures at so many times their size, each side to the nearest pixel."""
    return value if factor == 1 else lambda points: value(sized(points, factor))


def _slope(value: Value, point: Tensor, moves: Moves, draw: Draw) -> Tensor:
    """The gradient of the sum of values, as the mean over the variants of the point that `moves` asks for."""
    point = point.detach().requires_grad_()
    slopes = [torch.autograd.grad(value(variant).sum(), point)[0] for variant in _variants(point, moves, draw)]
    return slopes[0] if len(slopes) == 1 else torch.stack(slopes).mean(0)


def _variants(point: Tensor, moves: Moves, draw: Draw) -> Iterator[Tensor]:
    for power in range(moves.scales):
        variant = point / 2**power if power else point
        variant = resized(variant, moves.diversity, draw) if moves.diversity else variant
        yield warped(variant, moves.affine, draw) if moves.affine else variant


def _around(value: Value, point: Tensor, ball: Ball, moves: Moves, draw: Draw) -> Tensor:
    """The mean slope at random points at most `reach` radii from this one, by each value on its own."""
    shape, width = tuple(point.shape[1:]), 2 * moves.reach * ball.eps
    near = (point + width * (draw(shape) - 0.5) for _ in range(moves.neighbours))
    return torch.stack([_slope(value, each, moves, draw) for each in near]).mean(0)


def resized(images: Float[Tensor, "items 3 height width"], probability: float, draw: Draw) -> Float[Tensor, "items 3 height width"]:
    """With that probability, each picture shrunk to nine tenths or more, put somewhere on black."""
    chance, size, up, left = draw((4,)).unbind(1)
    return placed(images, torch.where(chance < probability, SMALLEST + (1 - SMALLEST) * size, 1.0), up, left)


def warped(images: Float[Tensor, "items 3 height width"], probability: float, draw: Draw) -> Float[Tensor, "items 3 height width"]:
    """With that probability, each picture under an affine map of its own near the identity, mirrored half of the time; edges repeated.

    Paper: Athalye, Engstrom, Ilyas, Kwok, "Synthesizing Robust Adversarial Examples", ICML 2018.
    """
    chance, mirror, *drawn = draw((9,)).unbind(1)
    angle, size, stretch, across, along, right, down = (MOST * (2 * each - 1) for each in drawn)
    wide, high = 1 + size, (1 + size) * (1 + stretch)
    columns, rows = (wide * angle.cos(), across - wide * angle.sin(), right), (along + wide * angle.sin(), high * angle.cos(), down)
    maps = torch.stack([torch.stack(columns, 1), torch.stack(rows, 1)], 1)
    maps[:, :, 0] = torch.where(mirror < 0.5, -1.0, 1.0)[:, None] * maps[:, :, 0]
    still = torch.eye(2, 3, dtype=maps.dtype, device=maps.device)
    maps = torch.where((chance < probability)[:, None, None], maps, still)
    places = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, places, padding_mode="border", align_corners=False)


def sized(images: Float[Tensor, "items 3 height width"], factor: float) -> Float[Tensor, "items 3 higher wider"]:
    """Pictures at so many times their size, between whose pixels is drawn in straight lines.

    Differs from the paper: they stay at that size, with nothing around them; sizes come in turn, one a step, smaller ones too, where
    the paper takes the mean over several in each step.

    Paper: Zou, Pan, Qiu, Liu, Rui, Li, "Improving the Transferability of Adversarial Examples with Resized-Diverse-Inputs,
    Diversity-Ensemble and Region Fitting", ECCV 2020.
    """
    return at_size(images, [max(1, round(factor * side)) for side in images.shape[2:]])


def at_size(images: Float[Tensor, "items 3 height width"], size: Sequence[int]) -> Float[Tensor, "items 3 higher wider"]:
    """Pictures so many pixels high and wide."""
    return functional.interpolate(images, size=tuple(size), mode="bilinear", align_corners=False)


def smoothed(slope: Float[Tensor, "items 3 height width"], kernel: int) -> Float[Tensor, "items 3 height width"]:
    """The slope under a Gaussian of `kernel` x `kernel` pixels that ends at three sigmas, channel by channel."""
    weights = torch.exp(-torch.linspace(-SIGMAS, SIGMAS, kernel, dtype=slope.dtype, device=slope.device).square() / 2)
    row = (weights / weights.sum()).expand(3, 1, 1, kernel)
    spread = functional.conv2d(slope, row, padding=(0, kernel // 2), groups=3)
    return functional.conv2d(spread, row.transpose(2, 3), padding=(kernel // 2, 0), groups=3)


def _mean_size(slope: Tensor) -> Tensor:
    return slope.abs().mean(tuple(range(1, slope.ndim)), keepdim=True).clamp(min=LEAST_SLOPE)
