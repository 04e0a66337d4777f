"""Collapse: how a training of two networks against each other comes to nothing, seen while it happens.

Losses that are no numbers end it at once. Everything else is looked for at the end of each window of steps, as one bad step
means nothing: a discriminator at a bound of its loss for two windows, a change that no file would hold, and one change for
all pictures.
"""

from dataclasses import dataclass
from math import isfinite

from jaxtyping import Float
from torch import Tensor

from crossattack.errors import TrainingFailed

WINDOW = 50  # steps
CERTAIN, LOST = 0.01, 1.0  # bounds of the discriminator's loss: 0.5 is guessing, 1 the worst that a constant answer in [0, 1] gives
LEAST_LEVELS = 0.25  # grey levels, the root of the mean square: most of such a change is rounded away
LEAST_OWN = 0.01  # share of the change's energy that differs from picture to picture


@dataclass
class Watch:
    """What a training has shown so far; `state` is all that another process needs to go on watching."""

    step: int = 0
    judged: float = 0.0  # sum of the discriminator's losses in this window
    at_bound: int = 0  # windows in a row that it ended at the same bound, negative for the lower one

    def losses(self, judge: float, maker: float) -> bool:
        """Note the losses of a step; True at the end of a window. `TrainingFailed` where they are no numbers."""
        self.step += 1
        if not (isfinite(judge) and isfinite(maker)):
            raise TrainingFailed(
                f"finite losses wanted, {judge:g} of the discriminator and {maker:g} of the generator got at step {self.step}; "
                "lower `lr`, or the weights `lambda_m` and `lambda_r`."
            )
        self.judged += judge
        if self.step % WINDOW:
            return False
        mean, self.judged = self.judged / WINDOW, 0.0
        side = -1 if mean < CERTAIN else 1 if mean > LOST else 0
        self.at_bound = self.at_bound + side if self.at_bound * side > 0 else side
        if self.at_bound <= -2:
            raise TrainingFailed(
                f"a discriminator that can be fooled wanted, one that is always right got (loss {mean:.2g} for {2 * WINDOW} steps, "
                f"up to step {self.step}); lower `lr` or `eps`, or raise `lambda_r`."
            )
        if self.at_bound >= 2:
            raise TrainingFailed(
                f"a discriminator that does no worse than guessing (0.5) wanted, a loss of {mean:.2g} for {2 * WINDOW} steps got, "
                f"up to step {self.step}; lower `lr`, or raise it where it is so low that nothing is learned."
            )
        return True

    def changes(self, changes: Float[Tensor, "pictures 3 height width"]) -> None:
        """Look at the changes of some pictures, in pixels of [0, 1]; `TrainingFailed` where they are nothing, or all the same."""
        if not changes.isfinite().all():
            raise TrainingFailed(f"a finite change of each picture wanted, NaN got at step {self.step}; lower `lr`.")
        if float(changes.square().mean().sqrt()) * 255 < LEAST_LEVELS:
            raise TrainingFailed(
                f"a change of the pictures wanted, a quarter of a grey level or less got at step {self.step}; "
                "lower `lambda_r` or raise `lambda_m`."
            )
        if len(changes) > 1 and (own := own_share(changes)) < LEAST_OWN:
            raise TrainingFailed(
                f"a change of each picture's own wanted, one for all got at step {self.step} ({own:.2%} of it differs between pictures); "
                "lower `lr`, or take the attack `uap`, which is meant to."
            )


def own_share(changes: Float[Tensor, "pictures 3 height width"]) -> float:
    """The share of the energy of changes that is not in their mean: 0 where all are the same, at most 1."""
    return float(1 - changes.mean(0).square().mean() / changes.square().mean().clamp(min=1e-30))
