"""A target that a Python program handed over, as the configuration of its run tells of it."""

from dataclasses import dataclass

from crossattack.datasets import Pairs
from crossattack.errors import UsageError
from crossattack.progress import Progress
from crossattack.targets import Target


@dataclass(frozen=True, kw_only=True)
class Given:
    """An object in the place of a plugin: with this, its run can be read again by anyone, and run again by whoever has the object.

    what: its class. digest: its own. reads_texts: whether it has texts at all.
    """

    what: str = ""
    digest: str = ""
    reads_texts: bool = True

    def __post_init__(self) -> None:
        if not self.digest:
            raise UsageError("target: a plugin's name wanted, given got, which is what a run from Python calls an object; choose another.")

    def load(self, train: Pairs, *, device: str, progress: Progress) -> Target:
        """`UsageError`: no file holds it."""
        wanted = f"target: {self.what} with digest {self.digest} wanted, which a Python program had, a configuration got"
        raise UsageError(f"{wanted}; hand it to `crossattack.evaluate` again.")
