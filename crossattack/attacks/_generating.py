"""Training a generator of changes: what a target loss wants, what a discriminator believes, and how little is changed."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from crossattack.attacks._context import AttackContext
from crossattack.attacks._weights import keep_weights, took_up
from crossattack.encoding import as_floats
from surrogates.generator import Discriminator, Generator

CRITIC_EVERY = 3  # steps of the generator for one of the discriminator
BETAS = (0.5, 0.999)

Forger: TypeAlias = Callable[[Float[Tensor, "items 3 height width"]], Float[Tensor, "items 3 height width"]]
Aim: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"], Int64[Tensor, " batch"]], Float[Tensor, ""]]


@runtime_checkable
class Training(Protocol):
    """The settings of a generator's training."""

    @property
    def eps(self) -> float | None: ...
    @property
    def similarity(self) -> float: ...
    @property
    def realism(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def width(self) -> int: ...


def forger(context: AttackContext, images: UInt8[Tensor, "items 3 height width"], aim: Aim, training: Training) -> Forger:
    """What a generator trained on these pictures makes of others; kept as `generator.safetensors` in the run's folder.

    aim: the loss of forged pictures and their positions among `images`. The discriminator is trained by least squares, one
    for real and zero for forged, every third step.
    """
    path = context.folder / "generator.safetensors"
    torch.manual_seed(context.streams.number("generator", "initial weights"))
    generator = Generator(training.width).to(context.device)

    def forge(clean: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items 3 height width"]:
        made: Tensor = generator(clean)
        return (made + 1) / 2 if training.eps is None else (clean + training.eps * made).clamp(0, 1)

    if not took_up(generator, path):
        _train(context, generator, forge, images, aim, training)
        keep_weights(generator, path)
    generator.eval().requires_grad_(False)
    return forge


def _train(
    context: AttackContext, generator: Generator, forge: Forger, images: UInt8[Tensor, "items 3 height width"], aim: Aim, training: Training
) -> None:
    critic, draws = Discriminator(training.width).to(context.device), context.streams.torch("generator", "batches")
    makers, judges = (torch.optim.Adam(network.parameters(), lr=training.lr, betas=BETAS) for network in (generator, critic))
    per_epoch, step = max(1, len(images) // training.batch), 0
    with context.progress.stage("training the generator", training.epochs) as tick:
        for epoch in range(training.epochs):
            left = 0.0
            for batch in torch.randperm(len(images), generator=draws).tensor_split(per_epoch):
                clean = as_floats(images[batch].to(context.device))
                made = forge(clean)
                if step % CRITIC_EVERY == 0:
                    judges.zero_grad()
                    ((critic(clean) - 1).square().mean() + critic(made.detach()).square().mean()).backward()
                    judges.step()
                reached = aim(made, batch)
                seeming = training.similarity * (made - clean).square().mean() + training.realism * (critic(made) - 1).square().mean()
                makers.zero_grad()
                (reached + seeming).backward()
                makers.step()
                step, left = step + 1, left + float(reached.detach())
            tick(1, f"epoch {epoch + 1}", aim=left / per_epoch)
