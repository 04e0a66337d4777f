"""The system under test as it is deployed: a target, behind its defence if it has one; and what an attacker knows of it."""

from dataclasses import dataclass
from typing import Any

from crossattack.config import RunConfig
from crossattack.datasets import Pairs
from crossattack.defences import Defence
from crossattack.defences._defended import Defended, Front, behind
from crossattack.progress import Progress


@dataclass(frozen=True)
class Deployed:
    """target: what answers. followed: the network whose slopes a white box is granted; None: the target itself.

    front: the defence that a surrogate has in front; None where there is none, or nobody knows of it.
    """

    target: Any
    followed: Any = None
    front: Front | None = None

    @property
    def knowledge(self) -> tuple[str, ...]:
        """What tells white boxes of one target apart; nothing of one that is followed itself."""
        if self.followed is None:
            return ()
        return (self.followed.digest, f"{getattr(self.followed, 'passes', None)}")


def deployed(config: RunConfig, train: Pairs, *, device: str, progress: Progress, given: Any = None) -> Deployed:
    """The target of this configuration, or the one at hand, behind its defence.

    To an attacker that is not adaptive it is the target without its defence and, where its training defended it, one trained
    without; that one is trained on first use.
    """

    def load(recipe: Any) -> Any:
        return recipe.load(train, device=device, progress=progress)

    recipe = config.target.plugin
    defence: Defence | None = config.defence.plugin if config.defence else None
    made = load(recipe) if given is None else given
    if not config.oracle.adaptive:
        plain, whole = getattr(recipe, "plain", recipe), behind(defence, made)
        followed = made if plain == recipe else load(plain)
        return Deployed(whole, None if followed is whole else followed)
    if defence is None:
        return Deployed(made)
    defended = Defended(made, defence)
    return Deployed(defended, defended.known(config.oracle.draws), Front(defence))
