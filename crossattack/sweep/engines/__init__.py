"""Engines: who does the work of cells. They know folders and digests, and nothing of the record.

An engine is handed one cell for each of its slots and says what became of it. Trying again is the driver's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a cell. reason: why it came to nothing, in one line; None where the work ended well.

    lost: the worker itself was lost, so that the cell may do better with another one.
    """

    digest: str
    reason: str | None = None
    lost: bool = False


@runtime_checkable
class Engine(Protocol):
    """Workers. slots: how many cells they take at once."""

    @property
    def slots(self) -> int: ...

    def start(self, digest: str, folder: Path) -> None:
        """Let a worker begin with the cell in `folder`. To be called for as many cells as there are slots."""
        ...

    def reports(self, timeout: float) -> Sequence[Report]:
        """What workers have said, waiting at most `timeout` seconds for the first."""
        ...

    def stop(self) -> None:
        """End all workers, at once, whatever they do."""
        ...
