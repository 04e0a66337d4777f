"""Drawn people: what makes one who they are, what changes from picture to picture, and the cameras that see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossattack.datasets import Credit
from crossattack.datasets._npm import Package
from crossattack.streams import Streams

Options = dict[str, Any]
Choices = Mapping[str, Mapping[str, Sequence[str]]]  # style -> part -> what there is to choose from

CORE = Package("@dicebear/core", "9.4.3", "6ca7dae651c74ad547e548fbe7c41f49aaa377cf4617259277518389bf6b1a3d")
FEWEST_DIFFERENT = 2  # parts in which two people of one style differ, at least
TRIES = 1000


@dataclass(frozen=True)
class Style:
    """One artist's people. fixed, varied: parts, and how often each is there, in percent; `leave` are variants that are not drawn."""

    package: Package
    credit: Credit
    fixed: Mapping[str, int]
    varied: Mapping[str, int]
    leave: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the packages call it: `big-ears`."""
        return self.package.name.removeprefix("@dicebear/")


def _style(name: str, sha256: str, source: str, licence: str, fixed: str, varied: str, leave: str = "") -> Style:
    package = Package(f"@dicebear/{name}", "9.4.3", sha256)
    return Style(package, Credit(source, licence), _parts(fixed), _parts(varied), tuple(leave.split()))


def _parts(told: str) -> dict[str, int]:
    """`"hair glasses:20" -> {"hair": 100, "glasses": 20}`."""
    pairs = (part.partition(":") for part in told.split())
    return {part: int(percent or 100) for part, _, percent in pairs}


STYLES = (
    _style(
        "adventurer",
        "6edeac04f94ef6177c946918dce012e530200dfcc274b4f954239e33ecbe590c",
        "Adventurer (Lisa Wischofsky)",
        "CC-BY-4.0",
        "hair hairColor skinColor features:30",
        "eyes eyebrows mouth glasses:20 earrings:20",
    ),
    _style(
        "big-ears",
        "02fc47ff824b783142e6c85c2ba182ff535a7b40f65bfddfafa2b4f8d86eef50",
        "Face Generator (The Visual Team)",
        "CC-BY-4.0",
        "face ear hair frontHair hairColor skinColor nose sideburn",
        "eyes mouth cheek:30",
    ),
    _style(
        "big-smile",
        "8dbd7b96c9ceaf9dd7c280cdae4f0bb3e43ab2798b7bedbe355fbb3ce30e87bb",
        "Custom Avatar (Ashley Seo)",
        "CC-BY-4.0",
        "hair hairColor skinColor",
        "eyes mouth accessories:20",
        leave="faceMask clownNose",
    ),
    _style(
        "micah",
        "b948931f01e97147ce8cdcfc4dfdad5c029bcb1ad57420dc0b22bc0aeb1d3fa7",
        "Avatar Illustration System (Micah Lanier)",
        "CC-BY-4.0",
        "baseColor hair hairColor nose ears facialHair:25 shirt shirtColor",
        "eyes eyebrows mouth glasses:20 earrings:20",
    ),
    _style(
        "open-peeps",
        "65b664ec00dc69c068051461f2b5bd97c8335af676e36c284e906a3017c23d4f",
        "Open Peeps (Pablo Stanley)",
        "CC0-1.0",
        "head headContrastColor skinColor clothingColor facialHair:25",
        "face accessories:20 mask:0",
        leave="cyclops monster eyepatch",
    ),
    _style(
        "personas",
        "6f5b4765c4d54444ab0330c4a89da53636662de3b04118b827f005a31332d002",
        "Personas (Draftbit)",
        "CC-BY-4.0",
        "body clothingColor hair hairColor skinColor nose facialHair:25",
        "eyes mouth",
        leave="pacifier",
    ),
    _style(
        "toon-head",
        "b9cd3b5def9fb2c37a9acba2e4b9bd00268b6eaff705d596756e8d921a4580c8",
        "ToonHead (Johan Melin)",
        "CC-BY-4.0",
        "clothes clothesColor hair hairColor rearHair:50 skinColor beard:25",
        "eyes eyebrows mouth",
    ),
)


@dataclass(frozen=True)
class Camera:
    """Where a picture is taken: grounds behind the person, the light's colour (red, green, blue, of 255), the person's size."""

    grounds: tuple[str, ...]
    light: tuple[int, int, int]
    scale: int


CAMERAS = (
    Camera(("dfe9f2", "cfdde8", "e9eef2"), (255, 255, 255), 100),  # by day
    Camera(("f3c98b", "e9b872", "f6d8a8"), (255, 222, 186), 88),  # in the evening
    Camera(("3c5a86", "2f4a73", "4b6c9c"), (190, 208, 250), 112),  # under a street lamp
    Camera(("8f9a8c", "a3ab9b", "7d887c"), (196, 204, 190), 96),  # on a grey day
)


def drawn_parts(style: Style, parts: Mapping[str, int], choices: Choices, rng: np.random.Generator) -> Options:
    """One variant of each of these parts; a part that may be absent comes with whether it is there."""
    options: Options = {}
    for part, percent in parts.items():
        variants = [variant for variant in choices[style.name][part] if variant not in style.leave]
        options[part] = [variants[int(rng.integers(len(variants)))]]
        if percent < 100:
            options[f"{part}Probability"] = 100 if rng.integers(100) < percent else 0
    return options


def drawn_people(people: int, choices: Choices, streams: Streams) -> list[tuple[Style, Options]]:
    """Who there is: styles in turn, no two of one style so alike that they differ in fewer than two parts."""
    rng, drawn = streams.numpy("people"), list[tuple[Style, Options]]()
    for person in range(people):
        style = STYLES[person % len(STYLES)]
        others = [looks(options) for other, options in drawn if other is style]
        for _ in range(TRIES):
            options = drawn_parts(style, style.fixed, choices, rng)
            if all(len(looks(options).items() - other.items()) >= FEWEST_DIFFERENT for other in others):
                break
        drawn.append((style, options))
    return drawn


def looks(options: Options) -> dict[str, str]:
    """What is to be seen of the parts: an absent one has no variant."""
    return {
        part: variant[0] if options.get(f"{part}Probability") != 0 else ""
        for part, variant in options.items()
        if not part.endswith("Probability")
    }


def drawn_view(style: Style, person: Options, camera: Camera, choices: Choices, rng: np.random.Generator) -> Options:
    """One picture of a person by a camera: expression and accessories, and how they stand before it."""
    return {
        **person,
        **drawn_parts(style, style.varied, choices, rng),
        "seed": "crossattack",  # of what no option speaks of: alike for all
        "backgroundColor": [camera.grounds[int(rng.integers(len(camera.grounds)))]],
        "scale": camera.scale + int(rng.integers(-5, 6)),
        "rotate": int(rng.integers(-10, 11)) % 360,
        "flip": bool(rng.integers(2)),
        "translateX": int(rng.integers(-6, 7)),
        "translateY": int(rng.integers(-4, 5)),
    }
