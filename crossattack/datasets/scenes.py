"""Scenes: two coloured shapes, one beside or above the other, and a caption that says so."""

from dataclasses import dataclass
from itertools import permutations
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy import ndarray

from crossattack.datasets import Pairs, Split
from crossattack.datasets._splits import split_by_group
from crossattack.errors import ConfigError
from crossattack.progress import Progress
from crossattack.streams import Streams

Field: TypeAlias = Float32[ndarray, "items height width"]

COLOURS = {
    "red": (212, 42, 38), "green": (46, 158, 62), "blue": (40, 84, 206),
    "yellow": (240, 200, 40), "purple": (146, 52, 172), "black": (36, 36, 40),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "cross")
OBJECTS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
CAPTIONS = (("a {a} left of a {b}", "a {b} right of a {a}"), ("a {a} above a {b}", "a {b} below a {a}"))
SCENES = tuple((a, b, relation) for a, b in permutations(range(len(OBJECTS)), 2) for relation in range(len(CAPTIONS)))
SHARES = {"query": 1 / 12, "attacker": 5 / 24, "held_back": 1 / 60, "train": 1 / 2}  # of all pairs: what pictograms come to
FEWEST, MOST = 40, 1_000_000  # pairs
CHUNK = 500  # drawings at a time, so that memory does not grow with their number


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """Coloured shapes with spatial captions drawn from a seed; relevant is what shares a coloured shape.

    Item i is one of several drawings of a scene such as "a red square left of a blue circle": place, size, turn, shade
    and background differ, and so does the side from which the caption tells it. Labels are the scene's two coloured
    shapes, of 24; groups are the scenes, of 1,104. Needs no network and draws some thousands a second.
    """

    pairs: int = 12_000
    pixels: int = 64
    drawings: int = 4  # of one scene, at least
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("pairs", FEWEST, MOST), ("pixels", 16, 512), ("drawings", 1, MOST)):
            if not least <= (got := getattr(self, name)) <= most:
                raise ConfigError(
                    f"`{name}` of scenes: {least} to {most:,} wanted, {got:,} got; the nearest is {min(max(got, least), most):,}."
                )

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split, drawn anew each time: the same settings give the same bytes."""
        rng = Streams(self.seed).numpy("scenes")
        scenes = rng.permutation(len(SCENES))[: max(1, min(len(SCENES), self.pairs // self.drawings))]
        groups = scenes[np.arange(self.pairs) % len(scenes)]
        layout = np.array(SCENES)[groups]  # (items, 3): object a, object b, relation
        images = np.empty((self.pairs, 3, self.pixels, self.pixels), np.uint8)
        with progress.stage("drawing scenes", total=self.pairs) as tick:
            for start in range(0, self.pairs, CHUNK):
                chunk = layout[start : start + CHUNK]
                images[start : start + CHUNK] = draw(chunk, self.pixels, rng)
                tick(len(chunk), "")
        labels = np.zeros((self.pairs, len(OBJECTS)), bool)
        labels[np.arange(self.pairs)[:, None], layout[:, :2]] = True
        texts = tuple(
            CAPTIONS[relation][side].format(a=OBJECTS[a], b=OBJECTS[b])
            for (a, b, relation), side in zip(layout.tolist(), rng.integers(2, size=self.pairs).tolist(), strict=True)
        )
        pairs = Pairs(torch.from_numpy(images), texts, torch.from_numpy(labels), torch.from_numpy(groups.astype(np.int64)), OBJECTS)
        sizes = {role: round(share * self.pairs) for role, share in SHARES.items()}
        return pairs, split_by_group(pairs.groups, **sizes, seed=self.seed)


def draw(layout: Int64[ndarray, "items 3"], pixels: int, rng: np.random.Generator) -> UInt8[ndarray, "items 3 height width"]:
    """Pictures of these scenes. Only sums, products, quotients and roots: the same bytes on every machine."""
    items = len(layout)
    canvas = np.broadcast_to(rng.uniform(215, 255, (items, 3, 1, 1)), (items, 3, pixels, pixels)).astype(np.float32)
    for which, along in ((0, 0.26), (1, 0.74)):
        centre = np.stack([rng.uniform(along - 0.03, along + 0.03, items), rng.uniform(0.3, 0.7, items)], 1)
        upright = layout[:, 2] == 1
        centre[upright] = centre[upright, ::-1]  # above rather than beside
        radius = rng.uniform(0.18, 0.23, items)
        tangent = rng.uniform(-0.12, 0.12, items)  # of half the angle: up to 14 degrees either way
        paint = np.array(list(COLOURS.values()))[layout[:, which] // len(SHAPES)] + rng.uniform(-24, 24, (items, 3))
        for number, shape in enumerate(SHAPES):
            these = np.flatnonzero(layout[:, which] % len(SHAPES) == number)
            x, y = turned(centre[these], radius[these], tangent[these], pixels)
            edges = (radius[these, None, None] * pixels).astype(np.float32)  # pixels in a radius: edges are one pixel soft
            cover = np.clip(inside(shape, x, y) * edges + 0.5, 0, 1)[:, None]
            canvas[these] += (paint[these, :, None, None].astype(np.float32) - canvas[these]) * cover
    rounded: UInt8[ndarray, "items 3 height width"] = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    return rounded


def turned(
    centre: Float64[ndarray, "items 2"], radius: Float64[ndarray, " items"], tangent: Float64[ndarray, " items"], pixels: int
) -> tuple[Field, Field]:
    """Every pixel's place in each shape's own frame, where the shape's radius is 1."""
    grid = (np.arange(pixels) + 0.5) / pixels
    x = (grid[None, None, :] - centre[:, 0, None, None]) / radius[:, None, None]
    y = (grid[None, :, None] - centre[:, 1, None, None]) / radius[:, None, None]
    cosine = ((1 - tangent**2) / (1 + tangent**2))[:, None, None]
    sine = (2 * tangent / (1 + tangent**2))[:, None, None]
    return (cosine * x + sine * y).astype(np.float32), (cosine * y - sine * x).astype(np.float32)


def inside(shape: str, x: Field, y: Field) -> Field:
    """How far inside the shape a place is, in radii; negative outside."""
    across, down = np.abs(x), np.abs(y)  # all four are symmetric from left to right
    depth: Field
    if shape == "circle":
        depth = np.float32(0.95) - np.sqrt(x * x + y * y)
    elif shape == "square":
        depth = np.float32(0.8) - np.maximum(across, down)
    elif shape == "triangle":
        depth = np.float32(0.55) - np.maximum(y, np.float32(0.866) * across - np.float32(0.5) * y)
    else:  # two bars
        depth = np.float32(0.95) - np.maximum(np.maximum(across, down), np.minimum(across, down) + np.float32(0.63))
    return depth
