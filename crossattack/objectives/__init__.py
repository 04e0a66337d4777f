"""Objectives: what an attack that follows gradients lowers, one file each.

An objective is a frozen dataclass of settings, a value that any gradient attack takes: `mi_fgsm` with `objective: hag`.
`of(view)` fixes what is aimed at for a batch of attacked items and returns the loss, a function of their relaxed codes.
Where the aims come from, labels that were granted or answers that were paid for, is the view's business.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

Loss: TypeAlias = Callable[[Float[Tensor, "items bits"]], Float[Tensor, " items"]]  # of relaxed codes; to be lowered


@dataclass(frozen=True)
class Known:
    """Codes of one modality that the attacker knows, and what each of them is to each attacked item.

    relevant, irrelevant: weights, zero or more, of what the item should find and of what it should not.
    wanted: the same of what a targeted attack wants it to find; drawn: positions of some of those, in random order.
    """

    codes: Float[Tensor, "known bits"]
    relevant: Float[Tensor, "items known"]
    irrelevant: Float[Tensor, "items known"]
    wanted: Float[Tensor, "items known"]
    drawn: Int64[Tensor, "items candidates"]

    def centre(self, weights: Float[Tensor, "items known"]) -> Float[Tensor, "items bits"]:
        """The weighted mean code for each item; zero where nothing weighs."""
        return weights @ self.codes / weights.sum(1, keepdim=True).clamp(min=1e-12)


@dataclass(frozen=True)
class View:
    """What is known about a batch of attacked items.

    own: their clean relaxed codes. other, same: what is known of the other modality, which they search, and of their own.
    chosen: codes of database items of the other modality that an attack is to promote or to demote.

    bits: False where all of these are features instead, each as long as a code, so that mean products are cosines.
    """

    own: Float[Tensor, "items bits"]
    other: Known
    same: Known
    chosen: Float[Tensor, "chosen bits"]
    bits: bool = True

    def to(self, device: str) -> "View":
        """The same on that device."""
        other, same = (Known(*(getattr(known, part.name).to(device) for part in fields(Known))) for known in (self.other, self.same))
        return View(self.own.to(device), other, same, self.chosen.to(device), self.bits)


@runtime_checkable
class Objective(Protocol):
    """What a file of this folder holds; its first field is its own `name`, so that a configuration can say which it is."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    targeted: ClassVar[bool]  # towards somewhere rather than away
    flat_start: ClassVar[bool]  # no slope at the clean item: a descent has to start elsewhere

    def of(self, view: View) -> Loss:
        """The loss of these items."""
        ...


def signs(relaxed: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Relaxed codes -> codes as floats; zero is +1."""
    return (relaxed >= 0).to(relaxed.dtype) * 2 - 1


def agreement(relaxed: Float[Tensor, "items bits"], codes: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
    """Mean product of bits, in [-1, 1]: 1 where they are the same."""
    return (relaxed * codes).mean(-1)
