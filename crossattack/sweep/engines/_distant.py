"""The worker's side of the Ray engine: a cell's work in a scratch folder of the machine that it landed on.

The scratch folder stays until the driver has what was found, so that a cell whose worker was killed goes on there with what it
has paid for already.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from crossattack._machine import settle
from crossattack.cache import cache_folder
from crossattack.sweep.engines._parcel import packed, unpack
from crossattack.sweep.engines.processes import THREADS
from crossattack.sweep.work import attempt

Ended: TypeAlias = tuple[str | None, bytes]  # the reason why it came to nothing, and the folder


def at_a_distance(work: str, key: str, sent: bytes, threads: int) -> Iterator[str | Ended]:
    """Where the work is being done, then how it ended. key: of the scratch folder. sent: the folder as the driver has it."""
    import ray

    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    settle()
    yield ray.get_runtime_context().get_node_id()
    scratch = _scratch(key)
    if not (scratch / "config.yaml").is_file():
        unpack(sent, scratch)
    reason = attempt(work, scratch)
    yield reason, packed(scratch)


def forget(key: str) -> None:
    """The driver has it all."""
    shutil.rmtree(_scratch(key), ignore_errors=True)


def _scratch(key: str) -> Path:
    return cache_folder("sweeps", key)
