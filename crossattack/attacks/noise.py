"""Random noise: the control that every claim is held against."""

from dataclasses import dataclass
from math import floor
from typing import ClassVar

import torch

from crossattack.attacks import Items, Needs, Perturb, Perturbed, Pictures, Status
from crossattack.attacks._context import AttackContext
from crossattack.attacks._descent import as_bags
from crossattack.attacks._fields import Eps
from surrogates.texts import Bags, words_of


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Random signs of the same radius, at no query: each pixel moves by +eps or -eps, each word's weight by +-text_eps.

    Differs from the paper: nothing known; it is a control, not anybody's attack.
    """

    needs: ClassVar[Needs] = Needs()
    eps: Eps = 8 / 255
    text_eps: Eps = 0.1

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn. Words are those of the attacker's own pairs."""
        vocabulary = tuple(sorted({word for text in context.texts for word in words_of(text)}))

        def perturb(items: Items) -> Perturbed:
            status = (Status.UNVERIFIED,) * len(items.ids)
            if isinstance(items, Pictures):
                reach = floor(self.eps * 255 + 1e-6)
                signs = torch.stack([self._signs(context, items.values.shape[1:], "image", i) for i in items.ids])
                return Perturbed(Pictures(items.ids, (items.values.int() + reach * signs).clamp(0, 255).to(torch.uint8)), status)
            clean = as_bags(items.values, vocabulary)
            known = len(vocabulary)
            signs = torch.stack([self._signs(context, torch.Size([known]), "text", i) for i in items.ids])
            moved = (clean.weights[:, :known] + self.text_eps * signs).clamp(0, 1)
            bags = Bags(clean.words, torch.cat([moved, clean.weights[:, known:]], dim=1))
            return Perturbed(type(items)(items.ids, bags), status, realisable=False)

        return perturb

    def _signs(self, context: AttackContext, shape: torch.Size, modality: str, item: int) -> torch.Tensor:
        generator = context.streams.torch("noise", modality, item)
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.int32) * 2 - 1
