"""Understudy: surrogates that learn the target's part bit by bit, are judged in an audition, and go on learning on stage."""

import logging
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, TypeVar

import torch
from pydantic import Field

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Words, unasked
from crossattack.attacks._answers import Answers, CodeAnswers
from crossattack.attacks._audition import Descent, auditioned, changed, different, in_doubt, own_answers
from crossattack.attacks._cast import Bytes, Cast, Push, agreed
from crossattack.attacks._context import LEAST_PAIRS, AttackContext
from crossattack.attacks._drafts import Search
from crossattack.attacks._drill import Drill, Subject
from crossattack.attacks._edits import EVERY, Edits, rules_for
from crossattack.attacks._fields import Eps, Kernel, Norm, Radius, Share, Sizes, Steps
from crossattack.attacks._moves import Moves
from crossattack.attacks._performing import Memory, performed, rehearsed
from crossattack.attacks._questions import Asking, Pattern
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks._wording import LossOf, reworded
from crossattack.codes import harden
from crossattack.encoding import encode_images, encode_texts
from crossattack.errors import UsageError
from crossattack.oracle import Reveals
from surrogates.network import HashingNetwork

log = logging.getLogger("crossattack")
LEAST = 4 * LEAST_PAIRS  # queries to learn from before any is spent on an attacked picture
TRIED = 200  # edits of a text that are scored, after a ranking by their slopes
Part = TypeVar("Part", Descent, Asking)


