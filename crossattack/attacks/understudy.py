"""Understudy: surrogates that learn the target's part bit by bit, are judged in an audition, and go on learning on stage."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Words, unasked
from crossattack.attacks._answers import CodeAnswers
from crossattack.attacks._audition import auditioned, bit_by_bit, own_answers, points_of
from crossattack.attacks._cast import Cast
from crossattack.attacks._context import LEAST_PAIRS, AttackContext
from crossattack.attacks._drafts import Search
from crossattack.attacks._edits import EVERY, Edits, rules_for
from crossattack.attacks._fields import Norm, Radius, Share, Steps
from crossattack.attacks._moves import Moves
from crossattack.attacks._performing import Memory, performed
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks._wording import LossOf, reworded
from crossattack.codes import harden
from crossattack.encoding import encode_texts
from crossattack.errors import UsageError
from surrogates.network import HashingNetwork

LEAST = 4 * LEAST_PAIRS  # queries to learn from before any is spent on an attacked picture
TRIED = 200  # edits of a text that are scored, after a ranking by their slopes


@dataclass(frozen=True, kw_only=True)
class Understudy:
    """Learn the target's bits, audition on own pictures to learn whom to trust, then perform, asking on the way if told to.

    learn     each bit of the codes of own pictures and texts is learned by its likelihood, by one surrogate a family
    audition  a few own pictures are attacked through all of them together, and the target is asked how that went. Each is
              trusted by how well it foresaw which bits turned, so the target's family need not be known; whether pictures are
              resized at random on the way is settled by what turned more bits
    perform   every bit is pushed over: with momentum, lower the mean of b z over bits and surrogates, b the bit that they
              agree on and z unbounded, |x' - x| <= eps
    ask       with `queries`, that many a picture: the points on the way from the best one so far are asked about, `asked` a
              round, all pictures together; the surrogates learn from all answers, and of each picture the one is kept whose
              code is farthest from its clean one

    families: picture towers, each `TOWER` or `TOWER:WEIGHTS`; none: the one of `surrogate`. texts: the share of the learning
    budget that goes to own texts. audition: queries, at most a tenth of that budget. A text is edited as by `tags`, away from
    the code that the first surrogate gives it.

    Differs from the paper: there, a learner drives a car and an expert says at each place it comes to what it would have done;
    here, surrogates drive pictures and the target says where it finds them. Momentum, resizing and edits are other attacks'
    parts; the audition and the trust are ours.

    Paper: Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning",
    AISTATS 2011.
    """

    family: ClassVar[Family] = "surrogate"
    needs: ClassVar[Needs] = Needs(surrogate=True, pairs=True, reveals=("codes",))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    diversity: Share = 0.7
    edits: Edits = 2
    families: tuple[str, ...] = ()
    texts: Share = 0.25
    audition: Annotated[int, Field(ge=0)] = 100
    queries: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    asked: Annotated[int, Field(ge=1, le=1000)] = 10
    epochs: Annotated[int, Field(ge=1)] = 1  # over what a round taught

    def fit(self, context: AttackContext) -> Perturb:
        """Query, learn and audition within the budget less what the attacked pictures may cost; perform on those at once."""
        pairs, oracle = context.pairs, context.oracle
        assert pairs is not None, "asked for by `needs`"
        most = min(self.queries, max(0, oracle.cap - LEAST) // max(1, context.attacked))
        most = most if oracle.per_item is None else min(most, oracle.per_item)
        answers, left = self._answers(context, oracle.cap - most * context.attacked)
        surrogates = [
            context.learned(answers, name=name, lesson=bit_by_bit, recipe=recipe) for name, recipe in self._recipes(context.recipe)
        ]
        networks = tuple(surrogate.network.requires_grad_(False) for surrogate in surrogates)
        cast = Cast(networks, (1.0,) * len(networks), Moves(decay=1.0, diversity=self.diversity))
        cast = auditioned(context, cast, answers, self, left)
        memory = Memory(answers.images, answers.image_codes)
        shown = performed(context, cast, memory, pairs.images, self, most) if most > 1 and self.steps else None
        rules, search = rules_for(context.texts, actions=EVERY, least=1, synonyms=None), Search(self.edits, 1, TRIED)

        def perturb(items: Items) -> Perturbed:
            if isinstance(items, Words):
                return unasked(reworded(context, networks[0], items, self._leaving(context, networks[0], items), rules, search))
            if shown is not None and torch.equal(pairs.images[list(items.ids)], items.values):
                rows = list(items.ids)
                return Perturbed(Pictures(items.ids, shown.images[rows]), tuple(shown.status[row] for row in rows))
            own = cast.lean(items.values, context.device).float()
            points = points_of(context, cast, items, items.values, own, self, self.steps)
            return unasked(Pictures(items.ids, points[-1] if points else items.values))

        return perturb

    def _recipes(self, usual: SurrogateRecipe) -> list[tuple[str, SurrogateRecipe]]:
        """Names and recipes of the surrogates."""
        parts = [family.partition(":") for family in self.families]
        recipes = [replace(usual, image_tower=tower, weights=weights or "own") for tower, _, weights in parts] or [usual]
        before = [[other.image_tower for other in recipes[:number]].count(recipe.image_tower) for number, recipe in enumerate(recipes)]
        return [
            (f"surrogate-{recipe.image_tower}{f'-{more + 1}' if more else ''}", recipe)
            for more, recipe in zip(before, recipes, strict=True)
        ]

    def _answers(self, context: AttackContext, room: int) -> tuple[CodeAnswers, int]:
        """Codes of own pictures and texts, and how many queries are left for the audition."""
        texts, left = min(max(LEAST_PAIRS, round(self.texts * room)), len(context.texts)), min(self.audition, room // 10)
        pictures = min(room - texts - left, len(context.images))
        if pictures < LEAST_PAIRS:
            wanted = f"a budget that leaves {LEAST_PAIRS} pictures or more to learn from wanted"
            raise UsageError(f"{wanted}, {room} queries got; raise `oracle.budget`.")
        return own_answers(context, pictures, texts), left

    def _leaving(self, context: AttackContext, network: HashingNetwork, items: Words) -> LossOf:
        """How much of its own code each text still has, by this surrogate."""
        own = harden(encode_texts(network, items.values, device=context.device)).float().to(context.device)
        return lambda row: lambda relaxed: (relaxed * own[row]).mean(1)
