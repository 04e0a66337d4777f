"""Tokens: words flipped by the gradient at their vectors."""

from dataclasses import dataclass, replace
from typing import ClassVar

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._context import AttackContext, OpenEncoder
from crossattack.attacks._drafts import Search, Slopes
from crossattack.attacks._edits import Action, Edits, Least, Tried, Width, rules_for
from crossattack.attacks._eyes import open_eyes
from crossattack.attacks._fields import AnObjective
from crossattack.attacks._verdict import verdict
from crossattack.attacks._wording import losses, reworded
from crossattack.attacks._worth import VectorEncoder, vector_slopes
from crossattack.errors import UsageError
from crossattack.objectives import Loss
from crossattack.objectives.triplet import TRIPLET
from surrogates.towers import EmbeddingTower


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Replace words of a text by those that the gradient at their vectors points to; at most `edits`. Pictures stay.

    With v the vector of a word that stands there, w that of another and g the objective's gradient at v, the other is worth
    g (w - v) to first order. One gradient so ranks all replacements of a draft; the `tried` that promise most are scored,
    the `width` best kept, and again. It costs no query; `verify` asks the target about each text before and after.

    The network followed must turn words into vectors: `--set surrogate.text_tower=transformer`, or a target with such a
    tower where it is granted. Words that come in are words of the attacker's own texts, in at least `least` of them, or,
    with a table of `synonyms`, those of the word that they replace.

    Differs from the paper: words rather than characters; the best of the ranking are tried before one is kept; no bound on
    the likeness of meaning unless a table gives one; a surrogate's gradients where the target's are not granted.

    Paper: Ebrahimi, Rao, Lowd, Dou, "HotFlip: White-Box Adversarial Examples for Text Classification", ACL 2018.
    """

    family: ClassVar[Family] = "text"
    needs: ClassVar[Needs] = Needs(gradients=True, embeddings=True, changes=("texts",))
    actions: ClassVar[tuple[Action, ...]] = ("replace",)
    objective: AnObjective = TRIPLET
    edits: Edits = 2
    least: Least = 1
    synonyms: str | None = None
    width: Width = 1
    tried: Tried = 50
    verify: bool = False

    def fit(self, context: AttackContext) -> Perturb:
        """Read the rules; train a surrogate on the budget, less two queries a text with `verify`."""
        rules = rules_for(context.texts, actions=self.actions, least=self.least, synonyms=self.synonyms)
        search = Search(self.edits, self.width, self.tried)
        eyes = open_eyes(context, reserve=2 * context.attacked * self.verify)
        tower = getattr(eyes.encoder, "embeddings", None)
        if not isinstance(tower, EmbeddingTower):
            raise UsageError("a text tower with vectors of words wanted by tokens, one without got; take `text_tower=transformer`.")

        def slopes(encoder: OpenEncoder, loss: Loss) -> Slopes:
            assert isinstance(encoder, VectorEncoder), "it has vectors"
            return vector_slopes(encoder, tower, loss)

        def perturb(items: Items) -> Perturbed:
            if isinstance(items, Pictures):
                return unasked(items)
            found = reworded(context, eyes.encoder, items, losses(self.objective, eyes.look(items)), rules, search, slopes)
            changed = unasked(found)
            return replace(changed, status=verdict(context, items, found)) if self.verify else changed

        return perturb
