"""Generators that learned nothing, in files like those of a run."""

from dataclasses import replace
from pathlib import Path

import torch

from crossattack.attacks._fields import Hiding
from crossattack.attacks._generator_file import Origin, save_generator
from surrogates.generator import PatchGenerator

ORIGIN = Origin(
    attack="uaa_gan", width=4, blocks=1, eps=8 / 255, target="0" * 16, white_box=True, pixels=(64, 64), seed=0, made_of="f" * 16
)


def untrained(path: Path, *, eps: float = ORIGIN.eps, seed: int = 0, perception: Hiding = "none") -> Path:
    """The file of a generator with random weights."""
    torch.manual_seed(seed)
    origin = replace(ORIGIN, eps=eps, perception=perception)
    save_generator(path, PatchGenerator(origin.width, origin.blocks), origin)
    return path
