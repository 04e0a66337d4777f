"""Defences: what stands before a target's picture network, and changes each picture before it is looked at.

A file of this folder is a frozen dataclass of settings with `draws`, how many uniform numbers a picture takes (0: nothing is
random), and `through(images, drawn)`. Gradients go through it: as through the identity where it rounds.
"""

import hashlib
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Defence(Protocol):
    """A change of pictures that is meant to take an attack's change along."""

    draws: ClassVar[int]

    def through(
        self, images: Float[Tensor, "items 3 height width"], drawn: Float[Tensor, "items draws"]
    ) -> Float[Tensor, "items 3 height width"]:
        """Pictures in [0, 1] -> the pictures that the network is shown, of the same shape and range; drawn: uniform, in [0, 1]."""
        ...


def straight_through(
    images: Float[Tensor, "items 3 height width"], changed: Float[Tensor, "items 3 height width"]
) -> Float[Tensor, "items 3 height width"]:
    """What was made of the pictures, to the bit; the gradient of the pictures themselves, as if nothing had been made of them.

    Paper: Athalye, Carlini, Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML 2018.
    """
    return changed.detach() + (images - images.detach())  # what is added is nought


def uniform(images: Float[Tensor, "items 3 height width"], count: int, *key: object) -> Float[Tensor, "items draws"]:
    """So many numbers in [0, 1] for each picture, drawn by its bytes and the key: equal pictures, equal draws, whatever is beside them."""
    if not count:
        return images.new_zeros(len(images), 0)
    salt = hashlib.blake2b(repr(key).encode()).digest()
    pixels = images.detach().float().cpu().contiguous().numpy()
    drawn = [np.frombuffer(hashlib.blake2b(each.tobytes(), key=salt, digest_size=8 * count).digest(), np.uint64) for each in pixels]
    return torch.from_numpy(np.stack(drawn) / 2**64).to(images)
