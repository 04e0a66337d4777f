"""What a data set holds, in a dozen lines."""

from collections import Counter
from dataclasses import fields

import numpy as np

from crossattack.datasets import Pairs, Split
from crossattack.datasets._relevance import relevance
from surrogates.texts import words_of


def summary(pairs: Pairs, split: Split) -> list[tuple[str, str]]:
    """Rows of (what, how much): counts, words where there are texts, roles, the floor, and whom to credit."""
    shape = " x ".join(str(size) for size in pairs.images.shape[1:])
    rows = [
        ("pairs", f"{len(pairs):,}" if pairs.texts else f"{len(pairs):,} pictures without texts"),
        *pairs.told,
        ("pictures", f"uint8, {shape}"),
        ("groups", f"{len(set(pairs.groups.tolist())):,}"),
        ("labels", f"{len(pairs.label_names):,}, {pairs.labels.sum(1).float().mean():.2f} a pair"),
        *(words_in_texts(pairs) if pairs.texts else ()),
    ]
    rows += [(role.name.replace("_", " "), f"{len(getattr(split, role.name)):,}") for role in fields(split)]
    rows.append(("floor (share of relevant pairs, query x database)", f"{floor(pairs, split):.4f}"))
    if (junk := relevance(pairs.take(split.query), pairs.take(split.database))[1]) is not None:
        rows.append(("taken out of a query's ranking, on average", f"{junk.sum(1).mean():,.1f}"))
    credits = Counter(pairs.credits)
    rows += [(f"source: {credit.source}", f"{count:,} under {credit.licence}") for credit, count in credits.most_common()]
    licences = Counter(credit.licence for credit in pairs.credits)
    return rows + [(f"licence: {licence}", f"{count:,}") for licence, count in licences.most_common()]


def words_in_texts(pairs: Pairs) -> list[tuple[str, str]]:
    """Two rows on the words of the texts."""
    words = [words_of(text) for text in pairs.texts]
    counts = sorted(len(text) for text in words)
    return [
        ("vocabulary", f"{len({word for text in words for word in text}):,} words"),
        ("words per text", f"{sum(counts) / len(counts):.1f} ({counts[0]} to {counts[-1]}, median {counts[len(counts) // 2]})"),
    ]


def floor(pairs: Pairs, split: Split) -> float:
    """The share of what is ranked for a query that has a label in common with it: mAP of a random ranking."""
    right, junk = relevance(pairs.take(split.query), pairs.take(split.database))
    ranked = np.ones_like(right) if junk is None else ~junk
    return float(((right & ranked).sum(1) / ranked.sum(1).clip(min=1)).mean())
