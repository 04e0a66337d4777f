"""The worst that a small change can do to a network's outputs: what attacks look for, and what training may be made to withstand."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

Outputs: TypeAlias = Callable[[Tensor], Float[Tensor, "items dim"]]
STRIDES = 2.5  # radii that all steps together could go


def virtual_direction(
    relaxed: Outputs, clean: Float[Tensor, "items ..."], draws: Float[Tensor, "items ..."], *, xi: float, steps: int
) -> Float[Tensor, "items ..."]:
    """Each item's direction of greatest change, of length one, from random draws; zero where there is no change."""
    with torch.no_grad():
        before = relaxed(clean)
    direction = _unit(draws)
    for _ in range(steps):
        probe = (clean + xi * direction).requires_grad_()
        (slope,) = torch.autograd.grad((relaxed(probe) - before).square().sum(), probe)
        direction = _unit(slope)
    return direction


def farthest_codes(
    relaxed: Outputs, clean: Float[Tensor, "items ..."], start: Float[Tensor, "items ..."], *, eps: float, steps: int
) -> Float[Tensor, "items ..."]:
    """Each item moved within `eps` to where its relaxed code is far from its clean code, in Hamming distance; values stay in [0, 1].

    start: uniform draws in [-1, 1]; each step goes up the sign of the slope by 2.5 eps / steps.

    Paper: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.
    """
    with torch.no_grad():
        bits = torch.where(relaxed(clean) >= 0, 1.0, -1.0)
    found = (clean + eps * start).clamp(0, 1)
    for _ in range(steps):
        point = found.detach().requires_grad_()
        (slope,) = torch.autograd.grad((relaxed(point) * bits).sum(), point)
        ahead = found - STRIDES * eps / steps * slope.sign()
        found = torch.minimum(torch.maximum(ahead, clean - eps), clean + eps).clamp(0, 1)
    return found


def _unit(values: Float[Tensor, "items ..."]) -> Float[Tensor, "items ..."]:
    lengths = torch.linalg.vector_norm(values, dim=tuple(range(1, values.ndim)), keepdim=True)
    found: Tensor = values / lengths.clamp(min=1e-30)
    return found
