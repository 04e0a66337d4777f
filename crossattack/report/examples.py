"""Examples of a run: what was asked before and after the attack, and what the target found for it.

Everything comes from the run's evidence; pictures, texts and labels of what was found come from the data set, where it is
at hand. Nothing is asked again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

import torch

from crossattack.attacks import Items, Pictures
from crossattack.datasets import Credit, Pairs
from crossattack.evaluation import DIRECTIONS
from crossattack.evidence import Evidence
from crossattack.rankings import Judged, Ranking
from crossattack.report._chosen import chosen, verdicts
from crossattack.report._edits import Piece, edits, moved, told
from crossattack.report._hits import Found, Shelf, found, labels_of
from crossattack.report._thumbnails import amplified, factor, large
from crossattack.streams import Streams
from surrogates.texts import Bags

BYTES = 4_000_000  # that all examples together may take: a page has 5 MB
MARKUP, MARKUP_OF_HIT = 1_100, 130  # bytes around an example, and around one of what it found
VERDICTS = {True: "succeeded", False: "failed", None: "unknown"}


@dataclass(frozen=True)
class Asked:
    """An attacked item as it was and as it became: pictures as data addresses, or a text with what went and came."""

    text: str | None = None
    pieces: tuple[Piece, ...] = ()
    pictures: tuple[str, str, str] | None = None  # clean, attacked, the change; None where none may be shown


@dataclass(frozen=True)
class Example:
    """One attacked item, how it was judged, and what it found. bits: how many of its code were turned, of how many, where it has one."""

    item: int
    labels: str
    verdict: str
    before: float | None  # average precision
    after: float | None
    floor: float | None
    bits: tuple[int, int] | None
    asked: Asked
    found: Found

    def size(self) -> int:
        """Bytes that it takes in the page, to a tenth or so."""
        hits = [MARKUP_OF_HIT + _bytes(hit.picture, hit.text, hit.labels, hit.labels) for hit in (*self.found.before, *self.found.after)]
        words = [piece for _, piece in self.asked.pieces]
        return MARKUP + sum(hits) + _bytes(*(self.asked.pictures or ()), self.asked.text, *words, *[self.labels] * 6)


@dataclass(frozen=True)
class Examples:
    """Those of one direction, of so many attacked items. times: what a change of pictures is multiplied by to be seen."""

    direction: str
    attacked: int
    times: int
    realisable: bool
    shown: tuple[Example, ...]
    credits: frozenset[Credit]


def examples(evidence: Evidence, pairs: Pairs | None, *, pictures: bool, count: int, seed: int) -> list[Examples]:
    """A draw of each direction whose queries the attack changed and the target answered.

    pairs: the whole data set, None where it is not at hand. pictures: whether any may be shown. count: in each direction; fewer
    where they would make a page too large.
    """
    changed = evidence.config.attack.plugin.needs.changes
    answered = {
        name: ranking for name, ranking in evidence.rankings.items() if DIRECTIONS[name] in changed and "attacked" in ranking.queries
    }
    return [
        _of_direction(evidence, pairs, name, ranking, pictures, chosen_of(ranking, count, seed, name), BYTES // len(answered))
        for name, ranking in answered.items()
    ]


def chosen_of(ranking: Judged, count: int, seed: int, direction: str) -> list[int]:
    """Positions of the queries that are shown."""
    return chosen(dict(enumerate(verdicts(ranking)[0])), count, Streams(seed).numpy("report", direction))


def _of_direction(
    evidence: Evidence, pairs: Pairs | None, direction: str, ranking: Judged, pictures: bool, rows: Sequence[int], size: int
) -> Examples:
    succeeded, scores = verdicts(ranking)
    clean, attacked = (evidence.conditions[name][DIRECTIONS[direction]] for name in ("clean", "attacked"))
    shelf = Shelf(pairs, evidence.split.database, direction == "image_to_text", pictures)
    times, unknown = _times(clean.items, attacked.items, rows), [None] * len(ranking.relevant)
    made = [
        Example(
            row,
            labels_of(pairs, int(evidence.split.query[row])),
            VERDICTS[succeeded[row]],
            scores.get("clean", unknown)[row],
            scores.get("attacked", unknown)[row],
            scores["floor"][row],
            _bits(ranking, row),
            _asked(clean.items, attacked.items, row, times, pictures),
            its,
        )
        for row, its in zip(rows, found(ranking, rows, shelf), strict=True)
    ]
    fits = len(list(takewhile(lambda total: total <= size, accumulate(one.size() for one in made))))
    shown = tuple(sorted(made[:fits], key=lambda one: one.item))
    return Examples(direction, len(ranking.relevant), times, attacked.realisable, shown, _credits(evidence, pairs, shown))


def _bytes(*texts: str | None) -> int:
    return sum(len(text.encode()) for text in texts if text)


def _asked(clean: Items, attacked: Items, row: int, times: int, pictures: bool) -> Asked:
    if isinstance(clean, Pictures) and isinstance(attacked, Pictures):
        if not pictures:
            return Asked()
        before, after = clean.values[row], attacked.values[row]
        return Asked(pictures=(large(before), large(after), large(amplified(before, after, times))))
    assert not isinstance(clean, Pictures), "an attack leaves pictures pictures"
    assert not isinstance(attacked, Pictures), "and texts texts"
    assert not isinstance(clean.values, Bags), "texts as people send them"
    before_text, after_texts = clean.values[row], attacked.values
    pieces = moved(before_text, after_texts[row : row + 1]) if isinstance(after_texts, Bags) else edits(before_text, after_texts[row])
    return Asked(told(before_text), tuple(pieces))


def _times(clean: Items, attacked: Items, rows: Sequence[int]) -> int:
    if not isinstance(clean, Pictures) or not isinstance(attacked, Pictures):
        return 1
    return factor(*(items.values[torch.tensor(rows, dtype=torch.int64)] for items in (clean, attacked)))


def _bits(ranking: Judged, row: int) -> tuple[int, int] | None:
    if not isinstance(ranking, Ranking):
        return None
    return int((ranking.queries["clean"][row] != ranking.queries["attacked"][row]).sum()), ranking.dim


def _credits(evidence: Evidence, pairs: Pairs | None, shown: Sequence[Example]) -> frozenset[Credit]:
    """Who drew the pictures that are shown."""
    if pairs is None or not pairs.credits:
        return frozenset()
    asked = [pairs.credits[int(evidence.split.query[one.item])] for one in shown if one.asked.pictures]
    hits = [hit for one in shown for hit in (*one.found.before, *one.found.after) if hit.picture]
    return frozenset([*asked, *(pairs.credits[int(evidence.split.database[hit.item])] for hit in hits)])
