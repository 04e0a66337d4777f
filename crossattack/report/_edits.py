"""What was changed in a text, word by word, to be shown as deletions and insertions."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from crossattack.attacks._bags import as_bags
from surrogates.texts import Bags, Text

Piece: TypeAlias = tuple[Literal["same", "del", "ins"], str]
MOVED = 8  # words of a bag that are shown, those that moved furthest


def told(text: Text) -> str:
    """A text in one line: what was typed, or its words."""
    return text if isinstance(text, str) else ", ".join(text)


def edits(before: Text, after: Text) -> list[Piece]:
    """What stayed, went and came, in order.

    edits("a red square", "a green square") is [("same", "a"), ("del", "red"), ("ins", "green"), ("same", "square")].
    """
    old, new = _words(before), _words(after)
    joint = " " if isinstance(before, str) and isinstance(after, str) else ", "
    pieces = list[Piece]()
    for _, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        went, came = joint.join(old[first:last]), joint.join(new[start:end])
        if old[first:last] == new[start:end]:
            pieces.append(("same", went))
        else:
            pieces += [("del", went)] if went else []
            pieces += [("ins", came)] if came else []
    return pieces


def moved(before: Text, after: Bags) -> list[Piece]:
    """Of one bag of words: whose weights moved furthest, and by how much."""
    was = as_bags([before], after.words)
    change = (after.weights[0] - was.weights[0][: len(after.words)]).tolist()
    furthest = sorted(range(len(change)), key=lambda word: (-abs(change[word]), after.words[word]))[:MOVED]
    return [("ins" if change[word] > 0 else "del", f"{after.words[word]} {change[word]:+.2f}") for word in furthest if change[word]]


def _words(text: Text) -> Sequence[str]:
    return text.split() if isinstance(text, str) else list(text)
