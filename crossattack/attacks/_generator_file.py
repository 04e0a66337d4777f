"""A finished generator as a file: a safetensors file that says what it is, and is read without pickle."""

import json
import logging
from dataclasses import asdict, dataclass
from math import floor
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crossattack.attacks._fields import Hiding
from crossattack.attacks._jnd import levels_of
from crossattack.cache import whole_file
from crossattack.encoding import as_floats
from crossattack.errors import DataError
from surrogates.generator import PatchGenerator

FORMAT = "crossattack generator 1"
LEAST = 16  # pixels of a side that the generator takes

log = logging.getLogger("crossattack")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a generator is, and what it was trained on.

    width, blocks: its architecture. eps: the radius of its training. target: the digest of the target; of the one it was
    trained against or, where `white_box` is False, of the one whose answers a surrogate learned from. pixels: height and width
    of the pictures. perception: with `mnd`, each pixel goes as far as the picture hides it. made_of: a digest of everything that its
    weights follow from.
    """

    attack: str
    width: int
    blocks: int
    eps: float
    target: str
    white_box: bool
    pixels: tuple[int, int]
    seed: int
    made_of: str
    perception: Hiding = "none"


@dataclass(frozen=True)
class Forger:
    """A trained generator: one forward pass changes pictures within a radius."""

    network: PatchGenerator
    origin: Origin

    def to(self, device: str) -> "Forger":
        """The same on that device."""
        return Forger(self.network.to(device), self.origin)

    def __call__(self, images: UInt8[Tensor, "items 3 height width"], eps: float | None = None) -> UInt8[Tensor, "items 3 height width"]:
        """The pictures as a file holds them, each value at most `eps` (None: that of the training) from where it was.

        What is made of one does not depend on the others.
        """
        with torch.inference_mode():
            clean = as_floats(images)
            radius = self.origin.eps if eps is None else eps
            return (forged(self.network, clean, radius, self.origin.perception) * 255).round().to(torch.uint8)


def forged(
    network: PatchGenerator, clean: Float[Tensor, "items 3 height width"], eps: float, perception: Hiding = "none"
) -> Float[Tensor, "items 3 height width"]:
    """Changed pictures on whole grey levels, inside the ball; gradients flow as if nothing were clipped or rounded.

    The slope of clipping would be zero for each value that is black or white, which most of a drawing is. Sides that the
    generator does not take are mirrored at the bottom and at the right, and cut back.
    """
    height, width = clean.shape[2:]
    far = levels_of(clean, reach(eps) / 255) if perception == "mnd" else reach(eps)
    moved: Tensor = clean + far / 255 * network(mirrored(clean))[..., :height, :width]
    held = (moved.detach().clamp(0, 1) * 255).round() / 255
    return held + (moved - moved.detach()) if moved.requires_grad else held


def mirrored(images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 rows columns"]:
    """Pictures whose sides are divisible by four and at least `LEAST`: where one is not, it goes on as its mirror image."""
    rows, columns = (_bounced(side, max(LEAST, -(-side // 4) * 4)) for side in images.shape[2:])
    if (len(rows), len(columns)) == images.shape[2:]:
        return images
    return images[:, :, rows][..., columns]


def _bounced(side: int, places: int) -> Int64[Tensor, " places"]:
    """0 1 2 3 2 1 0 1 ...: walking along a side of four pixels and back, the ends once each."""
    walked = torch.arange(places) % max(1, 2 * (side - 1))
    return torch.minimum(walked, 2 * (side - 1) - walked)


def reach(eps: float) -> int:
    """Whole grey levels within a radius in pixels of [0, 1]."""
    return floor(eps * 255 + 1e-6)


def save_generator(path: Path, network: PatchGenerator, origin: Origin) -> None:
    """Write the file, whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with whole_file(path) as file:
        save_file(state, file, {FORMAT: json.dumps(asdict(origin), sort_keys=True)})  # one entry: more have no order


def load_generator(path: Path | str) -> Forger:
    """The generator of a file that `save_generator` wrote; `DataError` where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            said = file.metadata() or {}
            if FORMAT not in said:
                raise ValueError(f"nothing in it says {FORMAT!r}")
            origin = TypeAdapter(Origin).validate_json(said[FORMAT])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        network = PatchGenerator(origin.width, origin.blocks)
        network.load_state_dict(state)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        wanted = f"a generator that `--attack uaa_gan` made wanted, {path} holds none"
        raise DataError(f"{wanted} ({str(error).splitlines()[0]}); name its generator.safetensors.") from error
    return Forger(network.eval().requires_grad_(False), origin)


def kept_at(folder: Path, origin: Origin) -> tuple[Path, Forger | None]:
    """Where a run keeps the generator of this origin, and that generator where it is finished.

    A run has one, in `generator.safetensors`; where that is another's, as the ceiling may have its own, the name says of what.
    """
    path = folder / "generator.safetensors"
    try:
        if path.exists() and (found := load_generator(path)).origin == origin:
            return path, found
        if path.exists():
            path = folder / f"generator-{origin.made_of}.safetensors"
        return path, load_generator(path) if path.exists() else None
    except DataError as error:
        log.warning("%s Training again.", error)
        return path, None
