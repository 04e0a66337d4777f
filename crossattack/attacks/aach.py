"""AACH: a black-box attack on cross-modal Hamming retrieval, through a surrogate trained on triplets."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Items, Needs, Perturb, Perturbed, Pictures, Status, Words
from crossattack.attacks._aims import aims
from crossattack.attacks._context import AttackContext
from crossattack.attacks._descent import descend_bags, descend_images
from crossattack.attacks._fields import Eps, Steps
from crossattack.attacks._objectives import triplet
from crossattack.attacks._verdict import verdict


@dataclass(frozen=True, kw_only=True)
class Aach:
    """Push a query away from its positives and towards its negatives on a surrogate that learned from paid answers.

    The budget buys codes of the attacker's own pairs; a surrogate is trained on triplets mined from them. A query's own
    positives and negatives are the `among` nearest and farthest paid-for items of the other modality, by the surrogate's
    code of the query (free) or by the target's (`triplets: oracle`, one query each). With H the surrogate, P and N the
    means of their returned codes and D the relaxed Hamming distance, it lowers

        max(0, margin + D(H(x'), N) - D(H(x'), P)) + quantisation |H(x') - sign H(x')|^2 / K      |x' - x| <= eps

    Where answers are lists rather than codes, triplets are mined from the lists, and P and N are means of the surrogate's
    own codes of items that the lists showed. `verify` asks the target about each picture before and after, so that the
    attacker knows which of them left their place; changed bags of words cannot be sent, so texts are never verified.

    Differs from the paper, whose equations are known to us from prose only: P and N are means of several returned codes
    rather than one item's surrogate code; signed steps of `alpha` in place of an unnamed optimiser; the ball is symmetric
    (the same authors' earlier code moves pixels in one direction only) and pictures are rounded to bytes inside it;
    margin, weights and steps are ours. Texts: an additive change of the bag of words, which nobody could type.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021.
    """

    needs: ClassVar[Needs] = Needs(surrogate=True)
    eps: Eps = 8 / 255
    alpha: Eps = 2 / 255
    steps: Steps = 20
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.02
    margin: Annotated[float, Field(ge=0, le=2)] = 1.0
    quantisation: Annotated[float, Field(ge=0)] = 0.01
    among: Annotated[float, Field(gt=0, le=0.5)] = 0.02
    triplets: Literal["surrogate", "oracle"] = "surrogate"
    verify: bool = False

    def fit(self, context: AttackContext) -> Perturb:
        """Query, mine, train; then a batch costs nothing, or one query an item with `triplets: oracle`, or two with `verify`."""
        asked = self.triplets == "oracle"
        reserve = context.attacked * (2 * asked + self.verify * (1 if asked else 2))
        surrogate = context.surrogate(reserve=reserve)
        network = surrogate.network.requires_grad_(False)

        def perturb(items: Items) -> Perturbed:
            sides = aims(context, surrogate, items, asked=self.triplets == "oracle", among=self.among)
            positives, negatives = (side.to(context.device) for side in sides)

            def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
                settled = (relaxed - torch.where(relaxed >= 0, 1.0, -1.0)).square().mean(-1)
                return triplet(relaxed, positives, negatives, self.margin) + self.quantisation * settled

            status = (Status.UNVERIFIED,) * len(items.ids)
            if isinstance(items, Pictures):
                found = descend_images(network, items.values, loss, eps=self.eps, alpha=self.alpha, steps=self.steps, device=context.device)
                changed = Pictures(items.ids, found)
                return Perturbed(changed, verdict(context, items, changed) if self.verify else status)
            bags = descend_bags(
                network, items.values, loss, eps=self.text_eps, alpha=self.text_alpha, steps=self.steps, device=context.device
            )
            return Perturbed(Words(items.ids, bags), status, realisable=False)

        return perturb
