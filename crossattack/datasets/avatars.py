"""Avatars: drawn people, each with several faces and on several cameras."""

import hashlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from crossattack.cache import cache_folder
from crossattack.datasets import Pairs, Split
from crossattack.datasets._kept import kept_pairs
from crossattack.datasets._marks import both, one_hot
from crossattack.datasets._node import run_script
from crossattack.datasets._people import CAMERAS, CORE, STYLES, Camera, drawn_people, drawn_view
from crossattack.datasets._render import draw_all
from crossattack.datasets._splits import dealt_by_share, split_of_others
from crossattack.errors import ConfigError
from crossattack.progress import Progress
from crossattack.streams import Streams

RECIPE = 1  # raise it whenever the build changes what comes out
SCRIPT = Path(__file__).with_name("_avatars.mjs")
PACKAGES = (CORE, *(style.package for style in STYLES))
FEWEST_PEOPLE, MOST_PEOPLE = 14, 5000
FEWEST_VIEWS, MOST_VIEWS = 2 * len(CAMERAS), 64


@dataclass(frozen=True, kw_only=True)
class Avatars:
    """Drawn people on four cameras, pictures alone: a picture finds the same person on other cameras.

    A stand-in for people cut out of videos, and for faces, that can be had without asking anybody. Hair, skin, clothes and
    the like make the person; expression, glasses and the like, side, tilt, place and size change from view to view; a
    camera has its own grounds, light and distance. View v of a person is on camera v modulo four. Relevant is the same
    person; pictures of a query's person on the query's own camera are taken out of its ranking. One view of each person
    and camera is a query, as in Market-1501. Train, attacker, held back and search are shares of the people.

    Fetched from npm (0.3 MB) and drawn by Node.js and resvg on first use, in well under two minutes.
    """

    has_texts: ClassVar[bool] = False
    people: int = 600
    views: int = 8
    pixels: int = 64
    train: float = 0.4
    attacker: float = 0.2
    held_back: float = 0.02
    seed: int = 0
    split_seed: int = 0

    def __post_init__(self) -> None:
        bounds = {"people": (FEWEST_PEOPLE, MOST_PEOPLE), "views": (FEWEST_VIEWS, MOST_VIEWS), "pixels": (16, 512)}
        for name, (least, most) in bounds.items():
            if not least <= (got := getattr(self, name)) <= most:
                raise ConfigError(
                    f"`{name}` of avatars: {least} to {most:,} wanted, {got:,} got; the nearest is {min(max(got, least), most):,}."
                )
        shares = (self.train, self.attacker, self.held_back)
        if min(shares) < 0 or sum(shares) >= 1:
            raise ConfigError(f"`train`, `attacker`, `held_back` of avatars: shares of the people below 1 in all wanted, {shares} got.")

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split; `MissingDependency` without npm and Node.js, `DataError` without a network on first use."""
        pairs = kept_pairs(cache_folder("data") / f"avatars-{self.recipe_digest()}.h5", self.build, progress)
        people, cameras = pairs.groups.numpy(), np.tile(np.arange(self.views) % len(CAMERAS), self.people)
        shares = {"train": self.train, "attacker": self.attacker, "held_back": self.held_back}
        taken = dealt_by_share(people, shares, self.split_seed)
        first = np.tile(np.arange(self.views) < len(CAMERAS), self.people)
        junk = both(people, cameras, np.isin(people, taken["search"]))
        return replace(pairs, junk=junk), split_of_others(people, taken, first, self.split_seed)

    def build(self, progress: Progress) -> Pairs:
        """Choose, draw and light."""
        streams = Streams(self.seed)
        with progress.stage("fetching and composing avatars", total=2) as tick:
            choices = run_script(SCRIPT, PACKAGES, {"styles": [style.name for style in STYLES], "avatars": []})["choices"]
            tick(1, "")
            people, rng = drawn_people(self.people, choices, streams), streams.numpy("views")
            cameras = [CAMERAS[view % len(CAMERAS)] for view in range(self.views)]
            shots = [(style, camera, drawn_view(style, who, camera, choices, rng)) for style, who in people for camera in cameras]
            given = {"styles": [style.name for style in STYLES], "avatars": [(style.name, options) for style, _, options in shots]}
            svgs = run_script(SCRIPT, PACKAGES, given)["svgs"]
            tick(1, "")
        images = draw_all(svgs, progress, "avatars", self.pixels)
        for image, (_, camera, _) in zip(images, shots, strict=True):
            image[:] = lit(image, camera)
        groups = np.repeat(np.arange(self.people), self.views)
        labels, numbers = one_hot(groups)
        names = tuple(f"person {number}" for number in numbers)
        credits = tuple(style.credit for style, _, _ in shots)
        return Pairs(torch.from_numpy(images), (), labels, torch.from_numpy(groups), names, credits)

    def recipe_digest(self) -> str:
        """Eight hexadecimal digits of all that decides the pictures: settings, styles, cameras, renderer, script and recipe."""
        parts = [RECIPE, version("resvg-py"), SCRIPT.read_text(), self.people, self.views, self.pixels, self.seed]
        parts += [CORE, STYLES, CAMERAS]
        return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:8]


def lit(image: UInt8[ndarray, "3 height width"], camera: Camera) -> UInt8[ndarray, "3 height width"]:
    """The picture in the camera's light: whole numbers only, so the same bytes on every machine."""
    light = np.array(camera.light, np.uint16)[:, None, None]
    return ((image * light + 127) // 255).astype(np.uint8)
