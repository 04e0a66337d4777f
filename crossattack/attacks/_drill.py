"""Drills: what a surrogate learns of the codes that came back, and how hard that is made for it.

    lesson      "bits": each bit is a class of its own, learned by its likelihood: mean of log(1 + exp(-b z)), z unbounded, b the bit that
                came back; "relations": that, and the square by which inner products of relaxed codes miss those of the codes, in
                bits; "margins": max(0, 1 - b z) instead, so that a bit that is right by 1 is let be; "triplets": AACH's
    strong      pictures are recoloured, resized and given noise beside the usual shift and mirror
    mixing      batches of which each picture is mixed with another, and each loss as much, as a share of all
    robust      pictures are changed within this radius, to where the surrogate's own code is farthest from the clean one
    averaging   of weights over steps, see `Schedule`
    unasked     weight of a loss on own pictures that nobody asked about: strongly changed, they are to keep the surrogate's own bits

Paper: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Madry, Makelov, Schmidt, Tsipras, Vladu,
"Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018; Sohn and others, "FixMatch", NeurIPS 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import softplus

from crossattack.attacks._answers import Answers, CodeAnswers
from crossattack.attacks._learning import from_codes, from_lists
from crossattack.attacks._moves import resized
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks._surrogate import Taught
from surrogates.network import HashingNetwork
from surrogates.training import Objective, Schedule, augment
from surrogates.worst import farthest_codes

Subject: TypeAlias = Literal["bits", "relations", "margins", "triplets"]
COLOUR, LIGHT, NOISE, RESIZED = 0.3, 0.1, 0.05, 0.7  # factors of 1 +- 0.3, 0.1 brighter or darker, noise, and how many are resized
SEARCH = 2  # steps to the worst picture


@dataclass(frozen=True)
class Drill:
    """A lesson with these settings; all at nought it is likelihood of bits alone. others: own pictures that nobody asked about."""

    lesson: Subject = "bits"
    strong: bool = False
    mixing: float = 0.0
    robust: float = 0.0
    averaging: float = 0.0
    unasked: float = 0.0
    others: UInt8[Tensor, "others 3 height width"] | None = None

    def __call__(
        self, network: HashingNetwork, answers: Answers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator
    ) -> Taught:
        """Of lists, which say no bits, triplets are learned whatever the lesson."""
        plain = self._lesson(network, answers, recipe, schedule, generator)
        mixed: tuple[float, Tensor] | None = None  # of the batch at hand: the first picture's share, and which is the second

        def outputs(pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch bits"]:
            nonlocal mixed
            mixed = None
            shown = strongly(pictures, generator) if self.strong else pictures
            if self.mixing and self._draw(generator) < self.mixing:
                share, other = mixed = self._draw(generator), torch.randperm(len(shown), generator=generator)
                shown = share * shown + (1 - share) * shown[other.to(shown.device)]
            if self.robust:
                start = 2 * torch.rand(shown.shape, generator=generator).to(shown.device) - 1
                network.eval()  # so that the search leaves no trace in running statistics
                shown = farthest_codes(network.encode_images, shown, start, eps=self.robust, steps=SEARCH)
                network.train()
            return network.project_images(shown)

        def objective(made: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            if mixed is None:
                loss = plain(made, batch)
            else:
                share, other = mixed
                loss = share * plain(made, batch) + (1 - share) * plain(made, batch[other])
            return loss + self.unasked * self._alike(network, len(batch), schedule, generator) if self.unasked else loss

        return Taught(objective, outputs if self.strong or self.mixing or self.robust else None, self.averaging)

    def _lesson(
        self, network: HashingNetwork, answers: Answers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator
    ) -> Objective:
        if not isinstance(answers, CodeAnswers):
            return from_lists(network, answers, recipe, schedule, generator)
        if self.lesson == "triplets":
            return from_codes(network, answers, recipe, generator)
        return of_bits(network, answers, margin if self.lesson == "margins" else softplus, related=self.lesson == "relations")

    def _alike(self, network: HashingNetwork, count: int, schedule: Schedule, generator: torch.Generator) -> Tensor:
        """How far strongly changed pictures are from the bits that they have with a shift alone, each as much as it is sure of them."""
        if self.others is None or not len(self.others):
            return torch.zeros(())
        drawn = torch.randint(len(self.others), (count,), generator=generator)
        device = next(network.parameters()).device
        pictures = augment(self.others[drawn], schedule.shift, schedule.flip, generator).to(device)
        with torch.no_grad():
            sure = network.encode_images(pictures)
        changed = network.project_images(strongly(pictures, generator))
        found: Tensor = (sure.abs() * softplus(-sure.sign() * changed)).mean()
        return found

    @staticmethod
    def _draw(generator: torch.Generator) -> float:
        return float(torch.rand((), generator=generator))


def of_bits(network: HashingNetwork, answers: CodeAnswers, missed: Callable[[Tensor], Tensor], *, related: bool) -> Objective:
    """The mean of `missed`(-b z) over the bits that came back, of a batch's pictures and of all texts; with their relations if told so.

    By `softplus` it is minus the mean log-likelihood.
    """
    device = next(network.parameters()).device
    image_codes, text_codes = answers.image_codes.float().to(device), answers.text_codes.float().to(device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Tensor) -> Float[Tensor, ""]:
        wanted = image_codes[batch.to(device)]
        texts: Tensor = missed(-text_codes * network.project_texts(answers.texts)).mean()
        pictures: Tensor = missed(-wanted * outputs).mean()
        if not related:
            return pictures + texts
        relaxed, bits = outputs.tanh(), wanted.shape[1]
        return pictures + texts + ((relaxed @ relaxed.T - wanted @ wanted.T) / bits).square().mean()

    return objective


def margin(wrong: Tensor) -> Tensor:
    """How far outputs are from being right by 1."""
    return (1 + wrong).clamp(min=0)


def strongly(pictures: Float[Tensor, "batch 3 height width"], generator: torch.Generator) -> Float[Tensor, "batch 3 height width"]:
    """The pictures with other colours, light, size and place, and noise of up to 5 % of the range, each on its own."""

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.rand((len(pictures), *shape), generator=generator).to(pictures.device)

    coloured = pictures * (1 + COLOUR * (2 * draw((3, 1, 1)) - 1)) + LIGHT * (2 * draw((3, 1, 1)) - 1)
    placed = resized(coloured.clamp(0, 1), RESIZED, draw)
    noise = torch.randn(pictures.shape, generator=generator).to(pictures.device)
    return (placed + NOISE * draw((1, 1, 1)) * noise).clamp(0, 1)
