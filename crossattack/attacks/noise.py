"""Random noise: the control that every claim is held against."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Words, unasked
from crossattack.attacks._bags import as_bags
from crossattack.attacks._balls import ball_of_pictures, to_bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._edits import EVERY, Actions, Edits, Least, Rules, at_random, rules_for
from crossattack.attacks._fields import Eps, Hiding, Norm, Radius
from crossattack.attacks._jnd import hidden
from surrogates.texts import Bags, words_of


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Random signs of the same radius, at no query: each pixel moves by +eps or -eps, each word's weight by +-text_eps.

    With `norm: l2` all pixels move by the same amount, such that the picture as a whole moves by eps. With `perception: mnd` a
    pixel moves as far as it may with an attack that has that.

    edits: the control of attacks that edit texts: exactly so many edits, each drawn from all that the attack may make
    (`actions`, `least`, `synonyms` as it has them), where it makes that many at most.

    Differs from the paper: nothing known; it is a control, not anybody's attack.
    """

    family: ClassVar[Family] = "control"
    needs: ClassVar[Needs] = Needs()
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    text_eps: Eps = 0.1
    perception: Hiding = "none"
    edits: Edits | None = None
    actions: Actions = EVERY
    least: Least = 1
    synonyms: str | None = None

    def fit(self, context: AttackContext) -> Perturb:
        """Nothing to learn. Words are those of the attacker's own pairs."""
        vocabulary = tuple(sorted({word for text in context.texts for word in words_of(text)}))
        rules = Rules(())
        if self.edits:
            rules = rules_for(context.texts, actions=self.actions, least=self.least, synonyms=self.synonyms)

        def perturb(items: Items) -> Perturbed:
            if isinstance(items, Pictures):
                ball = ball_of_pictures(items.values.float() / 255, self.eps, self.norm)
                if self.perception == "mnd":
                    ball = hidden(ball)
                signs = torch.stack([self._signs(context, items.values.shape[1:], "image", i) for i in items.ids])
                found = ball.project(ball.clean + ball.eps * ball.downhill(-signs.float()))
                return unasked(Pictures(items.ids, to_bytes(found, ball)))
            if self.edits is not None:
                assert not isinstance(items.values, Bags), "texts as people send them"
                generators = [context.streams.torch("noise", "edits", item) for item in items.ids]
                texts = [at_random(text, rules, self.edits, own) for text, own in zip(items.values, generators, strict=True)]
                return unasked(Words(items.ids, tuple(texts)))
            clean = as_bags(items.values, vocabulary)
            known = len(vocabulary)
            signs = torch.stack([self._signs(context, torch.Size([known]), "text", i) for i in items.ids])
            moved = (clean.weights[:, :known] + self.text_eps * signs).clamp(0, 1)
            bags = Bags(clean.words, torch.cat([moved, clean.weights[:, known:]], dim=1))
            return unasked(Words(items.ids, bags), realisable=False)

        return perturb

    def _signs(self, context: AttackContext, shape: torch.Size, modality: str, item: int) -> torch.Tensor:
        generator = context.streams.torch("noise", modality, item)
        return torch.randint(0, 2, shape, generator=generator, dtype=torch.int32) * 2 - 1
