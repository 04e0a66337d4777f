"""Networks behind a defence: the target itself, the target as an attack that knows the defence follows it, and a surrogate."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.defences import Defence, uniform
from crossattack.endpoint import Similarity
from crossattack.targets import Target, reads_texts
from surrogates.texts import Texts

ATTACKER = "attacker"  # whose draws are not the target's


@dataclass(frozen=True)
class Defended:
    """A target whose pictures go through a defence first, those of its database too; its texts go as they come.

    passes: 0: it draws as the target does. 1 and more: as one who knows the defence and not its draws: the mean of what it makes
    over so many draws of the attacker's own, one pass where nothing is drawn.
    """

    target: Any
    defence: Defence
    passes: int = 0
    asked: Iterator[int] = field(default_factory=count, compare=False, repr=False)

    def known(self, passes: int) -> "Defended":
        """The same as an attack follows it."""
        return replace(self, passes=passes)

    @property
    def dim(self) -> int:
        found: int = self.target.dim
        return found

    @property
    def similarity(self) -> Similarity:
        found: Similarity = self.target.similarity
        return found

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.target.digest} {self.defence!r}".encode()).hexdigest()[:16]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple(getattr(self.target, "vocabulary", ()))

    @property
    def embeddings(self) -> Any:
        """Its text tower, where gradients can be taken at words."""
        return getattr(self.target, "embeddings", None)

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest of its training says; nothing where there was none."""
        return dict(getattr(self.target, "facts", {}))

    @property
    def reads_texts(self) -> bool:
        return reads_texts(self.target)

    @property
    def opaque(self) -> bool:
        return bool(getattr(self.target, "opaque", False))

    @property
    def redraws(self) -> bool:
        """Whether it answers the same picture in two ways."""
        return bool(getattr(self.defence, "redraws", False))

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        keys: list[tuple[object, ...]] = [(ATTACKER, each) for each in range(self.passes if self.defence.draws else 1)]
        if not self.passes:
            keys = [(self.defence, next(self.asked) if self.redraws else None)]
        made = [self.target.encode_images(self.defence.through(images, uniform(images, self.defence.draws, *key))) for key in keys]
        return made[0] if len(made) == 1 else torch.stack(made).mean(0)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        found: Tensor = self.target.encode_texts(texts)
        return found


def behind(defence: Defence | None, target: Target) -> Target:
    """The target behind this defence, or as it is."""
    return target if defence is None else Defended(target, defence)


@dataclass(frozen=True)
class Front:
    """A defence before a surrogate, which learns and is followed through it; each picture meets one draw of the attacker's own.

    A step further it is another picture and another draw, so a descent of many steps goes by the mean over as many draws.
    """

    defence: Defence

    def __call__(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 height width"]:
        return self.defence.through(images, uniform(images, self.defence.draws, ATTACKER, 0))
