"""Bring chosen items of the database to the head of the list."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.errors import UsageError
from crossattack.objectives import Loss, View


@dataclass(frozen=True, kw_only=True)
class Promote:
    """Approach the codes of chosen database items, by their ids: what a seller does for wares of her own.

    Whoever promotes an item has it at hand, so its code comes from the encoder whose gradients are followed, at no query.

    Differs from the paper: nobody's in particular; targeted attacks of the literature choose a label instead.
    """

    name: Literal["promote"] = "promote"
    ids: tuple[int, ...] = (0,)
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ids(self.ids)

    def of(self, view: View) -> Loss:
        """Minus the mean product with the chosen codes, per item."""
        return lambda relaxed: -(relaxed @ view.chosen.T).mean(-1) / relaxed.shape[-1]


def check_ids(ids: tuple[int, ...]) -> None:
    """`UsageError` unless these are different ids of items."""
    if not ids or min(ids) < 0 or len(set(ids)) != len(ids):
        raise UsageError(f"ids: different positions in the database wanted, 0 or more, {list(ids)} got; for example `[0, 7]`.")
