"""Smallest: another attack at the smallest radius at which it succeeds."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import floor
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Int64, UInt8
from pydantic import AfterValidator, Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import open_eyes
from crossattack.attacks._fields import AnObjective, Eps, Steps
from crossattack.attacks._gradient import moved
from crossattack.attacks._leaving import leaving_of
from crossattack.encoding import encode_images
from crossattack.errors import UnknownName
from crossattack.objectives.own import Own
from crossattack.registry import ATTACKS

OWN = Own()
Bytes = UInt8[Tensor, "items 3 height width"]
Attempt = Callable[[int, Int64[Tensor, " rows"]], tuple[Tensor, Bool[Tensor, " rows"]]]


def _of_gradients(name: str) -> str:
    """The name of a gradient attack; ValueError lists them."""
    choices = [each for each in ATTACKS.names() if ATTACKS.load(each).family == "gradient"]
    if name not in choices:
        raise ValueError(str(UnknownName("gradient attack", name, choices)).rstrip("."))
    return name


@dataclass(frozen=True, kw_only=True)
class Smallest:
    """A gradient attack, each picture at the smallest radius, in whole grey levels, at which it leaves its place.

        --attack smallest --set attack.inner=fgsm
        --attack smallest --set attack.inner=pgd --set attack.objective=away --set attack.steps=40

    The largest radius, `eps`, is tried first; where it succeeds, halving finds the smallest, as if all above it succeeded too.
    A picture has left when its output, rounded to bytes, is `leave` away from the clean one: a share of the bits, or 1 less the
    cosine, or a Euclidean length, as the network followed compares; of class scores, when another class's is so much above
    the true one's. Where `eps` fails, what it did is kept. This is how attacks are compared by how little they show, as each of
    them could always do more. Texts stay as they are.

    steps: of the inner attack; its own default where None, and none for `fgsm`. objective: with `away` this is PIRE's
    loss, with `odfa` that of ODFA; with none, what is missing of having left, which is what `mnd` lowers.

    Differs from the paper: nobody's in particular; the search by halving that minimal attacks are compared with.

    Paper: Carlini, Wagner, "Towards Evaluating the Robustness of Neural Networks", SP 2017, for halving over a bound.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(gradients=True, changes=("images",))
    inner: Annotated[str, AfterValidator(_of_gradients)] = "pgd"
    objective: AnObjective = OWN
    leave: Annotated[float, Field(gt=0)] = 0.25
    eps: Eps = 8 / 255
    steps: Steps | None = None

    def at(self, level: int) -> Any:
        """The inner attack at a radius of so many grey levels."""
        made = ATTACKS.load(self.inner)
        has_steps = "steps" in {each.name for each in fields(made)}
        steps = {"steps": self.steps} if has_steps and self.steps is not None else {}
        return made(eps=level / 255, **steps)

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        eyes = open_eyes(context)

        def perturb(items: Items) -> Perturbed:
            if not isinstance(items, Pictures):
                return unasked(items)
            own = encode_images(eyes.encoder, items.values, device=context.device)

            def attempt(level: int, rows: Int64[Tensor, " rows"]) -> tuple[Tensor, Bool[Tensor, " rows"]]:
                some = Pictures(tuple(items.ids[row] for row in rows.tolist()), items.values[rows])
                attack = self.at(level)
                leaving = leaving_of(context, some, own[rows].to(context.device), eyes.similarity, self.leave)
                loss, flat_start = leaving.missing, leaving.flat_start
                if self.objective is not None:
                    loss, flat_start = self.objective.of(eyes.look(some)), self.objective.flat_start
                moves = attack.moves.from_anywhere() if flat_start else attack.moves
                found = moved(context, eyes.encoder, some, loss, attack, moves).items.values
                assert isinstance(found, Tensor), "pictures stay pictures"
                outputs = encode_images(eyes.encoder, found, device=context.device)
                return found, leaving.gone(outputs.to(context.device)).cpu()

            cap = floor(self.eps * 255 + 1e-6)
            return unasked(Pictures(items.ids, at_least_levels(attempt, items.values, cap))) if cap else unasked(items)

        return perturb


def at_least_levels(attempt: Attempt, clean: Bytes, cap: int) -> Bytes:
    """What `attempt` makes of each picture at the smallest level, from 1 to `cap`, at which it succeeds; at `cap` where it never does.

    Pictures that stand at the same level are attempted together.
    """
    kept, gone = attempt(cap, torch.arange(len(clean)))
    kept = kept.clone()
    fails, succeeds = torch.zeros(len(clean), dtype=torch.int64), torch.full((len(clean),), cap)
    while (open_ := gone & (succeeds - fails > 1)).any():
        middle = (fails + succeeds) // 2
        for level in set(middle[open_].tolist()):
            rows = torch.nonzero(open_ & (middle == level)).flatten()
            found, left = attempt(level, rows)
            kept[rows[left]] = found[left]
            succeeds[rows[left]], fails[rows[~left]] = level, level
    return kept
