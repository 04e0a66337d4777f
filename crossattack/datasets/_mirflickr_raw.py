"""MIRFlickr-25K as its authors publish it: pictures, a file of tags each, a file of picture numbers for each label."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets._files import Files
from crossattack.errors import DataError

PICTURE, TAGS = re.compile(r"im(\d{1,9})\.jpe?g"), re.compile(r"tags(\d{1,9})\.txt")
FEWEST = 20  # pictures that a tag of the vocabulary has


@dataclass(frozen=True)
class Raw:
    """names of picture files, their tags, and labels by column."""

    names: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    labels: Bool[ndarray, "items labels"]
    label_names: tuple[str, ...]
    vocabulary: tuple[str, ...]


def is_raw(files: Files) -> bool:
    """Whether pictures are called as MIRFlickr's."""
    return any(PICTURE.fullmatch(PurePosixPath(name).name) for name in files.names)


def read_raw(files: Files) -> Raw:
    """Everything, in the order of the pictures' numbers. `DataError` where pictures, tags or labels are missing."""
    pictures, tagged = numbered(files, PICTURE), numbered(files, TAGS, folder="tags")
    label_files = annotations(files)
    if not pictures or not label_files:
        what = "pictures like im1.jpg" if not pictures else "annotations like sky.txt in mirflickr25k_annotations_v080"
        raise DataError(f"{files.root}: {what} wanted, none got; check --root.")
    numbers = sorted(pictures)
    if missing := [number for number in numbers if number not in tagged]:
        raise DataError(f"{files.root}: meta/tags/tags{missing[0]}.txt and {len(missing) - 1:,} more wanted, not there; get them again.")
    own = [tuple(dict.fromkeys(line.strip() for line in text_of(files, tagged[number]).splitlines() if line.strip())) for number in numbers]
    words = common_tags(files, own)
    known, place = set(words), {number: position for position, number in enumerate(numbers)}
    position = {word: column for column, word in enumerate(words)}
    labels = np.zeros((len(numbers), len(label_files)), bool)
    for column, name in enumerate(label_files.values()):
        for line in text_of(files, name).split():
            if not line.isdecimal() or len(line) > 9:
                raise DataError(f"{files.root}: numbers of pictures wanted in {name}, {line:.40} got; get the annotations again.")
            if int(line) in place:
                labels[place[int(line)], column] = True
    tags = tuple(tuple(sorted(known.intersection(held), key=position.__getitem__)) for held in own)
    return Raw(tuple(pictures[number] for number in numbers), tags, labels, tuple(label_files), tuple(words))


def numbered(files: Files, called: re.Pattern[str], folder: str | None = None) -> dict[int, str]:
    """Files by the number in their name; `DataError` where two have one."""
    found = dict[int, str]()
    for name in files.names:
        path = PurePosixPath(name)
        match = called.fullmatch(path.name)
        if match is None or (folder is not None and path.parent.name != folder):
            continue
        if int(match[1]) in found:
            raise DataError(f"{files.root}: one {path.name} wanted, {found[int(match[1])]} and {name} got; point --root at one of them.")
        found[int(match[1])] = name
    return found


def annotations(files: Files) -> dict[str, str]:
    """The 24 labels in alphabetical order, with their files; `sky_r1`, the pictures in which it is prominent, is left out."""
    found = [PurePosixPath(name) for name in files.names if name.endswith(".txt") and "annotations" in PurePosixPath(name).parent.name]
    return {path.stem: str(path) for path in sorted(found) if not path.stem.endswith("_r1") and path.stem.lower() != "readme"}


def common_tags(files: Files, own: list[tuple[str, ...]]) -> list[str]:
    """The vocabulary: doc/common_tags.txt, or the tags of at least 20 pictures, most frequent first."""
    listed = [name for name in files.names if PurePosixPath(name).name == "common_tags.txt"]
    if listed:
        lines = [line.split() for line in text_of(files, listed[0]).splitlines()]
        return list(dict.fromkeys(line[0] for line in lines if line))
    counts = Counter(tag for tags in own for tag in tags)
    return [tag for tag, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if count >= FEWEST]


def text_of(files: Files, name: str) -> str:
    """A text file in UTF-8; `DataError` where it is not."""
    try:
        return files.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{files.root}: {name} in UTF-8 wanted, other bytes got ({error.reason} at {error.start}); convert it.") from None
