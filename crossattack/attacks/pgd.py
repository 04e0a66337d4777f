"""Projected gradient descent on the target itself: the ceiling."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from crossattack.attacks import Items, Needs, Perturb, Perturbed, Pictures, Status, Words
from crossattack.attacks._context import AttackContext
from crossattack.attacks._descent import descend_bags, descend_images
from crossattack.attacks._fields import Eps, Steps
from crossattack.attacks._objectives import consensus, mainstay_codes


@dataclass(frozen=True, kw_only=True)
class Pgd:
    """White-box PGD away from the mainstay code of everything relevant: what a black box is measured against.

    It is granted the target's gradients, the labels and the database codes. Signed steps on the whole code at once, from
    the clean item, as every bit's objective has a slope there.

    Differs from the paper: labels and codes give the objective instead of a class loss (see `_objectives.consensus`); no
    random start.

    Paper: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks",
    ICLR 2018.
    """

    needs: ClassVar[Needs] = Needs(white_box=True)
    eps: Eps = 8 / 255
    alpha: Eps = 2 / 255
    steps: Steps = 20
    text_eps: Eps = 0.1
    text_alpha: Eps = 0.02

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn: the target itself is at hand."""
        box = context.white_box
        assert box is not None, "asked for by `needs`, granted by the experiment"

        def perturb(items: Items) -> Perturbed:
            database = box.text_codes if isinstance(items, Pictures) else box.image_codes
            mainstay = mainstay_codes(box.query_labels[list(items.ids)], box.database_labels, database).to(context.device)

            def loss(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, " items"]:
                return consensus(relaxed, mainstay)

            status = (Status.UNVERIFIED,) * len(items.ids)
            if isinstance(items, Pictures):
                found = descend_images(
                    box.encoder, items.values, loss, eps=self.eps, alpha=self.alpha, steps=self.steps, device=context.device
                )
                return Perturbed(Pictures(items.ids, found), status)
            bags = descend_bags(
                box.encoder, items.values, loss, eps=self.text_eps, alpha=self.text_alpha, steps=self.steps, device=context.device
            )
            return Perturbed(Words(items.ids, bags), status, realisable=False)

        return perturb
