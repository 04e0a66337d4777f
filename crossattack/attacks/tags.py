"""Tags: at most so many words of a text added, removed or replaced."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._asking import allowance, asked_edits
from crossattack.attacks._context import AttackContext
from crossattack.attacks._drafts import Search
from crossattack.attacks._edits import EVERY, Actions, Edits, Least, Tried, Width, rules_for
from crossattack.attacks._eyes import open_eyes
from crossattack.attacks._fields import AnObjective
from crossattack.attacks._verdict import verdict
from crossattack.attacks._wording import losses, reworded
from crossattack.errors import UsageError
from crossattack.objectives.triplet import TRIPLET


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Edit the words of a text, as a person would type them: what is found can be sent to any service. Pictures stay.

        k times, for the `width` best drafts so far:   score every draft that is one more edit away, keep the best
        `actions`                                      add (a new word at the end), remove, replace (in its place)

    Words that come in are words of the attacker's own texts, in at least `least` of them, or, with a table of `synonyms`,
    those of the word that they replace. `width: 1` is greedy. A list stays a list; in a string everything but the edited
    words stays as it was.

    `through: surrogate` (or the target itself, where it is granted): drafts are scored by the objective at their relaxed code,
    at no query. Gradients at the bag of words rank each draft's edits first and the `tried` steepest are scored: of some 1,800
    on pictograms, 200 find nearly what all do in a fifth of the time. null scores all, as is done wherever the text network
    reads no bags. `verify` asks the target about each text before and after.
    `through: queries`: drafts are scored by what the target answers, with no surrogate and no objective: bits that differ
    from the clean code, or how far the clean list's items have sunk. Each text has `queries` at most, capped by the oracle's
    allowance an item and by its share of the budget; a step draws its drafts at random, as many as its share pays for; a text
    that left its place is done unless told to `go_on`.

    The control, random edits of the same number under the same rules, and the ceiling, as many edits in sight of the target,
    come by themselves.

    Differs from the paper: no language model, no part-of-speech filter and no sentence similarity; words are removed and
    added too; a beam; the goal is retrieval's; rather than words ranked by their importance once, all edits are at every step.

    Paper: Jin, Jin, Zhou, Szolovits, "Is BERT Really Robust? A Strong Baseline for Natural Language Attack on Text
    Classification and Entailment", AAAI 2020.
    """

    family: ClassVar[Family] = "text"
    needs: ClassVar[Needs] = Needs(gradients=True, changes=("texts",))
    objective: AnObjective = TRIPLET
    edits: Edits = 2
    actions: Actions = EVERY
    least: Least = 1
    synonyms: str | None = None
    width: Width = 1
    tried: Tried = 200
    through: Literal["surrogate", "queries"] = "surrogate"
    queries: Annotated[int, Field(ge=2)] = 100
    go_on: bool = False
    verify: bool = False

    def __post_init__(self) -> None:
        if self.through == "queries" and self.objective != TRIPLET:
            got = f"through: queries and objective: {self.objective.name} got"
            raise UsageError(f"an objective only with a surrogate wanted, {got}; answers are scored by how far they leave the clean one.")

    def fit(self, context: AttackContext) -> Perturb:
        """Read the rules; train a surrogate on the budget, less two queries a text with `verify`, unless queries do without."""
        rules = rules_for(context.texts, actions=self.actions, least=self.least, synonyms=self.synonyms)
        if self.through == "queries":
            most = allowance(context, self.queries)

            def ask(items: Items) -> Perturbed:
                if isinstance(items, Pictures):
                    return unasked(items)
                return asked_edits(context, items, rules, edits=self.edits, width=self.width, most=most, go_on=self.go_on)

            return ask
        search = Search(self.edits, self.width, self.tried)
        eyes = open_eyes(context, reserve=2 * context.attacked * self.verify)

        def perturb(items: Items) -> Perturbed:
            if isinstance(items, Pictures):
                return unasked(items)
            found = reworded(context, eyes.encoder, items, losses(self.objective, eyes.look(items)), rules, search)
            changed = unasked(found)
            return replace(changed, status=verdict(context, items, found)) if self.verify else changed

        return perturb
