"""Deep Cross-Modal Hashing."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.progress import Progress
from crossattack.targets._fitting import Batch, Bits, Epochs, Lesson, Material, Positive, Weight, fitted, towers, with_texts
from crossattack.targets._hardening import Radius, hardened
from crossattack.targets._trained import NetworkTarget, Precision, trained
from surrogates.course import Course
from surrogates.losses import pairwise_likelihood
from surrogates.network import HashingNetwork

VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Dcmh:
    """DCMH: two networks under one pairwise likelihood, the supervised target that every attack paper attacks.

    With u and v the networks' outputs for a picture and a text, theta = <u, v> / 2 and S = 1 where they share a label, the
    loss of a batch is the likelihood's log(1 + exp(theta)) - S theta, plus gamma times the distance of both from the
    code B = sign(u + v), plus eta times the imbalance of each bit over the batch.

    adversarial, smoothing: radii against which training defends it, as adversarial training and virtual adversarial training do
    (docs/defences.md); off at 0.

    Differs from the paper: one joint step on a batch's pairs instead of alternating whole epochs over the two networks,
    with B from the batch's own outputs instead of a table of all of them; means instead of sums; AdamW on a cosine
    schedule instead of plain gradient steps; EfficientNet-Lite0 instead of CNN-F unless `image_tower` says otherwise;
    the epoch is chosen on a tenth of train that is not learned from.

    Paper: Jiang, Li, "Deep Cross-Modal Hashing", CVPR 2017.
    """

    supervised: ClassVar[bool] = True
    bits: Bits = 32
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    gamma: Weight = 1.0
    eta: Weight = 1.0
    epochs: Epochs = 5
    batch: Batch = 64
    lr: Positive = 1e-3
    tower_lr: Positive = 3e-4
    patience: Epochs | None = None
    precision: Precision = "float32"
    seed: int = 0
    adversarial: Radius = 0.0
    adversarial_steps: Annotated[int, Field(ge=1, le=1000)] = 3
    smoothing: Radius = 0.0
    smoothing_weight: Weight = 1.0

    @property
    def plain(self) -> "Dcmh":
        """The same without defences: what an attacker trains who does not know of them."""
        usual = {key: getattr(Dcmh, key) for key in ("adversarial", "adversarial_steps", "smoothing", "smoothing_weight")}
        return replace(self, **usual)

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs; trained on first use. `UsageError` where they have no texts."""
        pairs = with_texts("dcmh", train)
        return trained("dcmh", self, VERSION, train, device, partial(self.fit, pairs, device=device, progress=progress))

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs, choosing the epoch on the last tenth (other concepts)."""
        return fitted("dcmh", self, pairs, towers(self, self.bits), self.lesson, device=device, progress=progress, course=course)

    def lesson(self, network: HashingNetwork, material: Material) -> Lesson:
        """Likelihood, quantisation and balance of a batch."""

        def objective(images: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            texts = network.project_texts(material.texts(batch))
            codes = torch.where(images + texts >= 0, 1.0, -1.0)
            quantised = (images - codes).square().mean() + (texts - codes).square().mean()
            balance = images.mean(0).square().mean() + texts.mean(0).square().mean()
            return pairwise_likelihood(images, texts, material.relevant(batch)) + self.gamma * quantised + self.eta * balance

        radii: dict[str, float] = {"adversarial": self.adversarial, "smoothing": self.smoothing, "weight": self.smoothing_weight}
        return hardened(network, Lesson(objective), steps=self.adversarial_steps, **radii)
