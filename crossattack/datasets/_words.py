"""Texts of processed sets: words of bags, and captions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from crossattack.datasets._variable import Variable
from crossattack.errors import DataError
from crossattack.streams import Streams
from surrogates.texts import Text

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
    folder = root if root.is_dir() else root.parent
    for path in sorted(folder.rglob("*.txt")):
        if path.name.lower() in LISTS:
            words = [line.split()[0] for line in read_text(path).splitlines() if line.split()]
            if len(words) == size == len(set(words)):
                return words, f"named by {path.name}"
    return [f"word{number:04d}" for number in range(1, size + 1)], "whose names are not known (put TagList.txt beside them)"


def read_text(path: Path) -> str:
    """A small text file; `DataError` where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: a text file in UTF-8 wanted, another got ({error}); convert it.") from None


def texts_of_captions(variable: Variable, seed: int) -> tuple[tuple[Text, ...], str]:
    """One caption a picture, drawn where there are several; and how many there were."""
    captions, rng = variable.texts(), Streams(seed).numpy("captions")
    several = max((len(held) for held in captions), default=0)
    drawn = rng.random(len(captions))
    texts = tuple(held[int(share * len(held))] if held else "" for held, share in zip(captions, drawn, strict=True))
    return texts, f"captions, {'one a picture' if several < 2 else f'one of up to {several} a picture by `data.caption_seed`'}"
