"""Deep Joint-Semantics Reconstructing Hashing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from crossattack.datasets import Pairs
from crossattack.encoding import BATCH_SIZE, as_floats
from crossattack.progress import Progress
from crossattack.stored import in_batches
from crossattack.targets._fitting import Batch, Bits, Epochs, Lesson, Material, Positive, Share, Weight, fitted, towers, with_texts
from crossattack.targets._memory import Memory
from crossattack.targets._trained import NetworkTarget, Precision, trained
from surrogates.course import Course
from surrogates.network import HashingNetwork
from surrogates.towers import image_tower, text_tower_for

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Djsrh:
    """DJSRH: two networks rebuild how alike pictures and words are by themselves; unsupervised, it never sees a label.

    What is alike is said by features of another network, which does not learn (`teacher`), and by the bags of words: with
    cosines S_I and S_T of a batch's items, turned to -1 to 1, S~ = beta S_I + (1 - beta) S_T, and
    S = mu [(1 - eta) S~ + eta S~ S~' / m]. The cosines of the relaxed codes tanh(alpha h) are drawn to S between the modalities, and
    within them with weights `of_images` and `of_texts`; alpha = sqrt(epoch) grows in training.

    Alpha belongs to training alone: what is kept answers with tanh(h), the same codes, so that a network read back has the
    gradients that it had.

    Differs from the paper: AdamW on a cosine schedule instead of plain gradient steps; EfficientNet-Lite0 instead of AlexNet;
    shares are chosen for drawings, whose words say more than ImageNet's features do and of which few are alike (for MIRFlickr the
    paper has beta 0.9, eta 0.4, mu 1.5); one hidden layer of words of 1,024 instead of 4,096; the last epoch is kept. There is no
    `patience`, as whether an epoch is better than another is told by labels.

    Paper: Su, Zhong, Zhang, "Deep Joint-Semantics Reconstructing Hashing for Large-Scale Unsupervised Cross-Modal Retrieval",
    ICCV 2019.
    """

    supervised: ClassVar[bool] = False
    bits: Bits = 32
    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    teacher: str = "efficientnet_lite0"
    beta: Share = 0.1
    eta: Share = 0.6
    mu: Positive = 3.0
    of_images: Weight = 0.1
    of_texts: Weight = 0.1
    epochs: Epochs = 5
    batch: Batch = 32
    lr: Positive = 1e-3
    tower_lr: Positive = 3e-4
    precision: Precision = "float32"
    seed: int = 0

    def load(self, train: Pairs, *, device: str, progress: Progress) -> NetworkTarget:
        """The target that learned from these pairs, not from their labels; trained on first use."""
        pairs = with_texts("djsrh", train)
        return trained("djsrh", self, VERSION, train, device, partial(self.fit, pairs, device=device, progress=progress))

    def fit(self, pairs: Pairs, *, device: str, progress: Progress, course: Course | None = None) -> tuple[HashingNetwork, dict[str, Any]]:
        """Train on nine tenths of the pairs and tell of the last tenth (other concepts)."""
        build = towers(self, self.bits)
        return fitted("djsrh", self, pairs, build, self.lesson, device=device, progress=progress, course=course)

    def lesson(self, network: HashingNetwork, material: Material) -> Lesson:
        """Cosines of relaxed codes against the joint likeness of what the teacher and the words say."""
        pictures, words = taught(self.teacher, material), bags(material)
        memory = Memory()

        def objective(images: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            alpha = (1 + memory.count() // material.steps) ** 0.5
            of_images, of_texts = (unit(torch.tanh(alpha * side)) for side in (images, network.project_texts(material.texts(batch))))
            wanted = self.joint(pictures[batch], words[batch])
            between = mse_loss(of_images @ of_texts.T, wanted)
            within = self.of_images * mse_loss(of_images @ of_images.T, wanted) + self.of_texts * mse_loss(of_texts @ of_texts.T, wanted)
            return between + within

        return Lesson(objective, along=memory)

    def joint(self, images: Float[Tensor, "items features"], texts: Float[Tensor, "items words"]) -> Float[Tensor, "items items"]:
        """S of a batch, from features of length one."""
        own = self.beta * (2 * images @ images.T - 1) + (1 - self.beta) * (2 * texts @ texts.T - 1)
        return self.mu * ((1 - self.eta) * own + self.eta * own @ own.T / len(own))


unit: Callable[[Tensor], Tensor] = lambda vectors: normalize(vectors, dim=1)  # noqa: E731


def taught(teacher: str, material: Material) -> Float[Tensor, "items features"]:
    """What a network that does not learn makes of the pictures, at length one."""
    tower = image_tower(teacher, "own").to(material.device).eval()
    with torch.inference_mode():
        found = [unit(tower(as_floats(part.to(material.device)))) for part in in_batches(material.pairs.images, BATCH_SIZE)]
    return torch.cat(found).clone()  # outside of inference mode


def bags(material: Material) -> Float[Tensor, "items words"]:
    """The texts as bags over their own vocabulary, at length one; zero where no word is known."""
    tower = text_tower_for("bag_of_words", material.pairs.texts, features=1)
    return unit(tower.bags(material.pairs.texts)).to(material.device)
