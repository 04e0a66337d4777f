"""Signed gradient descent inside a box: what every gradient attack here shares.

Pictures: the box is the L-infinity ball of `eps` around the clean picture, cut to [0, 1]; the result is rounded to bytes
inside it, so what is judged is what a file can hold. Bags of words: the same on the weights of the encoder's vocabulary.
"""

from collections.abc import Callable
from math import floor
from typing import TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossattack.attacks._context import OpenEncoder
from surrogates.texts import Bags, Texts, words_of

Loss: TypeAlias = Callable[[Float[Tensor, "items bits"]], Float[Tensor, " items"]]  # of relaxed codes; to be lowered


def descend_images(
    encoder: OpenEncoder, images: UInt8[Tensor, "items 3 height width"], loss: Loss, *, eps: float, alpha: float, steps: int, device: str
) -> UInt8[Tensor, "items 3 height width"]:
    """Pictures at most `eps` away, in bytes, whose codes have a lower loss. The start is the clean picture."""
    clean = images.to(device).float().contiguous(memory_format=torch.channels_last)
    reach = floor(eps * 255 + 1e-6)  # whole grey levels
    low, high = (clean - reach).clamp(min=0) / 255, (clean + reach).clamp(max=255) / 255
    found = _descend(encoder.encode_images, clean / 255, low, high, loss, alpha, steps)
    return (found * 255).round().to(torch.uint8).contiguous().cpu()


def descend_bags(encoder: OpenEncoder, texts: Texts, loss: Loss, *, eps: float, alpha: float, steps: int, device: str) -> Bags:
    """Bags of words whose weights moved by at most `eps` within [0, 1]: a change in feature space, not one of words.

    Only words that the encoder knows move; the others keep their weight, for the sake of a reader who knows them.
    """
    clean = as_bags(texts, encoder.vocabulary)
    known = len(encoder.vocabulary)
    start = clean.weights[:, :known].to(device)

    def encode(weights: Float[Tensor, "items words"]) -> Float[Tensor, "items bits"]:
        return encoder.encode_texts(Bags(encoder.vocabulary, weights))

    found = _descend(encode, start, (start - eps).clamp(min=0), (start + eps).clamp(max=1), loss, alpha, steps)
    return Bags(clean.words, torch.cat([found.cpu(), clean.weights[:, known:]], dim=1))


def as_bags(texts: Texts, vocabulary: tuple[str, ...]) -> Bags:
    """0/1 bags over the vocabulary followed by whatever other words these texts have, in alphabetical order."""
    assert not isinstance(texts, Bags), "texts as people send them"
    items = [words_of(text) for text in texts]
    words = vocabulary + tuple(sorted({word for item in items for word in item} - set(vocabulary)))
    position = {word: i for i, word in enumerate(words)}
    weights = torch.zeros(len(items), len(words))
    for row, item in zip(weights, items, strict=True):
        row[[position[word] for word in item]] = 1
    return Bags(words, weights)


def _descend(encode: Callable[[Tensor], Tensor], start: Tensor, low: Tensor, high: Tensor, loss: Loss, alpha: float, steps: int) -> Tensor:
    """`steps` signed steps of `alpha`; an item's gradient does not depend on its neighbours, since losses are summed."""
    found = start
    for _ in range(steps):
        found = found.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(encode(found)).sum(), found)
        found = (found.detach() - alpha * gradient.sign()).clamp(low, high)
    return found.detach()
