"""A cast: surrogates of several families that stand together, each trusted as far as it foresees what the target will say.

How many bits a surrogate has right on clean pictures says nothing of whose kin it is. Which bits a changed picture turns does: a
surrogate of the target's own family foresees it, one of another does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from crossattack.attacks._moves import Moves, Value
from crossattack.codes import Codes, harden
from crossattack.encoding import encode_images
from surrogates.network import HashingNetwork

Bytes: TypeAlias = UInt8[Tensor, "items 3 height width"]
LEAST_SKILL = 1e-3  # that no surrogate falls below: one of them has to lead
FAINT = 0.05  # of the most trusted one's trust


@dataclass(frozen=True)
class Cast:
    """Surrogates that stand together, how far each is trusted, and the moves by which their slopes are followed."""

    networks: tuple[HashingNetwork, ...]
    trust: tuple[float, ...]
    moves: Moves

    def lean(self, images: Bytes, device: str) -> Codes:
        """What they agree on: the signs of the mean of their relaxed codes, by trust."""
        return harden(torch.stack([trust * encode_images(network, images, device=device) for trust, network in self._pairs()]).sum(0))

    def keeping(self, clean: Float[Tensor, "items 3 height width"], codes: Float[Tensor, "items bits"]) -> Value:
        """How firmly pictures near these still have those codes: the mean of b z over bits and surrogates, each in units of its clean |z|.

        Unbounded, so that a bit counts on both sides of its flip, and a sure one no less than one in doubt.
        """
        with torch.no_grad():
            scales = [network.project_images(clean).abs().mean(1).clamp(min=1e-6) for network in self.networks]

        def value(points: Float[Tensor, "items 3 height width"]) -> Float[Tensor, " items"]:
            together = zip(self._pairs(), scales, strict=True)
            parts = [trust * (codes * network.project_images(points)).mean(1) / scale for (trust, network), scale in together]
            return torch.stack(parts).sum(0)

        return value

    def judged(self, clean: Bytes, changed: Bytes, turned: Float[Tensor, "items bits"]) -> "Cast":
        """The same, each trusted by the square of how well it foresaw which bits turned: its correlation with what did, over all bits."""
        skills = [correlation(self._turned(network, clean, changed), turned) for network in self.networks]
        return replace(self, trust=tuple(max(skill, LEAST_SKILL) ** 2 for skill in skills))

    def leading(self) -> "Cast":
        """Those alone whose trust is not next to nothing beside the most trusted one's: the others would cost time and change little."""
        kept = [pair for pair in self._pairs() if pair[0] >= FAINT * max(self.trust)]
        trust, networks = zip(*kept, strict=True)
        return replace(self, networks=networks, trust=trust)

    def _turned(self, network: HashingNetwork, clean: Bytes, changed: Bytes) -> Tensor:
        device = next(network.parameters()).device
        before, after = (harden(encode_images(network, side, device=device)) for side in (clean, changed))
        return (before != after).float()

    def _pairs(self) -> Iterator[tuple[float, HashingNetwork]]:
        return zip(self.trust, self.networks, strict=True)


def correlation(foreseen: Float[Tensor, "items bits"], turned: Float[Tensor, "items bits"]) -> float:
    """Of two tables of zeros and ones; 0 where either is the same everywhere."""
    first, second = (table.double().flatten() - table.double().mean() for table in (foreseen, turned))
    size = first.norm() * second.norm()
    return float(first @ second / size) if size > 0 else 0.0
