"""Mutated files, a process of its own: python fuzzed.py COUNT SECONDS prints what became of each kind, or what went wrong.

Every mutation is one of a sound set's files with bytes cut off, changed, blanked, repeated or numbers blown up; the set is then
loaded and read to its last picture. Right is an error of ours in one line, or pairs that are whole: nothing else.
"""

import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from field_files import SIDE, SMALL, cifar10, coco, layout_a, layout_c, layout_e, layout_h, mat5, nuswide, own_folder, raw, wikipedia, world
from test_exchange import arrays

from crossattack.datasets import Pairs
from crossattack.errors import CrossattackError
from crossattack.exchange import read_codes, write_codes
from crossattack.progress import Silent
from crossattack.registry import DATASETS

LONGEST = 20.0  # seconds of one load
MEMORY = 24 * 2**30  # of address space, most of which torch only reserves
SETTINGS = {**SMALL, "pixels": SIDE}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One change, or a few bytes."""
    changed, size = bytearray(content), max(1, len(content))
    at, span = int(rng.integers(size)), int(rng.integers(1, 64))
    early = int(rng.integers(min(size, 4096)))  # headers are where readers believe things
    match int(rng.integers(8)):
        case 0:
            return bytes(changed[:at])
        case 1:
            for _ in range(int(rng.integers(1, 9))):
                changed[int(rng.integers(size)) % len(changed)] ^= 1 << int(rng.integers(8))
        case 2:
            changed[early : early + span] = bytes(min(span, len(changed) - early))
        case 3:
            changed[at:at] = rng.bytes(span)
        case 4:
            changed[early : early + 4] = b"\xff\xff\xff\x7f"
        case 5:
            changed[at : at + span] = changed[early : early + span]
        case 6:
            del changed[at : at + span]
        case _:
            changed[early : early + 8] = int(rng.integers(1, 2**62)).to_bytes(8, "little")
    return bytes(changed)


def sound(pairs: Pairs) -> None:
    """Whole pairs: everything is there once for every item, and every picture can be read."""
    pixels = pairs.pixels()
    assert (pixels.dtype, pixels.shape[1], pairs.labels.dtype) == (torch.uint8, 3, torch.bool)
    assert len(pixels) == len(pairs.labels) == len(pairs.texts) == len(pairs.groups)
    assert pairs.labels.shape[1] == len(pairs.label_names)
    assert all(isinstance(text, str) or all(isinstance(word, str) for word in text) for text in pairs.texts)


def subjects(root: Path) -> dict[str, tuple[list[Path], Callable[[], object]]]:
    """Which files are mutated, and what loads them."""

    def loads(name: str, folder: Path, **settings: object) -> Callable[[], object]:
        return lambda: sound(DATASETS.load(name)(root=str(folder), **settings).load(Silent())[0])

    held, own = world(), {"height": SIDE, "width": SIDE}
    folders = {"A": layout_a, "C": layout_c, "E": layout_e, "H": layout_h, "raw": raw}
    found: dict[str, tuple[list[Path], Callable[[], object]]] = {}
    for letter, write in folders.items():
        folder = write(root / letter, held)
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".mat", ".txt"))
        found[letter] = (files, loads("mirflickr", folder, **SETTINGS))
    found["jpeg"] = (sorted((root / "H/mirflickr").glob("*.jpg")), found["H"][1])
    for name, write_set in (("nuswide", nuswide), ("coco", coco), ("wikipedia", wikipedia)):
        folder = write_set(root / name, held)
        settings = {"pixels": SIDE, "attacker": 6, "held_back": 3} if name == "wikipedia" else SETTINGS
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".txt", ".list", ".xml"))
        found[name] = (files, loads(name, folder, **settings))
    for kind in ("csv", "jsonl"):
        folder = own_folder(root / kind, held, lines=kind == "jsonl")
        found[kind] = ([folder / f"table.{kind}"], loads("folder", folder, **own))
    folder = cifar10(root / "cifar10", pictures=10)
    found["cifar10"] = (sorted(folder.rglob("*_batch*")), loads("cifar10", folder, query=10, train=20, attacker=8, held_back=4))
    codes = mat5(root / "codes.mat", arrays())
    write_codes(root / "codes.npz", read_codes(codes))
    found["codes"] = ([codes, root / "codes.npz"], lambda: [read_codes(path) for path in (codes, root / "codes.npz")])
    return found


def main(count: int, seconds: float) -> None:
    """Mutate until there are enough or the time is up."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")  # Pillow's, of strange metadata
    began, tally = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for kind, (files, load) in (known := subjects(Path(folder))).items():
            assert files, kind
            load()
        for number in range(count):
            if time.monotonic() - began > seconds:
                break
            kind = list(known)[number % len(known)]
            rng = np.random.default_rng([number, 20])
            files, load = known[kind]
            path = files[int(rng.integers(len(files)))]
            content, start = path.read_bytes(), time.monotonic()
            print(f"{number} {kind} {path.name}", file=sys.stderr, flush=True)  # the last line says where a crash happened
            path.write_bytes(mutated(content, rng))
            try:
                load()
                tally[f"{kind}: loaded"] += 1
            except CrossattackError as error:
                tally[f"{kind}: {'refused' if len(str(error).splitlines()) == 1 else 'refused in many lines or none'}"] += 1
            finally:
                path.write_bytes(content)
            assert time.monotonic() - start < LONGEST, f"{number} {kind} {path.name} took {time.monotonic() - start:.0f} s"
    assert not any("lines" in what for what in tally), tally
    print(sum(tally.values()), dict(sorted(tally.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
