"""What several runs make alike, made by whoever comes first: cells of a sweep that differ in their attack alone ask the same and
learn the same.

A file is known by all that it was made of, so that nothing has to be said about which runs are alike. Queries are never shared:
each run pays for its own.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossattack.cache import locked, whole_file


@dataclass(frozen=True)
class Common:
    """A folder in which such runs leave what they made; None: a run of its own."""

    folder: Path | None = None

    @contextmanager
    def made_once(self, paths: Sequence[Path], *of: object) -> Iterator[None]:
        """Within it the caller makes these files unless the first is there; they are there where another run made them `of` the same."""
        if self.folder is None or paths[0].exists():
            yield
            return
        room = self.folder / f"{paths[0].stem}-{digest_of(*of)}"
        elders = [room / path.name for path in paths]
        with locked(elders[0]):
            if elders[0].exists():
                _copy(elders, paths)
            yield
            _copy(paths, elders)

    def workplace(self, name: str, own: Path, *of: object) -> Path:
        """The folder for the checkpoints of what is made `of` that: the common one, or the run's own."""
        if self.folder is None:
            return own
        (shared := self.folder / f"{name}-{digest_of(*of)}").mkdir(parents=True, exist_ok=True)
        return shared


def digest_of(*of: object) -> str:
    """Sixteen hexadecimal digits of these values, and of the number of threads, as sums are made in another order on more.

    Tensors count with all their bytes, dataclasses of them field by field, everything else as it prints.
    """
    found = hashlib.sha256(f"{torch.get_num_threads()}".encode())
    for value in of:
        _add(found, value)
    return found.hexdigest()[:16]


def _add(found: Any, value: object) -> None:
    if isinstance(value, Tensor):
        found.update(f"{value.dtype}{list(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    elif is_dataclass(value) and any(isinstance(getattr(value, field.name), Tensor) for field in fields(value)):
        found.update(type(value).__name__.encode())
        for field in fields(value):
            _add(found, getattr(value, field.name))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        found.update(json.dumps(list(value), default=repr).encode())
    else:
        found.update(repr(value).encode())
    found.update(b"|")


def _copy(made: Sequence[Path], wanted: Sequence[Path]) -> None:
    """Those that are there and differ; the first one last, as it says that the others are there."""
    for source, path in reversed(list(zip(made, wanted, strict=True))):
        if source.exists() and not (path.exists() and path.read_bytes() == source.read_bytes()):
            with whole_file(path) as file:
                shutil.copyfile(source, file)
