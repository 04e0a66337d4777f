"""Mutated files of every kind: each is refused in a line, or loads as exactly what other people's readers find in it.

Hypothesis draws which file of a sound set is changed and how. `python fuzzed.py COUNT` runs COUNT changes in a process of its own, with
its memory limited, so that a crash, a hang or a wish for all memory is seen, and prints what became of each kind.
"""

import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import field_files
import naive_readers
import numpy as np
import scipy.io
import torch
from field_files import SIDE, SMALL, cifar10, mat5, own_folder, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_readers import Item, codes_in, item
from picture_folders import reid, revisited
from test_exchange import arrays

from crossattack.datasets import Pairs
from crossattack.errors import CrossattackError
from crossattack.exchange import read_codes, write_codes
from crossattack.progress import Silent
from crossattack.registry import DATASETS

LONGEST = 20.0  # seconds of one load
MEMORY = 24 * 2**30  # of address space, most of which torch only reserves
EARLY = 4096  # bytes of a file in which its headers stand, where readers believe things
SHORT: dict[str, Any] = {**SMALL, "pixels": SIDE}


@dataclass(frozen=True)
class Mutation:
    """One change. at, from_: places, as shares of the file or of its beginning."""

    change: str
    at: float
    from_: float
    early: bool
    span: int
    raw: bytes

    def applied(self, content: bytes) -> bytes:
        """The changed bytes."""
        changed, size = bytearray(content), len(content)
        within = min(size, EARLY) if self.early else size
        at, source = int(self.at * within), int(self.from_ * within)
        match self.change:
            case "cut off":
                return content[:at]
            case "flip bits":
                for turn, byte in enumerate(self.raw[: 1 + self.span % 8]):
                    changed[(at + turn * self.span) % size] ^= 1 << byte % 8
            case "blank":
                changed[at : at + self.span] = bytes(min(self.span, size - at))
            case "insert":
                changed[at:at] = self.raw * (1 + self.span // 8)
            case "delete":
                del changed[at : at + self.span]
            case "copy":
                changed[at : at + self.span] = changed[source : source + self.span]
            case "blow up":
                changed[at : at + 4] = b"\xff\xff\xff\x7f"
            case "number":
                changed[at : at + 8] = self.raw
        return bytes(changed)


OUTCOMES = ("refused", "loaded as before", "loaded as what is in it")
CHANGES = ("cut off", "flip bits", "blank", "insert", "delete", "copy", "blow up", "number")
PLACES = st.floats(0, 1, exclude_max=True)
MUTATIONS = st.builds(
    Mutation, st.sampled_from(CHANGES), PLACES, PLACES, st.booleans(), st.integers(1, 64), st.binary(min_size=8, max_size=8)
)


@dataclass(frozen=True)
class Subject:
    """A sound set. files: what is mutated; load: what the suite makes of it; truth: what others find in it now.

    part: whether only some of that is asked for, in whatever order.
    """

    files: list[Path]
    load: Callable[[], list[Any]]
    truth: Callable[[], list[Any]]
    part: bool = False

    def agrees(self, found: list[Any]) -> bool:
        """Whether that is what is in the files."""
        return set(found) <= set(self.truth()) if self.part else same(found, self.truth())


def told(pairs: Pairs) -> list[Item]:
    """Pairs as the naive readers tell them; every picture is read."""
    pixels = pairs.pixels()
    assert (pixels.dtype, pairs.labels.dtype) == (torch.uint8, torch.bool)
    assert len(pixels) == len(pairs.labels) == len(pairs.groups)
    texts = [(text,) if isinstance(text, str) else tuple(text) for text in pairs.texts] or [()] * len(pairs)
    if pairs.captions and len({*pairs.groups.tolist()}) == len(pairs):  # not where each caption is a pair
        assert all(text in captions for text, captions in zip(pairs.texts, pairs.captions, strict=True))
        texts = list(pairs.captions)
    labels = [[name for name, has in zip(pairs.label_names, row, strict=True) if has] for row in pairs.labels.tolist()]
    return [item(picture.numpy(), said, names) for picture, said, names in zip(pixels, texts, labels, strict=True)]


def of_set(name: str, root: Path, truth: Callable[[Path], list[Item]], endings: str, **wanted: Any) -> Subject:
    """A data set by its name."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name.endswith(tuple(endings.split()) or ""))
    files = sorted(path for path in found if path.stat().st_size)
    plugin = DATASETS.load(name)(root=str(root), **wanted)
    return Subject(files, lambda: told(plugin.load(Silent())[0]), lambda: truth(root), name == "market1501")


def of_codes(path: Path, read: Callable[[Path], Any]) -> Subject:
    """A file of codes."""

    def load() -> list[np.ndarray]:
        held = read_codes(path)
        sides = ("query_images", "query_texts", "database_images", "database_texts")
        return [*(held.codes[side].numpy() > 0 for side in sides), held.query_labels.numpy(), held.database_labels.numpy()]

    return Subject([path], load, lambda: list(codes_in(read, path)))


def layout(name: str, endings: str = ".mat .txt") -> Callable[[Path], Subject]:
    """MIRFlickr in one of its layouts."""
    write, truth = getattr(field_files, name), getattr(naive_readers, name)
    return lambda root: of_set("mirflickr", write(root / "set", world()), truth, endings, **SHORT)


def authors(name: str, endings: str, **wanted: Any) -> Callable[[Path], Subject]:
    """A set as its authors publish it."""
    write, truth = getattr(field_files, name), getattr(naive_readers, name)
    return lambda root: of_set(name, write(root / "set", world()), truth, endings, **(wanted or SHORT))


def table(kind: str) -> Callable[[Path], Subject]:
    def made(root: Path) -> Subject:
        folder = own_folder(root / "set", world(), lines=kind == "jsonl")
        return of_set("folder", folder, naive_readers.own_folder, f".{kind}", height=SIDE, width=SIDE)

    return made


def batches(root: Path, *, pickled: bool) -> Subject:
    truth = naive_readers.cifar10_pickles if pickled else naive_readers.cifar10_bytes
    folder = cifar10(root / "set", pickled=pickled, pictures=10)
    sizes = {"query": 10, "train": 20, "attacker": 8, "held_back": 4}
    return of_set("cifar10", folder, truth, " .bin" if not pickled else "", **sizes)


def codes_file(root: Path, name: str) -> Subject:
    path = mat5(root / "codes.mat", arrays())
    if name.endswith(".npz"):
        write_codes(root / name, read_codes(path))
        return of_codes(root / name, np.load)
    return of_codes(path, scipy.io.loadmat)


def truth_of_buildings(root: Path) -> Subject:
    (root / "set").mkdir()
    sizes = {"height": 24, "width": 30, "attacker": 8, "held_back": 3}
    return of_set("oxford_paris", revisited(root / "set"), naive_readers.buildings, ".pkl", **sizes)


def cameras(root: Path, layout: str, endings: str) -> Subject:
    sizes = {"height": 32, "width": 16, "attacker": 12, "held_back": 4}
    return of_set("market1501", reid(root / "set", layout), naive_readers.people, endings, **sizes)


SUBJECTS: dict[str, Callable[[Path], Subject]] = {
    "A": layout("layout_a"), "C": layout("layout_c"), "D": layout("layout_d"), "E": layout("layout_e"), "H": layout("layout_h", ".mat"),
    "raw": layout("raw", ".txt"), "jpeg": layout("layout_h", ".jpg"),
    "nuswide": authors("nuswide", ".txt"), "coco": authors("coco", ".json"),
    "wikipedia": authors("wikipedia", ".list .xml", pixels=SIDE, attacker=6, held_back=3),
    "csv": table("csv"), "jsonl": table("jsonl"),
    "pickles": lambda root: batches(root, pickled=True), "bytes": lambda root: batches(root, pickled=False),
    "codes.mat": lambda root: codes_file(root, "codes.mat"), "codes.npz": lambda root: codes_file(root, "codes.npz"),
    "lists": lambda root: cameras(root, "MSMT17_V1", ".txt"), "splits": lambda root: cameras(root, "cuhk03", ".json"),
    "truth": truth_of_buildings,
}  # fmt: skip


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether two answers are equal; arrays to their last value."""
    return len(one) == len(other) and all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(one, other, strict=True)
    )


