"""NUS-WIDE as its authors publish it: a list of pictures, a file of 0 and 1 a concept, tags by photo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets._files import Files
from crossattack.errors import DataError

LIST, TAGS, VOCABULARY = "Imagelist.txt", "All_Tags.txt", "TagList1k.txt"


@dataclass(frozen=True)
class Photos:
    """Paths as the list has them, labels by concept, and tags out of the vocabulary."""

    paths: tuple[PurePosixPath, ...]
    labels: Bool[ndarray, "items labels"]
    concepts: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    vocabulary: tuple[str, ...]


def is_raw(files: Files) -> bool:
    """Whether the list of pictures is there, under the name that the authors give it."""
    return any(PurePosixPath(name).name.lower() == LIST.lower() for name in files.names)


def read_photos(files: Files) -> Photos:
    """Everything, in the order of the list. `DataError` where a file is missing or does not fit."""
    paths = tuple(PurePosixPath(line.strip().replace("\\", "/")) for line in lines(files, LIST) if line.strip())
    if len(set(paths)) != len(paths):
        raise DataError(f"{files.root}: every picture once wanted in {LIST}, {len(paths) - len(set(paths)):,} again got; get it again.")
    truth = {
        PurePosixPath(name).stem.removeprefix("Labels_"): name
        for name in files.names
        if PurePosixPath(name).parent.name == "AllLabels" and PurePosixPath(name).stem.startswith("Labels_")
    }
    if not truth:
        raise DataError(f"{files.root}: Groundtruth/AllLabels/Labels_<concept>.txt wanted, none got; get the ground truth.")
    concepts = tuple(sorted(truth))
    labels = np.zeros((len(paths), len(concepts)), bool)
    for column, concept in enumerate(concepts):
        marks = files.read(truth[concept]).split()
        if len(marks) != len(paths) or not set(marks) <= {b"0", b"1"}:
            raise DataError(f"{files.root}: {len(paths):,} lines of 0 or 1 wanted in {truth[concept]}, {len(marks):,} got; get it again.")
        labels[:, column] = np.array(marks) == b"1"
    vocabulary = tuple(dict.fromkeys(word.strip() for word in lines(files, VOCABULARY) if word.strip()))
    return Photos(paths, labels, concepts, tags_of(files, paths, vocabulary), vocabulary)


def tags_of(files: Files, paths: Sequence[PurePosixPath], vocabulary: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each picture's tags, in the order of the vocabulary. All_Tags.txt has the photo's number first."""
    place = {word: number for number, word in enumerate(vocabulary)}
    by_photo = dict[str, tuple[str, ...]]()
    for line in lines(files, TAGS):
        photo, *words = line.split() or [""]
        by_photo[photo] = tuple(sorted(place.keys() & set(words), key=place.__getitem__))
    return tuple(by_photo.get(path.stem.rpartition("_")[2], ()) for path in paths)


def found_pictures(files: Files, paths: Sequence[PurePosixPath], is_picture: Callable[[str], bool]) -> list[str | None]:
    """The file of each path, wherever its folder `actor` lies; None where it is missing."""
    by_tail = {PurePosixPath(name).parts[-2:]: name for name in files.names if is_picture(name)}
    by_name = {PurePosixPath(name).name: name for name in files.names if is_picture(name)}
    return [by_tail.get(path.parts[-2:]) or by_name.get(path.name) for path in paths]


def lines(files: Files, called: str) -> list[str]:
    """The lines of the one file of this name, in UTF-8."""
    found = [name for name in files.names if PurePosixPath(name).name.lower() == called.lower()]
    if len(found) != 1:
        raise DataError(f"{files.root}: one {called} wanted, {len(found)} got; get NUS-WIDE's lists and tags.")
    try:
        return files.read(found[0]).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{files.root}: {found[0]} in UTF-8 wanted, other bytes got ({error.reason} at {error.start}); convert it."
        ) from None
