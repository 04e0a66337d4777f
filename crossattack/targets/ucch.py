"""Unsupervised Contrastive Cross-modal Hashing."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from crossattack.datasets import Pairs
from crossattack.progress import Progress
from crossattack.targets._fitting import (
    Batch,
    Bits,
    Epochs,
    Hidden,
    Lesson,
    Material,
    Positive,
    Share,
    Weight,
    fitted,
    towers,
    with_texts,
)
from crossattack.targets._memory import Memory
from crossattack.targets._trained import NetworkTarget, Precision, trained
from surrogates.course import Course
from surrogates.network import HashingNetwork

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Ucch:
    """UCCH: two networks told to find each pair among all others, by codes in a memory; unsupervised, it never sees a label.

    The memory has a vector for each pair, the running mean of what the networks make of it, and its signs are the pair's code. The
    loss is `alpha` times a contrast, the cross entropy of telling the own pair from the codes of all pairs by
    <sign, h> / (temperature sqrt(bits)), h the relaxed code at length one, plus 1 - alpha times a ranking of the batch: for each
    item log sum exp of its cosines to the other modality, less that to its own pair, plus `margin`, where cosines that are below the own
    pair's by more than the margin are lowered by `shift`.

    Differs from the paper: the contrast is with the whole memory instead of 4,096 drawn pairs; the picture tower learns from the first
    step; hidden layers of 1,024 instead of 8,192; AdamW on a cosine schedule; the last epoch is kept, as the best one would be
    chosen by labels, which is what the released code does on the retrieval set; for the same reason there is no `patience`.

    Paper: Hu, Zhu, Lin, Peng, Zhao, Peng, "Unsupervised Contrastive Cross-Modal Hashing", IEEE TPAMI 2023.
    """

    supervised: ClassVar[bool] = False
    bits: Bits = 32
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    hidden: Hidden = (1024,)
    alpha: Share = 0.7
    temperature: Positive = 0.9
    momentum: Share = 0.4
    margin: Weight = 0.2
    shift: Weight = 0.1
    epochs: Epochs = 5
    batch: Batch = 64
    lr: Positive = 1e-3
    tower_lr: Positive = 3e-4
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs, not from their labels; trained on first use."""
        pairs = with_texts("ucch", train)
        return trained("ucch", self, VERSION, train, device, partial(self.fit, pairs, device=device, progress=progress))

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs and tell of the last tenth (other concepts)."""
        build = towers(self, self.bits, self.hidden)
        return fitted("ucch", self, pairs, build, self.lesson, device=device, progress=progress, course=course)

    def lesson(self, network: HashingNetwork, material: Material) -> Lesson:
        """The contrast with the memory, and the ranking of the batch."""
        start = torch.randn(len(material.pairs), self.bits, generator=material.streams.torch("ucch", "memory"))
        memory, heat = Memory(codes=normalize(start, dim=1)).to(material.device), self.temperature * self.bits**0.5

        def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            batch = batch.to(material.device)
            images, texts = (normalize(torch.tanh(side), dim=1) for side in (outputs, network.project_texts(material.texts(batch))))
            codes = torch.where(memory["codes"] >= 0, 1.0, -1.0)
            contrast = cross_entropy(images @ codes.T / heat, batch) + cross_entropy(texts @ codes.T / heat, batch)
            moved = self.momentum * memory["codes"][batch] + (1 - self.momentum) * normalize((images + texts).detach(), dim=1)
            memory["codes"][batch] = normalize(moved, dim=1)
            scores = images @ texts.T
            return self.alpha * contrast + (1 - self.alpha) * (self.ranking(scores) + self.ranking(scores.T))

        return Lesson(objective, along=memory)

    def ranking(self, scores: Float[Tensor, "items items"]) -> Float[Tensor, ""]:
        """Mean over items, the rows, of margin - own + log sum exp of all, what is far below the own lowered by the shift."""
        own = scores.diagonal()[:, None]
        lowered = torch.where(scores >= own - self.margin, scores, scores - self.shift)
        return (self.margin - scores.diagonal() + lowered.logsumexp(1)).mean()
