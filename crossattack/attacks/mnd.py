"""MND: the least change that a person would notice."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._balls import to_bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import Eps, Steps
from crossattack.attacks._gradient import drawing
from crossattack.attacks._ground import ground_of
from crossattack.attacks._leaving import leaving_of
from crossattack.attacks._perception import Perception
from crossattack.attacks._unseen import Search, least_seen

BLOCK = 25  # pictures at work together, always: sums over another number of them differ in their last bits


@dataclass(frozen=True, kw_only=True)
class Mnd:
    """The change that is seen least among those that make a picture leave its place: for pictures that keep their owner private.

        min over r   missing(h(x + r)) + w visibility(x, x + r)        |r| <= eps

    by Adam, from no change on. What is missing is how far the output is from being `leave` away from the clean one: a share of the
    bits, or 1 less the cosine, or a Euclidean length, as the network compares; of class scores, by how much another class's has to
    be above the true one's. What is visible is the change's mean square
    (`magnitude`), what it costs of SSIM (`structure`), and the edges that it draws where neither light nor texture hides
    them (`gradient`). Each picture has its own weight w: ten times as much after a search of `steps` steps that got away, a tenth
    after one that did not, between the two once both are known, for `searches` searches. At every step it is the
    picture rounded to bytes that the network is shown and that is judged, so that none is kept that leaves only in theory; of all
    that left, the least visible is kept. Where none did, the one that missed least.

    h is the target where it is granted, else a surrogate; what just leaves its place there may not at the target, so ask for
    more (`leave`). Texts stay as they are. The number of passes is `searches` x `steps`, ten times those of `pgd`.

    Differs from the paper: MND-style, as its exact terms, weights and schedule are not known here: the three parts are those that its
    abstract names, each in the plainest form; just noticeable differences weigh the third; the search for w, and
    bytes throughout.

    Paper: Sun, Jin, Lin, "Minimum Noticeable Difference based Adversarial Privacy Preserving Image Generation", arXiv 2022.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(gradients=True, changes=("images",))
    leave: Annotated[float, Field(gt=0)] = 0.25
    eps: Eps = 8 / 255
    magnitude: Annotated[float, Field(ge=0)] = 1000.0
    structure: Annotated[float, Field(ge=0)] = 10.0
    gradient: Annotated[float, Field(ge=0)] = 0.3
    weight: Annotated[float, Field(gt=0)] = 1.0
    searches: Annotated[int, Field(ge=1)] = 5
    steps: Steps = 50
    lr: Annotated[float, Field(gt=0, le=1)] = 0.5 / 255

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        eyes = open_eyes(context)

        def perturb(items: Items) -> Perturbed:
            if not isinstance(items, Pictures):
                return unasked(items)
            found = []
            with context.progress.stage("least visible changes", len(items.ids)) as tick:
                for start in range(0, len(items.ids), BLOCK):
                    block = Pictures(items.ids[start : start + BLOCK], items.values[start : start + BLOCK])
                    found.append(self._block(context, eyes, block))
                    tick(len(block.ids), "")
            return unasked(Pictures(items.ids, torch.cat(found)))

        return perturb

    def _block(self, context: AttackContext, eyes: Eyes, pictures: Pictures) -> UInt8[Tensor, "items 3 height width"]:
        """These pictures changed, as bytes; filled up to a whole block by the last of them."""
        rows = torch.arange(BLOCK).clamp(max=len(pictures.ids) - 1)
        whole = Pictures(tuple(pictures.ids[row] for row in rows), pictures.values[rows])
        ground = ground_of(whole, eyes.encoder, context.device, eps=self.eps, norm="linf", text_eps=0.0)
        with torch.no_grad():
            own = ground.relaxed(ground.ball.clean)
        visibility = Perception(magnitude=self.magnitude, structure=self.structure, gradient=self.gradient).of(ground.ball.clean)
        leaving = leaving_of(context, whole, own, eyes.similarity, self.leave)
        search = Search(ground.relaxed, leaving, visibility, ground.ball)
        start = torch.zeros_like(ground.ball.clean)
        if leaving.flat_start:
            start = (2 * drawing(context, whole)(tuple(start.shape[1:])) - 1) / 255
        found = least_seen(search, start, weight=self.weight, searches=self.searches, steps=self.steps, lr=self.lr)
        return to_bytes(found, ground.ball)[: len(pictures.ids)]
