"""The virtual adversarial direction: where a network's output changes fastest, found without any label."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed
from crossattack.attacks._aims import modality_of
from crossattack.attacks._context import AttackContext
from crossattack.attacks._eyes import open_eyes
from crossattack.attacks._fields import Eps, Norm, Radius, Steps
from crossattack.attacks._ground import ground_of
from surrogates.worst import virtual_direction


@dataclass(frozen=True, kw_only=True)
class Vat:
    """Move along the direction in which the item's code changes fastest, which needs neither labels nor answers.

    The squared distance of relaxed codes |h(x + r) - h(x)|^2 is least at r = 0, so its slope there is zero and says nothing.
    Its curvature does: the slope a little way off, at xi d for a random d of length one, is the curvature times xi d, and
    normalising that and probing again turns d towards the direction of greatest curvature (power iteration):

        d <- slope of |h(x + xi d) - h(x)|^2 at xi d, at length one        `steps` times
        r = eps sign(d), or eps d with `norm: l2`

    h is the target where it is granted, else a surrogate; it probes in evaluation mode, so that an item's neighbours in the
    batch do not matter. xi: length of the probe over all values of the item, small but not so small that rounding drowns it.
    An item of which h has no curvature at all stays as it is.

    Differs from the paper: the squared distance of relaxed codes takes the place of the divergence of class probabilities;
    the signs of d with `norm: linf`; four probes rather than one, and xi 0.1 rather than 1e-6, for single precision. It is an
    attack here, and a regulariser there.

    Paper: Miyato, Maeda, Koyama, Nakae, Ishii, "Distributional Smoothing with Virtual Adversarial Training", ICLR 2016;
    Miyato, Maeda, Koyama, Ishii, "Virtual Adversarial Training", IEEE TPAMI 2018.
    """

    family: ClassVar[Family] = "classic"
    needs: ClassVar[Needs] = Needs(gradients=True)
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    text_eps: Eps = 0.1
    xi: Annotated[float, Field(gt=0)] = 0.1
    steps: Steps = 4

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        encoder = open_eyes(context).encoder

        def perturb(items: Items) -> Perturbed:
            ground = ground_of(items, encoder, context.device, eps=self.eps, norm=self.norm, text_eps=self.text_eps)
            ball, generators = ground.ball, [context.streams.torch("vat", modality_of(items), item) for item in items.ids]
            draws = torch.stack([torch.randn(ball.clean.shape[1:], generator=generator) for generator in generators])
            direction = virtual_direction(ground.relaxed, ball.clean, draws.to(context.device), xi=self.xi, steps=self.steps)
            return ground.land(ball.project(ball.clean + ball.eps * ball.downhill(-direction)))

        return perturb
