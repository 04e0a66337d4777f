"""What a data set holds, in a dozen lines."""

from collections import Counter
from dataclasses import fields

import torch

from crossattack.datasets import Pairs, Split
from surrogates.texts import words_of


def summary(pairs: Pairs, split: Split) -> list[tuple[str, str]]:
    """Rows of (what, how much): counts, words, roles, the floor of either direction, and whom to credit."""
    words = [words_of(text) for text in pairs.texts]
    counts = sorted(len(text) for text in words)
    shape = " x ".join(str(size) for size in pairs.images.shape[1:])
    rows = [
        ("pairs", f"{len(pairs):,}"),
        ("pictures", f"uint8, {shape}"),
        ("groups", f"{len(set(pairs.groups.tolist())):,}"),
        ("labels", f"{len(pairs.label_names)}, {pairs.labels.sum(1).float().mean():.2f} a pair"),
        ("vocabulary", f"{len({word for text in words for word in text}):,} words"),
        ("words per text", f"{sum(counts) / len(counts):.1f} ({counts[0]} to {counts[-1]}, median {counts[len(counts) // 2]})"),
    ]
    rows += [(role.name.replace("_", " "), f"{len(getattr(split, role.name)):,}") for role in fields(split)]
    rows.append(("floor (share of relevant pairs, query x database)", f"{floor(pairs, split):.4f}"))
    credits = Counter(pairs.credits)
    rows += [(f"source: {credit.source}", f"{count:,} under {credit.licence}") for credit, count in credits.most_common()]
    licences = Counter(credit.licence for credit in pairs.credits)
    return rows + [(f"licence: {licence}", f"{count:,}") for licence, count in licences.most_common()]


def floor(pairs: Pairs, split: Split) -> float:
    """The share of pairs of a query and a database item that have a label in common: mAP of a random ranking."""
    query, database = pairs.labels[split.query].float(), pairs.labels[split.database].float()
    return float((torch.mm(query, database.T) > 0).double().mean())
