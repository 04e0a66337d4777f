"""The search for the edits of a text that lower a value most, over a beam of drafts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from crossattack.attacks._edits import Draft, Edit, Rules
from surrogates.texts import Text

Value: TypeAlias = Callable[[list[Text]], Float[Tensor, " texts"]]  # to be lowered
Slope: TypeAlias = Callable[[Edit], float]  # what an edit of a draft is worth to first order
Slopes: TypeAlias = Callable[[Draft], Slope]


@dataclass(frozen=True)
class Search:
    """How far and how wide to search: edits at most, drafts kept, and edits of each draft that are tried (None: all)."""

    edits: int
    width: int = 1
    tried: int | None = None


def lowest(text: Text, rules: Rules, value: Value, search: Search, slopes: Slopes | None = None) -> Text:
    """The text of least value among all that were scored, the clean one included; at most `search.edits` edits from it.

    Each step scores the drafts that one more edit makes of the `search.width` best of the step before. Where `slopes` are known,
    only the `search.tried` that promise most are scored. Ties go to fewer edits, then to the first in the order of `Rules.edits`.
    """
    beam = [Draft.of(text)]
    best, least = beam[0], float(value([text])[0])
    for _ in range(search.edits):
        drafts = following(beam, rules, search.tried, slopes)
        if not drafts:
            break
        values = value([draft.text() for draft in drafts])
        order = values.argsort(stable=True)[: search.width].tolist()
        beam = [drafts[position] for position in order]
        if float(values[order[0]]) < least:
            best, least = beam[0], float(values[order[0]])
    return best.text()


def following(beam: list[Draft], rules: Rules, tried: int | None = None, slopes: Slopes | None = None) -> list[Draft]:
    """All drafts that one more edit makes of these, each once; of each one's edits only the `tried` steepest, where that is known."""
    found: dict[object, Draft] = {}
    for draft in beam:
        edits = rules.edits(draft)
        if slopes is not None and tried is not None and len(edits) > tried:
            edits = sorted(edits, key=slopes(draft))[:tried]
        for edit in edits:
            after = draft.after(edit)
            found.setdefault(after.key, after)
    return list(found.values())
