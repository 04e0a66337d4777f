"""A cast: surrogates of several families that stand together, each trusted as far as it foresees what the target will say.

How many bits a surrogate has right on clean pictures says nothing of whose kin it is. Which bits a changed picture turns does: a
surrogate of the target's own family foresees it, one of another does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor
from torch.nn.functional import cosine_similarity

from crossattack.attacks._moves import Moves, Value, at_size
from crossattack.codes import Codes, harden
from crossattack.encoding import encode_images
from surrogates.folding import folded
from surrogates.halfway import halfway
from surrogates.network import HashingNetwork
from surrogates.texts import Texts

Push: TypeAlias = Literal["bits", "relaxed", "features", "middle"]
Bytes: TypeAlias = UInt8[Tensor, "items 3 height width"]
FLAT: Final = ("features", "middle")  # pushes that have no slope at the clean picture
LEAST_SKILL = 1e-3  # that no surrogate falls below: one of them has to lead
FAINT = 0.05  # of the most trusted one's trust


@dataclass(frozen=True)
class Cast:
    """Surrogates that stand together as one encoder, how far each is trusted, and the moves by which their slopes are followed."""

    networks: tuple[HashingNetwork, ...]
    trust: tuple[float, ...]
    moves: Moves

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that all of them know: they learned from the same texts."""
        return self.networks[0].vocabulary

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        """The mean of their relaxed codes, by trust."""
        return self._mean([network.encode_images(images) for network in self.networks])

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items bits"]:
        """The mean of their relaxed codes, by trust."""
        return self._mean([network.encode_texts(texts) for network in self.networks])

    def folded(self) -> "Cast":
        """The same for slopes alone, which are found sooner in networks without batch normalisations."""
        return replace(self, networks=tuple(folded(network) for network in self.networks))

    def keeping(
        self, clean: Float[Tensor, "items 3 height width"], codes: Float[Tensor, "items bits"], push: Push = "bits", nearness: float = 0.0
    ) -> Value:
        """How firmly pictures near these still have those codes.

        "bits": the mean of b z over bits and surrogates, z in units of its clean mean |z|; unbounded, so that a bit counts on both sides
        of its flip, and a sure one no less than one in doubt. "relaxed": of b tanh(z). "features": the cosine of what the tower makes of
        the picture and of the clean one, whatever the bits; "middle": of what its middle layer does. nearness: a bit counts less by this
        power of 1 + its clean |z|. codes: in [-1, 1]; a bit b of less than 1 counts as much less.
        """
        looks = [halfway(network) if push == "middle" else network.look_at_images for network in self.networks]
        with torch.no_grad():
            before = [network.project_images(clean) for network in self.networks]
        scales = [each.abs().mean(1, keepdim=True).clamp(min=1e-6) for each in before]
        weights = [(1 + each.abs() / scale) ** -nearness for each, scale in zip(before, scales, strict=True)]
        seen = dict[tuple[int, torch.Size], Tensor]()  # of the clean pictures, by surrogate and the size at which it looks at them

        def before_at(number: int, size: torch.Size) -> Tensor:
            if (number, size) not in seen:
                with torch.no_grad():
                    seen[number, size] = looks[number](clean if size == clean.shape[2:] else at_size(clean, size))
            return seen[number, size]

        def part(number: int, points: Float[Tensor, "items 3 height width"]) -> Float[Tensor, " items"]:
            network, weight = self.networks[number], weights[number]
            if push in FLAT:
                return cosine_similarity(looks[number](points), before_at(number, points.shape[2:]))
            made = network.project_images(points)
            firm = made.tanh() if push == "relaxed" else made / scales[number]
            found: Tensor = (codes * weight * firm).mean(1)
            return found

        return lambda points: torch.stack([trust * part(number, points) for number, trust in enumerate(self.trust)]).sum(0)

    def votes(self, images: Bytes, codes: Codes, device: str) -> Float[Tensor, " items"]:
        """How many of those bits each picture has turned by the word of each surrogate; the mean, by trust."""
        turned = [harden(encode_images(network, images, device=device)) != codes for network in self.networks]
        return torch.stack([trust * each.float().mean(1) for trust, each in zip(self.trust, turned, strict=True)]).sum(0)

    def judged(self, clean: Bytes, changed: Bytes, turned: Float[Tensor, "items bits"]) -> "Cast":
        """The same, each trusted by the square of how well it foresaw which bits turned: its correlation with what did, over all bits."""
        skills = [correlation(self._turned(network, clean, changed), turned) for network in self.networks]
        return replace(self, trust=tuple(max(skill, LEAST_SKILL) ** 2 for skill in skills))

    def leading(self) -> "Cast":
        """Those alone whose trust is not next to nothing beside the most trusted one's: the others would cost time and change little."""
        kept = [pair for pair in self._pairs() if pair[0] >= FAINT * max(self.trust)]
        trust, networks = zip(*kept, strict=True)
        return replace(self, networks=networks, trust=trust)

    def joined(self, trust: float, networks: Sequence[HashingNetwork]) -> "Cast":
        """With these beside them, each trusted as far as that."""
        return replace(self, networks=(*self.networks, *networks), trust=(*self.trust, *[trust] * len(networks)))

    def _mean(self, codes: Sequence[Float[Tensor, "items bits"]]) -> Float[Tensor, "items bits"]:
        return torch.stack([trust / sum(self.trust) * each for trust, each in zip(self.trust, codes, strict=True)]).sum(0)

    def _turned(self, network: HashingNetwork, clean: Bytes, changed: Bytes) -> Tensor:
        device = next(network.parameters()).device
        before, after = (harden(encode_images(network, side, device=device)) for side in (clean, changed))
        return (before != after).float()

    def _pairs(self) -> Iterator[tuple[float, HashingNetwork]]:
        return zip(self.trust, self.networks, strict=True)


def agreed(codes: Codes, known: Int8[Tensor, "known bits"], count: int) -> Float[Tensor, "items bits"]:
    """The mean of the `count` known codes nearest each of these, 1 or -1 in bits that they share; of none, the codes themselves."""
    if not count:
        return codes.float()
    nearest = (codes.float() @ known.float().T).topk(min(count, len(known)), dim=1).indices
    return known[nearest].float().mean(1)


def correlation(foreseen: Float[Tensor, "items bits"], turned: Float[Tensor, "items bits"]) -> float:
    """Of two tables of zeros and ones; 0 where either is the same everywhere."""
    first, second = (table.double().flatten() - table.double().mean() for table in (foreseen, turned))
    size = first.norm() * second.norm()
    return float(first @ second / size) if size > 0 else 0.0
