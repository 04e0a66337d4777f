"""Lessons made harder: a network that learns from pictures as an attacker would change them, or to answer alike all around.

The pictures of a batch are changed while the network is in evaluation mode, so that looking for the worst leaves no trace in its
running statistics. Random starts come from torch's own stream, which is kept with the course of the training.

Differs from the papers: codes and their distance take the place of a class loss and of a divergence of class probabilities; smoothing
moves every pixel by its whole radius, as attacks within L-infinity do.

Paper: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018; Miyato,
Maeda, Koyama, Ishii, "Virtual Adversarial Training", IEEE TPAMI 2018.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int64
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from crossattack.targets._fitting import Lesson
from surrogates.network import HashingNetwork
from surrogates.worst import farthest_codes, virtual_direction

XI, PROBES = 0.1, 1  # length of the probe and how often it is turned, for the virtual direction


def _number(value: Any) -> Any:
    """ "8/255" -> 0.0314; what is no number is left to be complained about."""
    try:
        return float(Fraction(value.replace(" ", ""))) if isinstance(value, str) and "/" in value else value
    except (ValueError, ZeroDivisionError):
        return value


Radius = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]  # in pixels of [0, 1]


def hardened(network: HashingNetwork, lesson: Lesson, *, adversarial: float, steps: int, smoothing: float, weight: float) -> Lesson:
    """The lesson with these radii, or as it is where both are nought.

    adversarial: it learns from the pictures within this radius whose codes `farthest_codes` finds far from those of the clean
    ones. smoothing: `weight` times the mean square by which a relaxed bit differs at this distance, in every pixel, along
    the direction of greatest change, is added to the loss.
    """
    if not (adversarial or smoothing):
        return lesson

    def outputs(pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch outputs"]:
        shown = pictures
        with _settled(network):
            if adversarial:
                start = 2 * torch.rand_like(pictures) - 1
                shown = farthest_codes(network.encode_images, pictures, start, eps=adversarial, steps=steps)
            if smoothing:
                draws = torch.randn_like(pictures)
                around = virtual_direction(network.encode_images, shown, draws, xi=XI, steps=PROBES).sign()
        made = network.project_images(shown)
        if not smoothing:
            return made
        return torch.cat([made, network.project_images((shown + smoothing * around).clamp(0, 1))], dim=1)

    def objective(made: Float[Tensor, "batch outputs"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        if not smoothing:
            return lesson.objective(made, batch)
        there, moved = made.chunk(2, dim=1)
        return lesson.objective(there, batch) + weight * (torch.tanh(moved) - torch.tanh(there).detach()).square().mean()

    return Lesson(objective, outputs, lesson.along)


@contextmanager
def _settled(network: nn.Module) -> Iterator[None]:
    """In evaluation mode, and back."""
    network.eval()
    try:
        yield
    finally:
        network.train()
