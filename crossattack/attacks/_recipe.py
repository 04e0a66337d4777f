"""The settings of a surrogate."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True, kw_only=True)
class SurrogateRecipe:
    """How a surrogate is built and trained.

    image_tower, text_tower, weights: as for a target; "own" starts EfficientNet-Lite0 from ImageNet, as the target does.
    epochs, least_steps: passes over the answers; more of them where a small budget would give fewer steps than `least_steps`.
    margin: of the triplets, on the relaxed Hamming distance in [0, 1]. quantisation: its weight beside the triplets.
    bits: of its codes, where answers do not show how many the target's have.
    """

    image_tower: str = "efficientnet_lite0"
    text_tower: str = "bag_of_words"
    weights: str = "own"
    margin: Annotated[float, Field(ge=0, le=1)] = 0.25
    quantisation: Annotated[float, Field(ge=0)] = 1.0
    per_anchor: Annotated[int, Field(ge=1)] = 4
    bits: Annotated[int, Field(ge=1, le=1024)] = 32
    epochs: Annotated[int, Field(ge=1)] = 10
    least_steps: Annotated[int, Field(ge=0)] = 300
    batch: Annotated[int, Field(ge=2)] = 32
    lr: Annotated[float, Field(gt=0)] = 1e-3
    tower_lr: Annotated[float, Field(gt=0)] = 3e-4