@dataclass(frozen=True, kw_only=True)
class Understudy:
    """Learn the target's bits, audition on own pictures to learn whom to trust, then perform, asking on the way if told to.

    learn     each bit of the codes of own pictures and texts is learned by its likelihood, by one surrogate a family
    audition  a few own pictures are attacked through all of them together, and the target is asked how that went. Each is
              trusted by how well it foresaw which bits turned, so the target's family need not be known; whether pictures are
              resized or warped at random on the way is settled by what turned most bits
    perform   every bit is pushed over: with momentum, lower the mean of b z over bits and surrogates, b the bit that they
              agree on and z unbounded, |x' - x| <= eps
    ask       with `queries`, that many a picture: the points on the way from the best one so far are asked about, `asked` a
              round, all pictures together; the surrogates learn from all answers, and of each picture the one is kept whose
              code is farthest from its clean one

    The rest are options; docs/closing-the-gap.md tells what those were worth that have been measured.

    families     picture towers, each `TOWER` or `TOWER:WEIGHTS`; none: the one of `surrogate`
    copies       surrogates of each family that the audition left, each from another seed
    texts        share of the learning budget that goes to own texts, as far as they differ; the rest goes to pictures
    audition     queries, at most a tenth of that budget
    spread       own pictures are asked about that are least like each other
    doubt        this share of the own pictures is asked about last: those of whose bits a first surrogate is least sure
    rehearsed    share of that budget that goes to changed own pictures, which are learned before the attacked ones are changed
    lesson, strong, mixing, robust, averaging, unasked     how surrogates learn, see `_drill`
    push, nearness                                         what is lowered, see `Cast.keeping`
    consensus    instead of its own code, a picture is pushed off what so many own pictures with the nearest codes have in common
    diversity, affine, sizes, kernel, scales, neighbours   parts of the descent, see `_moves`; straight on, a picture has its own size
    late         a picture that is not asked about ends at the mean of so many last points
    starts       it goes so many ways, all but the first from a random point; the surrogates vote
    epochs       over what a round taught
    change       by how much more a bit counts there that has turned
    smooth, pattern    share of the points asked about that go on along a pattern, and which
    swaps        share of `queries` that are asked last, about squares of several changes put into the best so far, see `_swapping`
    enough       share of its bits: a picture that has turned so many is asked about no more, and others have its queries

    A text is edited as by `tags`, away from the code that the surrogates give it. Where the target shows lists and no codes,
    triplets of whole pairs are learned, all surrogates are trusted alike, there is nothing to ask on the way, and what is said above of
    codes, of texts' share and of who is asked about does nothing.

    Differs from the paper: there, a learner drives a car and an expert says at each place it comes to what it would have done;
    here, surrogates drive pictures and the target says where it finds them. Momentum, resizing and edits are other attacks'
    parts; the audition and the trust are ours.

    Paper: Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning",
    AISTATS 2011.
    """

    family: ClassVar[Family] = "surrogate"
    needs: ClassVar[Needs] = Needs(surrogate=True, pairs=True, reveals=("codes", "ranking"))
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    edits: Edits = 2
    families: tuple[str, ...] = ()
    copies: Annotated[int, Field(ge=1, le=20)] = 1
    texts: Share = 0.25
    audition: Annotated[int, Field(ge=0)] = 100
    spread: bool = False
    doubt: Share = 0.0
    rehearsed: Share = 0.0
    lesson: Subject = "bits"
    strong: bool = False
    mixing: Share = 0.0
    robust: Eps = 0.0
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    unasked: Annotated[float, Field(ge=0)] = 0.0
    push: Push = "bits"
    nearness: Annotated[float, Field(ge=0)] = 0.0
    consensus: Annotated[int, Field(ge=0)] = 0
    diversity: Share = 0.7
    affine: Share = 0.0
    sizes: Sizes = (1.0,)
    kernel: Kernel = 1
    scales: Annotated[int, Field(ge=1, le=10)] = 1
    neighbours: Annotated[int, Field(ge=0, le=100)] = 0
    late: Annotated[int, Field(ge=1)] = 1
    starts: Annotated[int, Field(ge=1, le=100)] = 1
    queries: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    asked: Annotated[int, Field(ge=1, le=1000)] = 10
    epochs: Annotated[int, Field(ge=1)] = 1
    change: Annotated[float, Field(ge=0)] = 0.0
    smooth: Share = 0.0
    pattern: Pattern = "smooth"
    enough: Annotated[float, Field(gt=0, le=1)] = 1.0
    swaps: Share = 0.0

    @property
    def ways(self) -> tuple[Moves, ...]:
        """By which pictures may go: straight, resized at random, and, with `affine`, warped at random. Without an audition, the last."""
        straight = Moves(decay=1.0, kernel=self.kernel, scales=self.scales, neighbours=self.neighbours)
        resized = replace(straight, diversity=self.diversity, sizes=self.sizes)
        warped = [replace(straight, affine=self.affine, sizes=self.sizes)] if self.affine else []
        return tuple(dict.fromkeys([straight, resized, *warped]))

    @property
    def descent(self) -> Descent:
        """How pictures move."""
        return self._part(Descent)

    @property
    def asking(self) -> Asking:
        """What is asked on the way."""
        return self._part(Asking)

    def fit(self, context: AttackContext) -> Perturb:
        """Query, learn and audition within the budget less what the attacked pictures may cost; perform on those at once."""
        pairs = context.pairs
        assert pairs is not None, "asked for by `needs`"
        most = self._most(context)
        cast, memory = self._prepared(context, most)
        shown = performed(context, cast, memory, pairs.images, self.descent, self.asking, most) if memory and most else None
        rules, search = rules_for(context.texts, actions=EVERY, least=1, synonyms=None), Search(self.edits, 1, TRIED)

        def perturb(items: Items) -> Perturbed:
            if isinstance(items, Words):
                return unasked(reworded(context, cast, items, self._leaving(context, cast, items), rules, search))
            if shown is not None and torch.equal(pairs.images[list(items.ids)], items.values):
                images, status = shown
                return Perturbed(Pictures(items.ids, images[list(items.ids)]), tuple(status[item] for item in items.ids))
            own = harden(encode_images(cast, items.values, device=context.device))
            pushed = agreed(own, memory.clean_codes, self.consensus) if memory else own.float()
            return unasked(Pictures(items.ids, changed(context, cast, items, pushed, self.descent)))

        return perturb

    def _part(self, kind: type[Part]) -> Part:
        """Those of the settings that this is made of."""
        return kind(**{each.name: getattr(self, each.name) for each in fields(kind)})

    def _most(self, context: AttackContext) -> int:
        """Queries that go to each attacked picture, so that enough are left to learn from."""
        oracle = context.oracle
        if self.queries and oracle.reveals is Reveals.RANKING:
            raise UsageError("`attack.queries` asks for codes on the way, the target shows lists; leave it out.")
        most = min(self.queries, max(0, oracle.cap - LEAST) // max(1, context.attacked))
        most = most if oracle.per_item is None else min(most, oracle.per_item)
        most = most if most > 1 and self.steps else 0  # the first is for its clean code
        if most < self.queries:
            log.warning("`attack.queries` is %d; the budget, its share of each item and the steps leave %d to each.", self.queries, most)
        return most

    def _prepared(self, context: AttackContext, most: int) -> tuple[Cast, Memory | None]:
        """Surrogates that have learned, been auditioned and rehearsed; and what they know by its codes, if codes came back."""
        room = context.oracle.cap - most * context.attacked
        answers, others, left = self._answers(context, room)
        drill = Drill(self.lesson, self.strong, self.mixing, self.robust, self.averaging, self.unasked, others if self.unasked else None)
        families = self._families(context.recipe)

        def learned(number: int, copy: int) -> HashingNetwork:
            name, recipe = families[number]
            surrogate = context.learned(answers, name=f"{name}-copy-{copy}" if copy else name, lesson=drill, recipe=recipe)
            return surrogate.network.requires_grad_(False)

        networks = tuple(learned(number, 0) for number in range(len(families)))
        cast = Cast(networks, (1.0,) * len(networks), self.ways[-1])
        if isinstance(answers, CodeAnswers):
            cast = auditioned(context, cast, answers, self.descent, left, [name for name, _ in families])
        for trust, network in zip(cast.trust, cast.networks, strict=True):
            cast = cast.joined(trust, [learned(networks.index(network), copy) for copy in range(1, self.copies)])
        if not isinstance(answers, CodeAnswers):
            return cast, None
        memory = Memory(answers.images, answers.image_codes, torch.zeros(answers.image_codes.shape, dtype=torch.bool))
        return rehearsed(context, cast, memory, self.descent, self.asking, round(self.rehearsed * room)), memory

    def _families(self, usual: SurrogateRecipe) -> list[tuple[str, SurrogateRecipe]]:
        """Names and recipes of the first surrogate of each family."""
        parts = [family.partition(":") for family in self.families]
        recipes = [replace(usual, image_tower=tower, weights=weights or "own") for tower, _, weights in parts] or [usual]
        before = [[other.image_tower for other in recipes[:number]].count(recipe.image_tower) for number, recipe in enumerate(recipes)]
        return [
            (f"surrogate-{recipe.image_tower}{f'-{more + 1}' if more else ''}", recipe)
            for more, recipe in zip(before, recipes, strict=True)
        ]

    def _answers(self, context: AttackContext, room: int) -> tuple[Answers, Bytes | None, int]:
        """What is learned from, own pictures that were not asked about, and how many queries are left for the audition."""
        if context.oracle.reveals is Reveals.RANKING:
            return context.answers(), None, 0
        texts, left = min(max(LEAST_PAIRS, round(self.texts * room)), len(different(context.texts))), min(self.audition, room // 10)
        pictures = min(room - texts - left - round(self.rehearsed * room), len(context.images))
        if pictures < LEAST_PAIRS:
            wanted = f"a budget that leaves {LEAST_PAIRS} pictures or more to learn from wanted"
            raise UsageError(f"{wanted}, {room} queries got; raise `oracle.budget`, or lower `attack.texts` or `attack.rehearsed`.")
        doubted = min(round(self.doubt * pictures), pictures - LEAST_PAIRS)
        name, recipe = self._families(context.recipe)[0]
        answers, others = own_answers(context, pictures - doubted, texts, recipe if self.spread else None)
        if doubted:
            first = context.learned(answers, name=f"{name}-in-doubt", lesson=Drill(self.lesson), recipe=recipe).network
            answers, others = in_doubt(context, answers, others, first, doubted)
        return answers, others, left

    def _leaving(self, context: AttackContext, cast: Cast, items: Words) -> LossOf:
        """How much of its own code each text still has, by their word."""
        own = harden(encode_texts(cast, items.values, device=context.device)).float().to(context.device)
        return lambda row: lambda relaxed: (relaxed * own[row]).mean(1)
