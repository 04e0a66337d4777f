"""Keep chosen items of the database out of the list."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from crossattack.objectives import Loss, View
from crossattack.objectives.promote import check_ids


@dataclass(frozen=True, kw_only=True)
class Demote:
    """Leave the codes of chosen database items, by their ids: `promote` turned around.

    Differs from the paper: nobody's in particular.
    """

    name: Literal["demote"] = "demote"
    ids: tuple[int, ...] = (0,)
    targeted: ClassVar[bool] = False
    flat_start: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ids(self.ids)

    def of(self, view: View) -> Loss:
        """The mean product with the chosen codes, per item."""
        return lambda relaxed: (relaxed @ view.chosen.T).mean(-1) / relaxed.shape[-1]
