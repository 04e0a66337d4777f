"""A surrogate: an image/text hashing network that learned what the oracle answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor

from crossattack.cache import whole_file
from crossattack.codes import Codes
from crossattack.mining import mine_triplets
from crossattack.progress import Progress
from crossattack.streams import Streams
from surrogates.losses import quantisation, triplet_margin
from surrogates.network import HashingNetwork, from_file, network_for, to_bytes
from surrogates.texts import Text
from surrogates.training import Schedule, train


@dataclass(frozen=True, kw_only=True)
class SurrogateRecipe:
    """How a surrogate is built and trained.

    image_tower, text_tower, weights: as for a target; "own" starts EfficientNet-Lite0 from ImageNet, as the target does.
    epochs, least_steps: passes over the answers; more of them where a small budget would give fewer steps than `least_steps`.
    margin: of the triplets, on the relaxed Hamming distance in [0, 1]. quantisation: its weight beside the triplets.
    """

    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    margin: Annotated[float, Field(ge=0, le=1)] = 0.25
    quantisation: Annotated[float, Field(ge=0)] = 1.0
    per_anchor: Annotated[int, Field(ge=1)] = 4
    epochs: Annotated[int, Field(ge=1)] = 10
    least_steps: Annotated[int, Field(ge=0)] = 300
    batch: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 1e-3
    tower_lr: Annotated[float, Field(gt=0)] = 3e-4


@dataclass(frozen=True)
class Answers:
    """What was paid for: the attacker's pairs that were queried, and the codes that came back."""

    images: UInt8[Tensor, "pairs 3 height width"]
    texts: Sequence[Text]
    image_codes: Codes
    text_codes: Codes


@dataclass(frozen=True)
class Surrogate:
    """The trained network and the answers it learned from."""

    network: HashingNetwork
    answers: Answers


def fit_surrogate(answers: Answers, recipe: SurrogateRecipe, streams: Streams, device: str, progress: Progress, path: Path) -> Surrogate:
    """Train on triplets mined in both directions, plus quantisation towards the returned codes; kept at `path`.

    Triplets are mined anew for each batch: its pictures against all texts, all texts against its pictures. A text costs
    next to nothing to project, so every step sees all of them.

    Paper: Li, Gao, Deng, Liu, Huang, "Adversarial Attack on Deep Cross-Modal Hamming Retrieval", ICCV 2021. Differs from
    the paper: its margin, weights and networks are not known to us; the two modalities are trained together; the
    quantisation pulls towards the codes that the target returned rather than towards the surrogate's own signs.
    """
    if path.exists():
        return Surrogate(from_file(path).to(device), answers)
    torch.manual_seed(streams.number(path.stem, "initial weights"))
    bits = answers.image_codes.shape[1]
    network = network_for(answers.texts, image=recipe.image_tower, text=recipe.text_tower, bits=bits, weights=recipe.weights).to(device)
    generator = streams.torch(path.stem, "batches")
    image_codes, text_codes = answers.image_codes.float().to(device), answers.text_codes.float().to(device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        images, texts = outputs.tanh(), network.encode_texts(answers.texts)
        loss = recipe.quantisation * (quantisation(images, image_codes[batch]) + quantisation(texts, text_codes))
        for anchors, others, anchor_codes, other_codes in (
            (images, texts, answers.image_codes[batch], answers.text_codes),
            (texts, images, answers.text_codes, answers.image_codes[batch]),
        ):
            mined = mine_triplets(anchor_codes, other_codes, generator, per_anchor=recipe.per_anchor).to(device)
            if len(mined):
                loss = loss + triplet_margin(anchors[mined.anchors], others[mined.positives], others[mined.negatives], recipe.margin)
        return loss

    epochs = max(recipe.epochs, -(-recipe.least_steps // max(1, len(answers.images) // recipe.batch)))
    schedule = Schedule(epochs=epochs, batch=recipe.batch, lr=recipe.lr, tower_lr=recipe.tower_lr)
    with progress.stage(f"training {path.stem}", epochs) as tick:
        train(network, answers.images, objective, schedule, generator, tick=tick)
    with whole_file(path) as file:
        file.write_bytes(to_bytes(network))
    return Surrogate(network, answers)
