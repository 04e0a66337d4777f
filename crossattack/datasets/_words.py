"""Texts of processed sets: words of bags, and captions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy import ndarray

from crossattack.datasets._variable import Variable
from crossattack.errors import DataError
from crossattack.streams import Streams
from surrogates.texts import Text

Take: TypeAlias = Literal["one", "all"]

LISTS = ("taglist.txt", "common_tags.txt", "taglist1k.txt")  # as MITH, MIRFlickr and NUS-WIDE call their vocabularies


def words_of_rows(bags: ndarray, variable: Variable, root: Path) -> tuple[tuple[Text, ...], str]:
    """The words of each row's bag, in the order of the columns; and where their names are from.

    `DataError` where a value is negative: that is a feature of a text, which nobody can type.
    """
    if bags.size and bags.min() < 0:
        raise DataError(
            f"{variable.where}: bags of words wanted, negative numbers got; features of texts cannot be typed, so get the tags."
        )
    words, whence = vocabulary(root, bags.shape[1])
    named = np.array(words, object)
    return tuple(tuple(named[row > 0].tolist()) for row in bags), f"bags of {len(words):,} words, {whence}"


def vocabulary(root: Path, size: int) -> tuple[Sequence[str], str]:
    """Names of the words from a list beside the arrays, if one has as many; else `word0001`, `word0002`, ..."""
    folder, others = root if root.is_dir() else root.parent, ""
    for path in sorted(folder.rglob("*.txt")):
        if path.name.lower() in LISTS:
            words = [line.split()[0] for line in read_text(path).splitlines() if line.split()]
            if len(words) == size == len(set(words)):
                return words, f"named by {path.name}"
            others += f"; {path.name} names {len(set(words)):,} and is not theirs"
    return [f"word{number:04d}" for number in range(1, size + 1)], f"whose names are not known (put TagList.txt beside them){others}"


def read_text(path: Path) -> str:
    """A small text file; `DataError` where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: a text file in UTF-8 wanted, another got ({error}); convert it.") from None


def texts_of(captions: Sequence[tuple[str, ...]], take: Take, seed: int) -> tuple[str, ...]:
    """A text a picture: one of its captions, drawn once and for all by the seed, or all of them in a row; "" where there is none."""
    if take == "all":
        return tuple(" ".join(held) for held in captions)
    drawn = Streams(seed).numpy("captions").random(len(captions))
    return tuple(held[int(share * len(held))] if held else "" for held, share in zip(captions, drawn, strict=True))


def captions_told(captions: Sequence[tuple[str, ...]], take: Take) -> str:
    """How many captions pictures have, and which of them is the text."""
    counts = [len(held) for held in captions]
    fewest, most = min(counts, default=0), max(counts, default=0)
    if most < 2:
        return "captions, one a picture"
    many = f"{sum(counts):,} captions, {fewest} to {most} a picture" if fewest < most else f"{sum(counts):,} captions, {most} a picture"
    return f"{many}, {'one drawn by `data.caption_seed`' if take == 'one' else 'joined'}"
