"""A descent put together from any parts."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from crossattack.attacks import Perturb
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Kernel, Share, Sizes
from crossattack.attacks._gradient import Strides, follow
from crossattack.attacks._moves import Moves


@dataclass(frozen=True, kw_only=True)
class Gradient(Strides):
    """Projected descent with any combination of parts: start, diversity, affine, sizes, scales, kernel, decay, Nesterov, neighbours.

    `--set attack.diversity=0.5 --set attack.kernel=7` is DI and TI at once, and so on; what is left out is off. See `_moves` for
    what each part does.

    Differs from the paper: an objective of retrieval takes the place of a class loss. Each part is the one of its own attack
    (`di_fgsm`, `si_fgsm`, `ti_fgsm`, `mi_fgsm`, `ni_fgsm`, `vmi_fgsm`).

    Paper: Dong, Liao, Pang, Su, Zhu, Hu, Li, "Boosting Adversarial Attacks with Momentum", CVPR 2018, for the frame; the
    parts name theirs.
    """

    start: Literal["clean", "uniform"] = "clean"
    diversity: Share = 0.0
    affine: Share = 0.0
    sizes: Sizes = (1.0,)
    scales: Annotated[int, Field(ge=1, le=10)] = 1
    kernel: Kernel = 1
    decay: Annotated[float, Field(ge=0)] = 0.0
    nesterov: bool = False
    neighbours: Annotated[int, Field(ge=0, le=100)] = 0
    reach: Annotated[float, Field(ge=0, le=10)] = 1.5

    @property
    def moves(self) -> Moves:
        """The parts that its descent has."""
        return Moves(**{part: getattr(self, part) for part in Moves.__dataclass_fields__})

    def fit(self, context: AttackContext) -> Perturb:
        """Train a surrogate on the whole budget, unless the target itself is granted; then a batch costs nothing."""
        return follow(context, self, self.objective, self.moves)
