"""GeM: features of pictures by generalised-mean pooling, compared by their cosine."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.metrics.features import average_precision, places_of
from crossattack.progress import Progress
from crossattack.streams import Streams
from crossattack.targets._trained import Precision, kept, opened, validation_slice, written
from surrogates.course import Course
from surrogates.features import FeatureNetwork, from_file, to_bytes
from surrogates.texts import Texts
from surrogates.training import Schedule, train

VERSION = 1
SCALE = 16.0  # of cosines before the softmax


@dataclass(frozen=True)
class FeatureTarget:
    """A network of features as a target: pictures are searched with pictures, by cosine."""

    network: FeatureNetwork
    digest: str
    facts: dict[str, Any]

    @property
    def dim(self) -> int:
        return self.network.dim

    @property
    def similarity(self) -> Similarity:
        return Similarity.COSINE

    @property
    def reads_texts(self) -> bool:
        return False

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """None: it reads no words."""
        return ()

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return self.network.encode_images(images)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        raise UsageError("pictures wanted by gem, texts got; it has no text network.")


@dataclass(frozen=True, kw_only=True)
class Gem:
    """A picture network under generalised-mean pooling: the target of image retrieval, re-identification and face search.

    With `epochs: 0` the network is as its weights come (ImageNet's). With more, it learns on the train pictures to tell whom
    they show, by a softmax over 16 times the cosines between a feature and one learned vector a person; the epoch is
    chosen by mAP on people that it did not learn from.

    Differs from the paper: trained by classes rather than by contrastive pairs of a reconstructed scene; no whitening, and
    one scale of the picture.

    Paper: Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", IEEE TPAMI 2018.
    """

    reads_texts: ClassVar[bool] = False
    has_codes: ClassVar[bool] = False
    usual: ClassVar[dict[str, str]] = {"data": "instances", "attack": "uaa_gan", "oracle.reveals": "features"}
    image_tower: str = "efficientnet_lite0"
    weights: str = "own"
    pooling: Annotated[float, Field(ge=1, le=16)] = 3.0
    dim: Annotated[int, Field(ge=1, le=8192)] | None = None
    epochs: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 1e-3
    tower_lr: Annotated[float, Field(gt=0)] = 3e-4
    flip: bool = True
    patience: Annotated[int, Field(ge=1)] | None = None
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> FeatureTarget:
        """The target that learned from these pictures; trained on first use."""
        fit = written(partial(self.fit, train, device=device, progress=progress), to_bytes)
        path, manifest = kept("gem", self, VERSION, train, fit)
        return FeatureTarget(opened(from_file, path).to(device), manifest["sha256"][:16], manifest)

    def fit(
        self, pictures: Pairs, *, device: str, progress: Progress, course: Course | None = None
    ) -> tuple[FeatureNetwork, dict[str, Any]]:
        """The network, trained where `epochs` says so, and its mAP on a tenth of the people."""
        course, streams = course or Course(), Streams(self.seed)
        torch.manual_seed(streams.number("gem", "initial weights"))
        network = FeatureNetwork(self.image_tower, weights=self.weights, pooling=self.pooling, dim=self.dim).to(device).eval()
        if not self.epochs:
            return network, {}
        learned, validation = validation_slice(pictures, streams.numpy("gem", "validation"))
        people, member = np.unique(learned.groups.numpy(), return_inverse=True)
        if len(people) < 2:
            raise UsageError(f"pictures of two people or things at least wanted to train gem, {len(people)} got; or say `target.epochs=0`.")
        classes, whom = torch.nn.Linear(network.dim, len(people), bias=False).to(device), torch.from_numpy(member).long().to(device)
        network.add_module("classes", classes)  # trained along, and left out of what is kept

        def objective(outputs: Float[Tensor, "batch dim"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            cosines = torch.nn.functional.normalize(outputs, dim=1) @ torch.nn.functional.normalize(classes.weight, dim=1).T
            return torch.nn.functional.cross_entropy(SCALE * cosines, whom[batch.to(device)])

        told = ("epochs", "batch", "lr", "tower_lr", "flip", "patience", "precision")
        schedule = Schedule(**{name: getattr(self, name) for name in told})
        with progress.stage("training gem", self.epochs) as tick:
            score = None if len(validation) < 2 else lambda: validate(network, validation, device)
            train(network, learned.images, objective, schedule, streams.torch("gem", "batches"), tick=tick, score=score, course=course)
        del network.classes
        return network, {
            "validation": {"image_to_image": validate(network, validation, device)},
            "curve": course.curve,
            "precision": course.precision,
        }


def validate(network: FeatureNetwork, pictures: Pairs, device: str) -> float:
    """mAP of each picture among all others; 0 where nothing is to be found."""
    features = encode(network, "images", pictures.images, device=device)
    same = (pictures.groups[:, None] == pictures.groups[None, :]).numpy()
    scores = average_precision(places_of(features, features, same, np.eye(len(same), dtype=bool), "cosine"))
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0
