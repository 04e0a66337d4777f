"""Objects of a Python program in the place of what a configuration names: a target that is there already, pairs that are loaded;
and what other runs made already.

A configuration knows them as `name: given`, by what tells them from others, so that their run can be read, replayed and reported
from its folder by anybody, and resumed by whoever has them.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.common import Common
from crossattack.datasets import Pairs, Split
from crossattack.datasets._store import digest
from crossattack.encoding import as_floats
from crossattack.errors import UsageError
from crossattack.registry import GIVEN
from crossattack.stored import in_memory
from crossattack.targets import Similarity, Target, reads_texts
from surrogates.texts import Texts

MEMBERS = ("dim", "similarity", "digest", "encode_images", "encode_texts")


@dataclass(frozen=True)
class Given:
    """What is at hand; None is loaded as configured. common: with the runs that this one shares what it makes with."""

    target: Target | None = None
    data: tuple[Pairs, Split] | None = None
    common: Common = field(default_factory=Common)


NOTHING: Final = Given()


@dataclass(frozen=True)
class Wordless:
    """A target that does not say which words its bags know: it takes texts as people send them, and no bags."""

    target: Target
    vocabulary: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        return self.target.dim

    @property
    def similarity(self) -> Similarity:
        return self.target.similarity

    @property
    def digest(self) -> str:
        return self.target.digest

    @property
    def reads_texts(self) -> bool:
        return reads_texts(self.target)

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return self.target.encode_images(images)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        return self.target.encode_texts(texts)


def tried(target: Any, pairs: Pairs, device: str) -> Target:
    """The target, after a look at what it makes of two items; `UsageError` where that is not what a run needs."""
    name = type(target).__name__
    if missing := [member for member in MEMBERS if not hasattr(target, member)]:
        raise UsageError(f"target: {', '.join(MEMBERS)} wanted, {name} has no {', '.join(missing)}; add what is missing.")
    if getattr(target, "training", False):
        raise UsageError(f"target: {name} in evaluation mode wanted, in training mode got; call its `eval()`.")
    first = pairs.take(torch.arange(min(2, len(pairs))))
    outputs = {"encode_images": target.encode_images(as_floats(in_memory(first.images).to(device)).requires_grad_())}
    if reads_texts(target):
        outputs["encode_texts"] = target.encode_texts(first.texts)
    wanted = (len(first), target.dim)
    for member, output in outputs.items():
        if not isinstance(output, Tensor) or tuple(output.shape) != wanted or not output.is_floating_point():
            got = f"{output.dtype} {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise UsageError(f"target.{member}: floats {wanted} wanted of {len(first)} items, {got} got; one row of `dim` an item.")
        if not output.isfinite().all():
            raise UsageError(f"target.{member}: finite outputs wanted, NaN or infinity got; check its weights and its training.")
    if not outputs["encode_images"].requires_grad:
        raise UsageError("target.encode_images: outputs with gradients wanted, for the ceiling, none got; leave out `no_grad`.")
    return target if hasattr(target, "vocabulary") else Wordless(target)


def target_section(target: Target) -> dict[str, Any]:
    """What a configuration says of a target at hand."""
    own = target.target if isinstance(target, Wordless) else target
    what = f"{type(own).__module__}.{type(own).__qualname__}"
    return {"name": GIVEN, "what": what, "digest": target.digest, "reads_texts": reads_texts(target)}


def data_section(pairs: Pairs, split: Split) -> dict[str, Any]:
    """What a configuration says of pairs at hand."""
    return {"name": GIVEN, "digest": digest(pairs), "split": split.digest(), "has_texts": bool(pairs.texts)}
