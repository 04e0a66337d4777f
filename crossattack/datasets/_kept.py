"""Pairs that take long to build: built once, kept in the cache, and built again when the file is damaged."""

from collections.abc import Callable
from pathlib import Path

from crossattack.cache import built_once, whole_file
from crossattack.datasets import Pairs
from crossattack.datasets._store import read_pairs, write_pairs
from crossattack.errors import DataError
from crossattack.progress import Progress


def kept_pairs(path: Path, build: Callable[[Progress], Pairs], progress: Progress) -> Pairs:
    """The pairs in this file of the cache, built when it is missing or damaged."""
    with built_once(path) as missing:
        if not missing:
            try:
                return read_pairs(path)
            except DataError:
                with progress.stage(f"{path.name} is damaged and is built again", total=1) as tick:
                    path.unlink()
                    tick(1, "")
        pairs = build(progress)
        with whole_file(path) as temporary, progress.stage(f"keeping {path.name}", total=1) as tick:
            write_pairs(temporary, pairs)
            tick(1, "")
    return pairs
