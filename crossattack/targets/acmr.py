"""Adversarial Cross-Modal Retrieval: continuous features of pictures and texts in one space."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from crossattack.datasets import Pairs
from crossattack.endpoint import Similarity
from crossattack.progress import Progress
from crossattack.targets._adversary import adversary, modality_loss
from crossattack.targets._fitting import Batch, Epochs, Hidden, Lesson, Material, Positive, Weight, fitted, towers, with_texts
from crossattack.targets._memory import Memory
from crossattack.targets._trained import NetworkTarget, Precision, trained
from surrogates.course import Course
from surrogates.network import HashingNetwork

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Acmr:
    """ACMR: two networks into one space of features, in which labels can be told and modalities cannot; supervised.

    Features are of length one and compared by their cosine, which orders items as their Euclidean distance does. The loss of a batch:
    `classes` times the cross entropy of one linear classifier of labels for both modalities; `near` times the mean squared distance
    of a picture and a text that share a label, plus `far` times the mean of max(0, margin - squared distance) of those that share
    none; and the loss of a classifier of modality through a reversed gradient, whose strength 2 / (1 + exp(-10 p)) - 1
    grows with the share p of training that is over.

    Squared distances are |a|^2 - 2 <a, b> + |b|^2; the released code has sums of values where these are squared.

    Differs from the paper: features are brought to length one before they are compared, in training too; distances of all pairs of
    the batch instead of drawn triplets; hidden layers with batch normalisation; AdamW on a cosine schedule; several labels an item
    share its weight; EfficientNet-Lite0 instead of VGG, and it learns along; the epoch is chosen on a tenth of train that is not
    learned from.

    Paper: Wang, Yang, Xu, Hanjalic, Shen, "Adversarial Cross-Modal Retrieval", ACM MM 2017.
    """

    supervised: ClassVar[bool] = True
    has_codes: ClassVar[bool] = False
    usual: ClassVar[dict[str, str]] = {"oracle.reveals": "features"}
    dim: Annotated[int, Field(ge=1, le=8192)] = 64
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    hidden: Hidden = (512,)
    classes: Weight = 1.0
    near: Weight = 1.0
    far: Weight = 1.0
    margin: Annotated[float, Field(ge=0, le=4)] = 2.0
    adversary: Weight = 0.1
    epochs: Epochs = 5
    batch: Batch = 64
    lr: Positive = 1e-3
    tower_lr: Positive = 3e-4
    patience: Epochs | None = None
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs; trained on first use. `UsageError` where they have no texts."""
        pairs = with_texts("acmr", train)
        fit = partial(self.fit, pairs, device=device, progress=progress)
        return trained("acmr", self, VERSION, train, device, fit, Similarity.COSINE)

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs, choosing the epoch on the last tenth (other concepts)."""
        build = towers(self, self.dim, self.hidden)
        ways: dict[str, Any] = {"device": device, "progress": progress, "course": course, "similarity": Similarity.COSINE}
        return fitted("acmr", self, pairs, build, self.lesson, **ways)

    def lesson(self, network: HashingNetwork, material: Material) -> Lesson:
        """Labels, distances and the adversary of a batch."""
        classes, judge = nn.Linear(self.dim, material.pairs.labels.shape[1]).to(material.device), adversary(self.dim).to(material.device)
        memory, all_steps = Memory(), material.steps * self.epochs

        def objective(outputs: Float[Tensor, "batch dim"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            images, texts = (normalize(torch.tanh(side), dim=1) for side in (outputs, network.project_texts(material.texts(batch))))
            labels = material.labels(batch)
            shares = labels / labels.sum(1, keepdim=True).clamp(min=1)
            told = sum(cross_entropy(classes(SCALE * side), shares) for side in (images, texts))
            apart = self.distances(images, texts, material.relevant(batch))
            strength = self.adversary * reversal(memory.count() / all_steps)
            return self.classes * told + apart + modality_loss(judge, images, texts, strength)

        return Lesson(objective, along=nn.ModuleList([classes, judge, memory]))

    def distances(
        self, images: Float[Tensor, "items dim"], texts: Float[Tensor, "items dim"], relevant: Bool[Tensor, "items items"]
    ) -> Float[Tensor, ""]:
        """Pairs of one label near, all others at least the margin apart."""
        squared = squared_distances(images, texts)
        alike, other = relevant.float(), 1 - relevant.float()
        near = (alike * squared).sum() / alike.sum().clamp(min=1)
        far = (other * (self.margin - squared).clamp(min=0)).sum() / other.sum().clamp(min=1)
        return self.near * near + self.far * far


SCALE = 4.0  # of features of length one before the classifier


def squared_distances(first: Float[Tensor, "first dim"], second: Float[Tensor, "second dim"]) -> Float[Tensor, "first second"]:
    """|a|^2 - 2 <a, b> + |b|^2 for each two."""
    return first.square().sum(1)[:, None] - 2 * first @ second.T + second.square().sum(1)


def reversal(done: float) -> float:
    """How strongly the adversary's gradient is turned round when that share of training is over: from 0 to nearly 1."""
    return 2 / (1 + math.exp(-10 * done)) - 1
