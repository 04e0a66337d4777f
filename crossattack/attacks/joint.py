"""Joint: a picture and its text together, each moved away from what the other was and has become."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, Words, unasked
from crossattack.attacks._context import AttackContext, Attacked
from crossattack.attacks._drafts import Search
from crossattack.attacks._edits import EVERY, Actions, Edits, Least, Rules, Tried, Width, rules_for
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import AnObjective, Norm, Radius, Steps
from crossattack.attacks._gradient import Strides, moved
from crossattack.attacks._moves import Moves
from crossattack.attacks._verdict import verdict
from crossattack.attacks._wording import LossOf, losses, reworded
from crossattack.encoding import encode_images, encode_texts
from crossattack.objectives import Loss, agreement
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Attack pairs whole: edit the text away from its picture, then move the picture away from the text as it was and as it is.

        text       lower  objective(t') + pairing mean h(t') h(p)                       edits as of `tags`
        picture    lower  objective(p') + pairing (mean h(p') h(t) + mean h(p') h(t')) / 2    |p' - p| <= eps

    with h the surrogate's relaxed code (or the target's, where it is granted). More `rounds` go on in turn: the text anew away
    from the clean and the changed picture, and so on. Both halves come from the same surrogate, so from one budget. Either
    half of a pair is found from its number, whichever is asked for: who asks for pictures gets those of the last round.

    Texts are edited, never weighed: all that is found can be sent. `verify` asks the target about each item before and after.

    Differs from the paper: codes and their mean product take the place of embeddings and their divergence; words are
    searched through the surrogate rather than proposed by a language model; the objective of retrieval is lowered
    besides (`pairing` says how much the pair counts); radius, steps and edits are the ones of the other attacks here.

    Paper: Zhang, Yi, Sang, "Towards Adversarial Attack on Vision-Language Pre-training Models", ACM MM 2022.
    """

    family: ClassVar[Family] = "text"
    needs: ClassVar[Needs] = Needs(gradients=True, pairs=True)
    objective: AnObjective = TRIPLET
    pairing: Annotated[float, Field(ge=0)] = 1.0
    rounds: Annotated[int, Field(ge=1, le=100)] = 1
    norm: Norm = "linf"
    eps: Radius = 8 / 255
    alpha: Radius | None = None  # a quarter of eps
    steps: Steps = 20
    edits: Edits = 2
    actions: Actions = EVERY
    least: Least = 1
    synonyms: str | None = None
    width: Width = 1
    tried: Tried = 200
    verify: bool = False

    def fit(self, context: AttackContext) -> Perturb:
        """Read the rules; train a surrogate on the budget, less two queries an item with `verify`."""
        rules = rules_for(context.texts, actions=self.actions, least=self.least, synonyms=self.synonyms)
        pairs = context.pairs
        assert pairs is not None, "asked for by `needs`"
        eyes = open_eyes(context, reserve=4 * context.attacked * self.verify)

        def perturb(items: Items) -> Perturbed:
            pictures, words = _whole(items, pairs)
            found: Items = self._alternate(context, eyes, rules, pictures, words, ends_with_text=isinstance(items, Words))
            changed = unasked(found)
            return replace(changed, status=verdict(context, items, found)) if self.verify else changed

        return perturb

    def _alternate(
        self, context: AttackContext, eyes: Eyes, rules: Rules, pictures: Pictures, words: Words, *, ends_with_text: bool
    ) -> Pictures | Words:
        """Text, picture, text, picture, as many rounds; without the last picture where only the text is wanted."""

        def images(items: Pictures) -> Tensor:
            return encode_images(eyes.encoder, items.values, device=context.device).to(context.device)

        def texts(items: Words) -> Tensor:
            return encode_texts(eyes.encoder, items.values, device=context.device).to(context.device)

        of_text, of_picture = losses(self.objective, eyes.look(words)), self.objective.of(eyes.look(pictures))
        stride = Strides(norm=self.norm, eps=self.eps, alpha=self.alpha, steps=self.steps, text_eps=0.0, text_alpha=0.0)
        moves = Moves(start="uniform" if self.objective.flat_start else "clean")
        search = Search(self.edits, self.width, self.tried)
        clean_text, from_pictures = texts(words), [images(pictures)]
        for turn in range(self.rounds):
            edited = reworded(context, eyes.encoder, words, _apart(of_text, from_pictures, self.pairing), rules, search)
            if ends_with_text and turn == self.rounds - 1:
                return edited
            loss = _all_apart(of_picture, [clean_text, texts(edited)], self.pairing)
            changed = moved(context, eyes.encoder, pictures, loss, stride, moves).items
            assert isinstance(changed, Pictures), "pictures stay pictures"
            from_pictures = [from_pictures[0], images(changed)]
        return changed


def _whole(items: Items, pairs: Attacked) -> tuple[Pictures, Words]:
    """These items and the other halves of their pairs."""
    ids = list(items.ids)
    if isinstance(items, Pictures):
        return items, Words(items.ids, tuple(pairs.texts[i] for i in ids))
    return Pictures(items.ids, pairs.images[ids]), items


def _apart(loss_of: LossOf, partners: list[Float[Tensor, "items bits"]], pairing: float) -> LossOf:
    """The loss of one item for any number of candidates, and how much they still agree with its partners."""

    def of(row: int) -> Loss:
        loss = loss_of(row)
        codes = [partner[row] for partner in partners]
        return lambda relaxed: loss(relaxed) + pairing * sum((relaxed * code).mean(-1) for code in codes) / len(codes)

    return of


def _all_apart(loss: Loss, partners: list[Float[Tensor, "items bits"]], pairing: float) -> Loss:
    """The same of all items of a batch at once."""
    return lambda relaxed: loss(relaxed) + pairing * sum(agreement(relaxed, partner) for partner in partners) / len(partners)
