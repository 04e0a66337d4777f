"""One training loop for every network, target or surrogate."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from surrogates.clip import ClipNetwork
from surrogates.features import FeatureNetwork
from surrogates.network import HashingNetwork

Trained = TypeVar("Trained", HashingNetwork, FeatureNetwork, ClipNetwork)
Objective: TypeAlias = Callable[[Float[Tensor, "batch bits"], Int64[Tensor, " batch"]], Float[Tensor, ""]]
Forward: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"]], Float[Tensor, "batch features"]]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast. A picture tower that starts from trained weights takes `tower_lr`, everything else `lr`.

    Both rates rise over the first tenth of the steps and fall to zero along a cosine (AdamW). `shift` moves each picture
    by up to so many pixels, edges repeated; `flip` mirrors half of them.
    """

    epochs: int
    batch: int = 64
    lr: float = 1e-3
    tower_lr: float = 3e-4
    weight_decay: float = 1e-4
    shift: int = 4
    flip: bool = True

    def per_epoch(self, items: int) -> int:
        """Batches of an epoch over so many items; a last batch of one would upset batch normalisation."""
        return max(1, items // self.batch)


def train(
    network: Trained,
    images: UInt8[Tensor, "items 3 height width"],
    objective: Objective,
    schedule: Schedule,
    generator: torch.Generator,
    *,
    tick: Callable[[int, str], None],
    score: Callable[[], float] | None = None,
    forward: Forward | None = None,
) -> Trained:
    """Train in place and return the network in evaluation mode, at the epoch of the best `score` where one is given.

    `objective(outputs, batch)` is the loss of a batch: the unbounded outputs of its pictures, (batch, bits), and their
    positions; it projects the texts it needs by itself, which costs little. `tick` is called once an epoch.
    forward: what makes outputs of pictures, where the objective wants others than `project_images`.
    """
    device, forward = next(network.parameters()).device, forward or network.project_images
    network.to(memory_format=torch.channels_last)
    tower = list(network.pretrained.parameters())
    inside = {id(parameter) for parameter in tower}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    rates = [{"params": tower, "lr": schedule.lr if network.from_scratch else schedule.tower_lr}, {"params": rest, "lr": schedule.lr}]
    optimiser = torch.optim.AdamW(rates, weight_decay=schedule.weight_decay)
    per_epoch = schedule.per_epoch(len(images))
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, _warm_cosine(schedule.epochs * per_epoch))
    best, best_score = None, -math.inf
    for epoch in range(schedule.epochs):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).tensor_split(per_epoch):
            pictures = augment(images[batch], schedule.shift, schedule.flip, generator).to(device)
            loss = objective(forward(pictures), batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            pace.step()
            total += loss.item()
        network.eval()
        note = f"loss {total / per_epoch:.3f}"
        if score is not None:
            reached = score()
            note += f", validation {reached:.3f}"
            if reached > best_score:
                best, best_score = copy.deepcopy(network.state_dict()), reached
        tick(1, f"epoch {epoch + 1}: {note}")
    if best is not None:
        network.load_state_dict(best)
    return network.eval()


def augment(
    images: UInt8[Tensor, "items 3 height width"], shift: int, flip: bool, generator: torch.Generator
) -> Float[Tensor, "items 3 height width"]:
    """Pictures of 0..255 -> in [0, 1], channels last, each shifted and perhaps mirrored on its own."""
    items, _, height, width = images.shape
    rows, columns = torch.arange(height), torch.arange(width)
    moved = torch.randint(-shift, shift + 1, (2, items, 1), generator=generator)
    mirrored = torch.rand(items, 1, generator=generator) < (0.5 if flip else 0.0)
    rows = (rows + moved[0]).clamp(0, height - 1)  # (items, height)
    columns = (torch.where(mirrored, width - 1 - columns, columns) + moved[1]).clamp(0, width - 1)  # (items, width)
    pixels = images.permute(0, 2, 3, 1)[torch.arange(items)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return pixels.permute(0, 3, 1, 2).float() / 255


def _warm_cosine(steps: int) -> Callable[[int], float]:
    warm = max(1, steps // 10)
    return lambda step: min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))
