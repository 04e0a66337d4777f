"""Differentiable Cross-modal Hashing via Multimodal Transformers."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.errors import UsageError
from crossattack.progress import Progress
from crossattack.targets._fitting import Batch, Bits, Epochs, Lesson, Material, Positive, Share, Weight, fitted, with_texts
from crossattack.targets._trained import NetworkTarget, Precision, kept, once_trained, opened, written
from surrogates._hub import refusal
from surrogates.clip import ClipNetwork, clip_network, from_file, to_bytes
from surrogates.course import Course

VERSION = 1
WANTED = "target.clip: a folder with a CLIP of transformers, or the name of one, wanted"
WAYS = "download one to a folder and name that with `--set target.clip=DIR`, go where the hub can be reached, or choose another target"


@dataclass(frozen=True, kw_only=True)
class Dchmt:
    """DCHMT: both towers of a CLIP, fine-tuned under hash heads whose bit is the larger of two outputs; supervised.

    With relaxed codes c in [-1, 1], the difference of a pair after its softmax, the squared distance of two items is
    d^2 = |c - c'|^2 / 2. Between and within the modalities, the loss has d^2 where a label is shared and
    max(0, sqrt(2 bits threshold) - d)^2 where none is, plus `quantisation` times the mean of 1 - c^2.

    clip: a folder with a CLIP in transformers' files (config.json, weights, tokeniser), or its name on the hub.

    Differs from the paper: no ReLU before the softmax, under which both outputs of a pair may be zero, a tie without a slope; the
    attention of one place to itself is written as the two linear layers that it is; AdamW on a cosine schedule; the epoch is chosen on
    a tenth of train that is not learned from.

    Paper: Tu, Liu, Lin, Hong, Wang, "Differentiable Cross-modal Hashing via Multimodal Transformers", ACM MM 2022.
    """

    supervised: ClassVar[bool] = True
    clip: Annotated[str, Field(min_length=1)] = "openai/clip-vit-base-patch32"
    bits: Bits = 32
    length: Annotated[int, Field(ge=3, le=512)] = 32
    threshold: Share = 0.75
    quantisation: Weight = 1e-3
    epochs: Epochs = 30
    batch: Batch = 128
    lr: Positive = 1e-3
    tower_lr: Positive = 1e-5
    patience: Epochs | None = None
    precision: Precision = "float32"
    seed: int = 0

    @property
    def lacks(self) -> str | None:
        """What is missing to train it, known before data are read; None where nothing is, or it was trained here already."""
        reason = None if once_trained("dchmt", clip=self.clip) else refusal(self.clip, "clip")
        return f"{WANTED}, {reason}; {WAYS}." if reason else None

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs; trained on first use. `UsageError` where they have no texts or there is no CLIP."""
        pairs = with_texts("dchmt", train)
        fit = written(partial(self.fit, pairs, device=device, progress=progress), to_bytes)
        path, manifest = kept("dchmt", self, VERSION, train, fit)
        return NetworkTarget(opened(from_file, path).to(device), manifest["sha256"][:16], manifest)

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[ClipNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs, choosing the epoch on the last tenth (other concepts)."""
        ways: dict[str, Any] = {"device": device, "progress": progress, "course": course}
        return fitted("dchmt", self, pairs, lambda _: self.opened(), self.lesson, **ways)

    def opened(self) -> ClipNetwork:
        """The CLIP that is asked for, under fresh heads; `UsageError` where there is none."""
        try:
            return clip_network(self.clip, self.bits, self.length)
        except (OSError, ValueError) as error:
            says = " ".join(str(error).split())
            says = says if says.startswith(repr(self.clip)) else f"{self.clip!r} got ({says:.160})"
            raise UsageError(f"{WANTED}, {says}; {WAYS}.") from error

    def lesson(self, network: ClipNetwork, material: Material) -> Lesson:
        """Distances between and within the modalities, and quantisation."""

        def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            images, texts = torch.tanh(outputs), network.encode_texts(material.texts(batch))
            relevant = material.relevant(batch)
            loss = sum(self.distances(*two, relevant) for two in ((images, texts), (images, images), (texts, texts)))
            return loss + self.quantisation * (1 - torch.cat([images, texts]).square().mean())

        return Lesson(objective)

    def distances(
        self, first: Float[Tensor, "items bits"], second: Float[Tensor, "items bits"], relevant: Bool[Tensor, "items items"]
    ) -> Float[Tensor, ""]:
        """Mean over all two items: the squared distance of relevant ones, what others lack of the least distance, squared."""
        products = first @ second.T
        squared = (first.square().sum(1)[:, None] - 2 * products + second.square().sum(1)).clamp(min=1e-12) / 2
        least = (2 * self.bits * self.threshold) ** 0.5
        return torch.where(relevant, squared, (least - squared.sqrt()).clamp(min=0).square()).mean()
