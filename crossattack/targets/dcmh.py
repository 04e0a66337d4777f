"""Deep Cross-Modal Hashing."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.errors import UsageError
from crossattack.metrics.ranking import share_a_label
from crossattack.progress import Progress
from crossattack.streams import Streams
from crossattack.targets._trained import HashingTarget, Precision, course_of, trained, validate, validation_slice
from surrogates.course import Course
from surrogates.losses import pairwise_likelihood
from surrogates.network import HashingNetwork, network_for
from surrogates.training import Schedule, train

VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Dcmh:
    """DCMH: two networks under one pairwise likelihood, the supervised target that every attack paper attacks.

    With u and v the networks' outputs for a picture and a text, theta = <u, v> / 2 and S = 1 where they share a label, the
    loss of a batch is the likelihood's log(1 + exp(theta)) - S theta, plus gamma times the distance of both from the
    code B = sign(u + v), plus eta times the imbalance of each bit over the batch.

    Differs from the paper: one joint step on a batch's pairs instead of alternating whole epochs over the two networks,
    with B from the batch's own outputs instead of a table of all of them; means instead of sums; AdamW on a cosine
    schedule instead of plain gradient steps; EfficientNet-Lite0 instead of CNN-F unless `image_tower` says otherwise;
    the epoch is chosen on a tenth of train that is not learned from.

    Paper: Jiang, Li, "Deep Cross-Modal Hashing", CVPR 2017.
    """

    bits: Annotated[int, Field(ge=1, le=1024)] = 32
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    gamma: Annotated[float, Field(ge=0)] = 1.0
    eta: Annotated[float, Field(ge=0)] = 1.0
    epochs: Annotated[int, Field(ge=1)] = 5
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0)] = 1e-3
    tower_lr: Annotated[float, Field(gt=0)] = 3e-4
    patience: Annotated[int, Field(ge=1)] | None = None
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> HashingTarget:
        """The target that learned from these pairs; trained on first use. `UsageError` where they have no texts."""
        if not train.texts:
            raise UsageError(
                "dcmh: pictures with texts to learn from wanted, pictures alone got; choose `--data pictograms` or another target."
            )
        course = course_of("dcmh", self, VERSION, train)
        return trained("dcmh", self, VERSION, train, device, lambda: self.fit(train, device=device, progress=progress, course=course))

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs, choosing the epoch on the last tenth (other concepts)."""
        streams = Streams(self.seed)
        torch.manual_seed(streams.number("dcmh", "initial weights"))
        learned, validation = validation_slice(pairs, streams.numpy("dcmh", "validation"))
        network = network_for(learned.texts, image=self.image_tower, text=self.text_tower, bits=self.bits, weights=self.weights).to(device)
        labels = learned.labels

        def objective(images: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            texts = network.project_texts([learned.texts[i] for i in batch.tolist()])
            relevant = torch.from_numpy(share_a_label(labels[batch], labels[batch])).to(device)
            codes = torch.where(images + texts >= 0, 1.0, -1.0)
            quantised = (images - codes).square().mean() + (texts - codes).square().mean()
            balance = images.mean(0).square().mean() + texts.mean(0).square().mean()
            return pairwise_likelihood(images, texts, relevant) + self.gamma * quantised + self.eta * balance

        def score() -> float:
            return sum(validate(network, validation, device)) / 2

        schedule = Schedule(
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            tower_lr=self.tower_lr,
            patience=self.patience,
            precision=self.precision,
        )
        with progress.stage("training dcmh", self.epochs) as tick:
            train(network, learned.images, objective, schedule, streams.torch("dcmh", "batches"), tick=tick, score=score, course=course)
        image_to_text, text_to_image = validate(network, validation, device)
        reached = {"image_to_text": image_to_text, "text_to_image": text_to_image}
        return network, {"validation": reached, "curve": course.curve, "precision": course.precision}
