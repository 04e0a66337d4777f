"""Pairs that a Python program handed over, as the configuration of their run tells of them."""

from dataclasses import dataclass

from crossattack.datasets import Pairs, Split
from crossattack.errors import UsageError
from crossattack.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Given:
    """Pairs in the place of a data set: with this, their run can be read again by anyone, and run again by whoever has them.

    digest, split: of the pairs and of their roles. has_texts: whether they are pictures with texts.
    """

    digest: str = ""
    split: str = ""
    has_texts: bool = True

    def __post_init__(self) -> None:
        if not self.digest:
            raise UsageError("data: a plugin's name wanted, given got, which is what a run from Python calls an object; choose another.")

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """`UsageError`: no file holds them."""
        wanted = f"data: pairs with digest {self.digest} wanted, which a Python program had, a configuration got"
        raise UsageError(f"{wanted}; hand them to `crossattack.evaluate` again.")
