"""Training in several processes, one machine or many: each takes a part of every batch, and the result is that of one process.

A loss of pairs needs the whole batch. So each process makes the outputs of its part, all exchange them, and each computes the loss
of the whole and follows it back through its own part; `DistributedDataParallel` puts that together. What batch normalisation sees in
training is the part of each, as everywhere; networks without it end as in one process but for the order of sums.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from surrogates.precision import mixed


class Step(nn.Module):
    """The loss of a batch: outputs of its pictures, then the objective."""

    def __init__(
        self, network: Any, objective: Callable[[Tensor, Tensor], Tensor], precision: str, forward: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.network, self._objective, self._precision = network, objective, precision
        self._outputs = forward or network.project_images

    def forward(self, images: Float[Tensor, "batch 3 height width"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        with mixed(images.device, self._precision):
            if world() == 1:
                outputs = self._outputs(images)
            else:
                parts = images.tensor_split(world())
                outputs = _together(self._outputs(parts[rank()]).float(), [len(part) for part in parts])
        return self._objective(outputs.float(), batch)


@contextmanager
def joined() -> Iterator[None]:
    """A process group, where torchrun has started this process as one of several; nothing otherwise."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world() > 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def shared(step: Step) -> nn.Module:
    """The step as all processes take it together; itself where there is one."""
    return step if world() == 1 else DistributedDataParallel(step, find_unused_parameters=True)


def alike(network: nn.Module) -> None:
    """Give every process the first one's running statistics, so that all choose the same epoch."""
    if world() > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)


def told_by_first(value: Any) -> Any:
    """What the first process says, in all of them."""
    if world() == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, 0)
    return box[0]


def world() -> int:
    """How many processes there are."""
    return torch.distributed.get_world_size() if torch.distributed.is_available() and torch.distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return torch.distributed.get_rank() if world() > 1 else 0


def _together(outputs: Float[Tensor, "part dim"], sizes: list[int]) -> Float[Tensor, "batch dim"]:
    """The parts of all processes, in order. Gradients go to the own part, times the number of processes, as their mean is taken later.

    Parts are filled up to be exchanged.
    """
    filled = torch.cat([outputs.detach(), outputs.new_zeros(max(sizes) - len(outputs), outputs.shape[1])])
    gathered = [torch.empty_like(filled) for _ in sizes]
    torch.distributed.all_gather(gathered, filled)
    if outputs.requires_grad:
        outputs.register_hook(lambda slope: slope * world())  # type: ignore[no-untyped-call]
    parts = [part[:size] for part, size in zip(gathered, sizes, strict=True)]
    parts[rank()] = outputs
    return torch.cat(parts)
