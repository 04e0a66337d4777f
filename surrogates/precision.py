"""In what a network is computed: float32, or bfloat16 where that is faster. Which it is depends on the network and the machine."""

import copy
import math
import time
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

PRECISIONS = ("float32", "bfloat16", "auto")


def mixed(device: torch.device, precision: str) -> torch.autocast:
    """Within it, products are computed in bfloat16, unless `precision` is float32; weights and losses stay as they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def faster(network: Any, images: Float[Tensor, "items 3 height width"], times: int = 2) -> str:
    """Which precision takes a step on these pictures in less time; float32 where bfloat16 has no finite gradients.

    The network and all random draws are left as they were.
    """
    before, drawn = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    took = {precision: min(_seconds(network, images, precision) for _ in range(1 + times)) for precision in ("float32", "bfloat16")}
    if not all(one.grad.isfinite().all() for one in network.parameters() if one.grad is not None):  # those of bfloat16
        took["bfloat16"] = math.inf
    network.load_state_dict(before)
    network.zero_grad(set_to_none=True)
    torch.set_rng_state(drawn)
    return min(took, key=lambda precision: took[precision])


def _seconds(network: Any, images: Float[Tensor, "items 3 height width"], precision: str) -> float:
    network.zero_grad(set_to_none=True)
    began = time.perf_counter()
    with mixed(images.device, precision):
        outputs = network.project_images(images)
    outputs.float().square().mean().backward()
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began
