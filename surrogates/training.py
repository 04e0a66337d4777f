"""One training loop for every network, target or surrogate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from surrogates.clip import ClipNetwork
from surrogates.course import Course, signature
from surrogates.features import FeatureNetwork
from surrogates.network import HashingNetwork
from surrogates.precision import faster
from surrogates.ranks import Step, alike, rank, shared, told_by_first

Trained = TypeVar("Trained", HashingNetwork, FeatureNetwork, ClipNetwork)
Objective: TypeAlias = Callable[[Float[Tensor, "batch bits"], Int64[Tensor, " batch"]], Float[Tensor, ""]]
Forward: TypeAlias = Callable[[Float[Tensor, "batch 3 height width"]], Float[Tensor, "batch features"]]


@runtime_checkable
class Tick(Protocol):
    """What an epoch is told to: steps done, a word about them, and its losses and scores by name."""

    def __call__(self, steps: int, note: str = "", /, **values: float | int) -> None: ...


@runtime_checkable
class Pictures(Protocol):
    """uint8 pictures to learn from, (items, 3, height, width): a tensor, or what is indexed like one and lies elsewhere."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast. A picture tower that starts from trained weights takes `tower_lr`, everything else `lr`.

    Both rates rise over the first tenth of the steps and fall to zero along a cosine (AdamW). `shift` moves each picture
    by up to so many pixels, edges repeated; `flip` mirrors half of them. patience: epochs without a better score after which
    it ends; None: never early. precision: float32, bfloat16, or auto for whichever is measured to be faster. averaging: unless a score
    chooses an epoch, the weights are in the end a mean over all steps, each fading by this factor with every further one; 0: the last ones.
    """

    epochs: int
    batch: int = 64
    lr: float = 1e-3
    tower_lr: float = 3e-4
    weight_decay: float = 1e-4
    shift: int = 4
    flip: bool = True
    patience: int | None = None
    precision: str = "float32"
    averaging: float = 0.0

    def per_epoch(self, items: int) -> int:
        """Batches of an epoch over so many items; a last batch of one would upset batch normalisation."""
        return max(1, items // self.batch)


def train(
    network: Trained,
    images: Pictures,
    objective: Objective,
    schedule: Schedule,
    generator: torch.Generator,
    *,
    tick: Tick,
    score: Callable[[], float] | None = None,
    course: Course | None = None,
    forward: Forward | None = None,
) -> Trained:
    """Train in place and return the network in evaluation mode, at the epoch of the best `score` where one is given.

    `objective(outputs, batch)` is the loss of a batch: the unbounded outputs of its pictures, (batch, bits), and their
    positions; it projects the texts it needs by itself, which costs little. `tick` is called once an epoch.
    forward: what makes outputs of pictures, where the objective wants others than `project_images`. course: where to note how it goes,
    and to go on from where it was killed; the objective is to have no state of its own then. FloatingPointError where the loss is no
    longer finite.

    Within a process group of torch.distributed, all of its processes train one network together (see `ranks`).
    """
    course, device = course or Course(), next(network.parameters()).device
    network.to(memory_format=torch.channels_last)
    optimiser, per_epoch = _optimiser(network, schedule), schedule.per_epoch(len(images))
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, _warm_cosine(schedule.epochs * per_epoch))
    parts, of = {"network": network, "optimiser": optimiser, "pace": pace}, signature(network, schedule, len(images))
    if mean := _mean(network, schedule.averaging):
        parts["mean"] = mean
    course.precision = schedule.precision
    course.restore(of, parts, generator)
    for done in course.curve:
        tick(1, "as it was", loss=done["loss"])
    if course.precision == "auto":
        course.precision = _quicker(network, images, schedule.batch)
    step = shared(Step(network, objective, course.precision, forward))
    while len(course.curve) < schedule.epochs and not _gave_up(course, schedule):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).tensor_split(per_epoch):
            loss = step(augment(images[batch], schedule.shift, schedule.flip, generator).to(device), batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pace.step()
            if mean:
                mean.update_parameters(network)
            total += loss.item()
        _refuse_infinite(total, course)
        network.eval()
        alike(network)
        values = course.take_down(total / per_epoch, None if score is None else score(), network)
        if rank() == 0:
            course.save(of, parts, generator)
        tick(1, f"epoch {len(course.curve)}", **values)
    if course.best is not None:
        network.load_state_dict(course.best)
    elif mean:
        network.load_state_dict(mean.module.state_dict())
    return network.eval()


def _mean(network: Trained, factor: float) -> AveragedModel | None:
    """Where the mean of the weights over steps is kept; None where none is wanted."""
    if not factor:
        return None
    fading = get_ema_multi_avg_fn(factor)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=fading, use_buffers=True)


def _quicker(network: Trained, images: Pictures, batch: int) -> str:
    """The precision in which a step on the first pictures takes less time; what the first process finds, where there are several."""
    network.train()
    first = augment(images[torch.arange(min(batch, len(images)))], 0, False, torch.Generator())
    told: str = told_by_first(faster(network, first.to(next(network.parameters()).device)))
    return told


def _refuse_infinite(total: float, course: Course) -> None:
    if not math.isfinite(total):
        wanted = f"a finite loss wanted in epoch {len(course.curve) + 1}, {total} got in {course.precision}"
        raise FloatingPointError(f"{wanted}; lower `lr`, or say `precision: float32`.")


def _optimiser(network: Trained, schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW, with a rate of its own for what starts from trained weights."""
    tower = list(network.pretrained.parameters())
    inside = {id(parameter) for parameter in tower}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    rates = [{"params": tower, "lr": schedule.lr if network.from_scratch else schedule.tower_lr}, {"params": rest, "lr": schedule.lr}]
    return torch.optim.AdamW(rates, weight_decay=schedule.weight_decay)


def _gave_up(course: Course, schedule: Schedule) -> bool:
    return schedule.patience is not None and course.stale >= schedule.patience


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
