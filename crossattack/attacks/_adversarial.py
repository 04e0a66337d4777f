"""Training a generator and a discriminator against each other, in steps that can be interrupted anywhere.

All that the next step depends on is one state: both networks, their optimisers, the draws, and what was watched. It is kept
every `KEPT_EVERY` steps, whole or not at all, so a training that was killed ends like one that was not, bit for bit.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from crossattack.attacks._collapse import Watch
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Hiding
from crossattack.attacks._generator_file import forged
from crossattack.cache import whole_file
from crossattack.encoding import as_floats
from surrogates.generator import Discriminator, PatchGenerator

log = logging.getLogger("crossattack")
BETAS = (0.5, 0.999)
KEPT_EVERY = 50  # steps, at the end of a window of `Watch`
PROBED = 32  # pictures whose changes are looked at
STATES = ("generator", "critic", "makers", "judges")

Aim: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"], Int64[Tensor, " batch"]], Float[Tensor, ""]]


@runtime_checkable
class Training(Protocol):
    """The settings of the training."""

    @property
    def eps(self) -> float: ...
    @property
    def perception(self) -> Hiding: ...
    @property
    def lambda_r(self) -> float: ...
    @property
    def lambda_m(self) -> float: ...
    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def blocks(self) -> int: ...


class Duel:
    """Both networks as far as they have come: `step` takes them on, `save` and `restore` are for another process."""

    def __init__(self, context: AttackContext, training: Training) -> None:
        torch.manual_seed(context.streams.number("generator", "initial weights"))
        self.generator = PatchGenerator(training.width, training.blocks).to(context.device)
        self.critic = Discriminator().to(context.device)
        self.makers, self.judges = (
            torch.optim.Adam(network.parameters(), lr=training.lr, betas=BETAS) for network in (self.generator, self.critic)
        )
        self.draws, self.watch = context.streams.torch("generator", "batches"), Watch()
        self.training, self.device = training, context.device

    def step(self, images: UInt8[Tensor, "items 3 height width"], aim: Aim) -> dict[str, float]:
        """One batch: first the discriminator, then the generator. Its losses by name."""
        batch = torch.randperm(len(images), generator=self.draws)[: self.training.batch]
        clean = as_floats(images[batch].to(self.device))
        made = forged(self.generator, clean, self.training.eps, self.training.perception)

        judged = (self.critic(clean) - 1).square().mean() + self.critic(made.detach()).square().mean()
        self.judges.zero_grad()
        judged.backward()
        self.judges.step()

        seeming, moved = (self.critic(made) - 1).square().mean(), torch.linalg.vector_norm((made - clean).flatten(1), dim=1).mean()
        aimed = aim(made, batch)
        left = seeming + self.training.lambda_r * moved + self.training.lambda_m * aimed
        self.makers.zero_grad()
        left.backward(inputs=list(self.generator.parameters()))
        self.makers.step()
        losses = float(judged.detach()), float(left.detach())
        if self.watch.losses(*losses):
            self.look(images)
        told = {"aim": float(aimed.detach()), "length": float(moved.detach())}
        return {"discriminator": losses[0], "generator": losses[1], **told}

    def look(self, images: UInt8[Tensor, "items 3 height width"]) -> None:
        """Refuse to go on where what the generator makes of the first pictures has collapsed."""
        with torch.no_grad():
            clean = as_floats(images[:PROBED].to(self.device))
            self.watch.changes(forged(self.generator, clean, self.training.eps, self.training.perception) - clean)

    def save(self, path: Path) -> None:
        """Keep everything at `path`."""
        state = {name: getattr(self, name).state_dict() for name in STATES}
        with whole_file(path) as file:
            torch.save({**state, "draws": self.draws.get_state(), "watch": asdict(self.watch)}, file)

    def restore(self, path: Path) -> bool:
        """Go on from `path`; False where there is nothing to go on from. A damaged file is left alone, and the training begins again."""
        if not path.exists():
            return False
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:  # whatever a damaged archive raises in a reader of archives
            log.warning("%s is damaged (%s); training from the start.", path, (str(error).splitlines() or [""])[0])
            return False
        for name in STATES:
            getattr(self, name).load_state_dict(state[name])
        self.draws.set_state(state["draws"].cpu())
        self.watch = Watch(**state["watch"])
        return True


def trained(
    context: AttackContext, images: UInt8[Tensor, "items 3 height width"], aim: Aim, training: Training, path: Path
) -> PatchGenerator:
    """A generator for these pictures, frozen. An interrupted training goes on from its checkpoint at `path`

    aim: the loss of changed pictures and their positions among `images`, lowest where the attack is best. `TrainingFailed`
    where the training collapses.
    """
    duel = Duel(context, training)
    duel.restore(path)
    with context.progress.stage("training the generator", training.steps) as tick:
        tick(duel.watch.step, "read back" if duel.watch.step else "")
        while duel.watch.step < training.steps:
            tick(1, **duel.step(images, aim))
            if duel.watch.step % KEPT_EVERY == 0:
                duel.save(path)
    duel.look(images)
    return duel.generator.eval().requires_grad_(False)