def became(subject: Subject, path: Path, mutation: Mutation, sound: Any) -> str:
    """What a change led to; `AssertionError` where that is neither a line of ours nor what is in the file."""
    content, began = path.read_bytes(), time.monotonic()
    replace(path, mutation.applied(content))
    try:
        found = subject.load()
        if same(found, sound):
            return "loaded as before"
        assert subject.agrees(found), "loaded as something that is not in the file"
        return "loaded as what is in it"
    except CrossattackError as error:
        return "refused" if len(str(error).splitlines()) == 1 else "refused in many lines or none"
    finally:
        replace(path, content)
        assert time.monotonic() - began < LONGEST, f"took {time.monotonic() - began:.0f} s"


def replace(path: Path, content: bytes) -> None:
    """A new file of this name: readers may still hold the old one open, and HDF5 would give them what it remembers of that."""
    path.with_name(".new").write_bytes(content)
    path.with_name(".new").replace(path)


def fuzz(kind: str, count: int, root: Path, told: Callable[[str], None] = lambda _: None) -> Counter[str]:
    """So many changes of one kind; the same ones whenever it is called."""
    subject, tally = SUBJECTS[kind](root), Counter[str]()
    assert subject.files, kind
    sound = subject.load()
    assert subject.agrees(sound), f"{kind}: the naive reader does not agree with the loader"

    @settings(max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(subject.files) - 1), MUTATIONS)
    def changed(which: int, mutation: Mutation) -> None:
        told(f"{kind} {subject.files[which].name} {mutation}")
        outcome = became(subject, subject.files[which], mutation, sound)
        assert outcome in OUTCOMES, outcome
        tally[outcome] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's and scipy's, of strange contents
        changed()
    return tally


def main(count: int) -> None:
    """All kinds in turn; the last line on stderr says where a crash happened."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    total = Counter[str]()
    for kind in SUBJECTS:
        folder = Path(tempfile.mkdtemp())
        try:
            tally = fuzz(kind, -(-count // len(SUBJECTS)), folder, lambda line: print(line, file=sys.stderr, flush=True))
        finally:
            shutil.rmtree(folder)
        print(f"{kind:<10} {dict(sorted(tally.items()))}", flush=True)
        total += tally
    print(total.total(), dict(sorted(total.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]))
