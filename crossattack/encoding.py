"""Encoding: many items through a network in batches of one fixed size, so that the same item gets the same bytes.

Libraries choose their kernels by the shape of a batch, and sums taken in another order differ in the last bits, which is
enough to flip a code. The last batch is therefore filled up by repeating its last item.
"""

from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from crossattack.endpoint import Images
from crossattack.errors import UsageError
from crossattack.ledger import Modality
from crossattack.stored import ImageSet
from surrogates.texts import Bags, Texts

BATCH_SIZE = 128


@runtime_checkable
class Encoder(Protocol):
    """A target or a surrogate."""

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        """Pictures in [0, 1] -> relaxed codes or features."""
        ...

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        """Texts -> relaxed codes or features."""
        ...


def encode(
    encoder: Encoder, modality: Modality, items: ImageSet | Texts, batch_size: int = BATCH_SIZE, device: torch.device | str = "cpu"
) -> Float[Tensor, "items dim"]:
    """What the encoder makes of items of either modality."""
    if modality == "images":
        return encode_images(encoder, cast(ImageSet, items), batch_size, device)
    return encode_texts(encoder, cast(Texts, items), batch_size, device)


def encode_images(
    encoder: Encoder, images: ImageSet, batch_size: int = BATCH_SIZE, device: torch.device | str = "cpu"
) -> Float[Tensor, "items dim"]:
    """uint8 pictures -> relaxed codes or features, on the CPU, without gradients."""
    return _in_batches(lambda batch: encoder.encode_images(as_floats(take_images(images, batch).to(device))), len(images), batch_size)


def encode_texts(
    encoder: Encoder, texts: Texts, batch_size: int = BATCH_SIZE, device: torch.device | str = "cpu"
) -> Float[Tensor, "items dim"]:
    """Texts -> relaxed codes or features, on the CPU, without gradients. Words become numbers inside the encoder."""
    if isinstance(texts, Bags):
        texts = Bags(texts.words, texts.weights.to(device))
    return _in_batches(lambda batch: encoder.encode_texts(take_texts(texts, batch)), len(texts), batch_size)


def as_floats(images: Images) -> Float[Tensor, "items 3 height width"]:
    """Pictures as files hold them -> pictures as networks take them: floats in [0, 1], channels last in memory."""
    return (images.float() / 255).contiguous(memory_format=torch.channels_last)


def take_images(images: ImageSet, positions: Int64[Tensor, " taken"]) -> UInt8[Tensor, "taken 3 height width"]:
    """The pictures at these positions, in this order."""
    return images[positions.to(images.device)]


def take_texts(texts: Texts, positions: Int64[Tensor, " taken"]) -> Texts:
    """The texts at these positions, in this order."""
    if isinstance(texts, Bags):
        return Bags(texts.words, texts.weights[positions.to(texts.weights.device)])
    return [texts[position] for position in positions.tolist()]


def _in_batches(forward: Callable[[Tensor], Tensor], items: int, batch_size: int) -> Tensor:
    if not items:
        raise UsageError("at least one item to encode wanted, none got; check how the items were chosen.")
    encoded = torch.empty(0)
    for start in range(0, items, batch_size):
        positions = torch.arange(start, start + batch_size).clamp(max=items - 1)
        with torch.inference_mode():
            batch = forward(positions)[: items - start]
        if not start:  # one tensor for all: small ones, kept in between the large ones of each pass, would hold those' memory too
            encoded = torch.empty(items, *batch.shape[1:], dtype=batch.dtype)
        encoded[start : start + batch_size] = batch  # made outside of inference mode: an ordinary tensor, which may be trained on
    return encoded
