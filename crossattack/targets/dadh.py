"""Deep Adversarial Discrete Hashing."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossattack.datasets import Pairs
from crossattack.progress import Progress
from crossattack.targets._adversary import adversary, critic_loss
from crossattack.targets._fitting import Batch, Bits, Epochs, Hidden, Lesson, Material, Positive, Weight, fitted, towers, with_texts
from crossattack.targets._memory import Memory
from crossattack.targets._trained import NetworkTarget, Precision, trained
from surrogates.course import Course
from surrogates.network import HashingNetwork

VERSION = 1
PENALTY = 10.0  # of the critics' gradients


@dataclass(frozen=True, kw_only=True)
class Dadh:
    """DADH: two networks under triplets, discrete codes that labels explain, and two critics of modality; supervised.

    The loss of a batch has three parts. Triplets, `alpha`: for an anchor of either modality, a positive and a negative of the other,
    max(0, margin + cos(a, n) - cos(a, p)) of the relaxed codes, weighted by how many more labels the positive shares. Codes, `beta`:
    the distance from B = sign(L P + mu (H_I + H_T) / 2), where H are the relaxed codes of all train items, L their labels, and P the ridge
    regression (`ridge`) of H on L; B is made anew each epoch, from the second on. Adversaries, `gamma`: a critic of the
    last hidden features and one of the relaxed codes tell texts from pictures, under a gradient penalty of 10.

    Differs from the paper: the picture tower learns along instead of making features once for all, and so gradients reach pixels;
    networks and critics take one step together through a reversed gradient instead of turns; hidden layers of 1,024 instead of
    8,192, 4,096 and 2,048 (`hidden`); triplets go between modalities only; a margin of 1 and critics at a tenth of their weight
    instead of 0.4 and 1; AdamW on a cosine schedule; the epoch is chosen on a tenth of train that is not learned from.

    Paper: Bai, Zeng, Ma, Zhang, Chen, "Deep Adversarial Discrete Hashing for Cross-Modal Retrieval", ICMR 2020.
    """

    supervised: ClassVar[bool] = True
    bits: Bits = 32
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    hidden: Hidden = (1024,)
    margin: Annotated[float, Field(ge=0, le=2)] = 1.0
    alpha: Weight = 10.0
    beta: Weight = 1.0
    gamma: Weight = 0.1
    mu: Weight = 1e-5
    ridge: Positive = 1.0
    epochs: Epochs = 5
    batch: Batch = 64
    lr: Positive = 1e-3
    tower_lr: Positive = 3e-4
    patience: Epochs | None = None
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs; trained on first use. `UsageError` where they have no texts."""
        pairs = with_texts("dadh", train)
        return trained("dadh", self, VERSION, train, device, partial(self.fit, pairs, device=device, progress=progress))

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs, choosing the epoch on the last tenth (other concepts)."""
        build = towers(self, self.bits, self.hidden)
        return fitted("dadh", self, pairs, build, self.lesson, device=device, progress=progress, course=course)

    def lesson(self, network: HashingNetwork, material: Material) -> Lesson:
        """Triplets, discrete codes and critics of a batch, whose pictures come as last hidden features."""
        labels = material.pairs.labels.float().to(material.device)
        critics = nn.ModuleDict({"features": adversary(self.hidden[-1]), "codes": adversary(self.bits)}).to(material.device)
        generator, nothing = material.streams.torch("dadh", "between"), labels.new_zeros(len(labels), self.bits)
        memory = Memory(generator, relaxed=nothing.clone(), codes=nothing.clone()).to(material.device)

        def fool(name: str, images: Tensor, texts: Tensor) -> Tensor:
            return critic_loss(critics[name], images, texts, penalty=PENALTY, generator=generator)

        def objective(features: Float[Tensor, "batch features"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            batch, step = batch.to(material.device), memory.count()
            words = network.text_head[:-1](network.text_tower(material.texts(batch)))  # type: ignore[index]
            images, texts = torch.tanh(network.image_head[-1](features)), torch.tanh(network.text_head[-1](words))  # type: ignore[index]
            if step and step % material.steps == 0:
                memory["codes"].copy_(explained(labels, memory["relaxed"], self.ridge, self.mu))
            memory["relaxed"][batch] = (images.detach() + texts.detach()) / 2
            shared = labels[batch] @ labels[batch].T
            loss = self.alpha * (
                weighted_triplets(images, texts, shared, self.margin) + weighted_triplets(texts, images, shared, self.margin)
            )
            loss = loss + self.gamma * (fool("features", features, words) + fool("codes", images, texts))
            if step >= material.steps:
                loss = loss + self.beta * sum((memory["codes"][batch] - side).square().mean() for side in (images, texts))
            return loss

        def forward(pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
            found: Tensor = network.image_head[:-1](network.image_tower(pictures))  # type: ignore[index]
            return found

        return Lesson(objective, forward, nn.ModuleList([critics, memory]))


def weighted_triplets(
    anchors: Float[Tensor, "items bits"], others: Float[Tensor, "items bits"], shared: Float[Tensor, "items items"], margin: float
) -> Float[Tensor, ""]:
    """Mean hinge over those triplets of a batch that are not as they should be yet, so that few weigh as much as many.

    A positive shares a label with the anchor, a negative none. shared: how many labels item i and item j have in common. A triplet
    weighs 2^shared - 1 of its positive.
    """
    cosines = normalize(anchors, dim=1) @ normalize(others, dim=1).T
    hinge = (margin + cosines[:, None, :] - cosines[:, :, None]).clamp(min=0)  # (anchors, positives, negatives)
    weights = (2**shared - 1)[:, :, None] * (shared == 0)[:, None, :] * (hinge > 0)
    return (weights * hinge).sum() / weights.sum().clamp(min=1)


def explained(
    labels: Float[Tensor, "items labels"], relaxed: Float[Tensor, "items bits"], ridge: float, mu: float
) -> Float[Tensor, "items bits"]:
    """B = sign(L P + mu H), P the ridge regression of the relaxed codes H on the labels; the sign of 0 is 1."""
    weights = torch.linalg.solve(labels.T @ labels + ridge * torch.eye(labels.shape[1], device=labels.device), labels.T @ relaxed)
    return torch.where(labels @ weights + mu * relaxed >= 0, 1.0, -1.0)
