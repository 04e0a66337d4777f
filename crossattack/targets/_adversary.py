"""Adversaries that a network learns against in the same step, through a reversed gradient.

An adversary tells by a vector which modality it came from. It descends its own loss; what made the vector gets the same gradient
turned round, and so learns to make the two modalities alike.

Paper: Ganin, Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", ICML 2015, for the reversal; Gulrajani, Ahmed,
Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein GANs", NeurIPS 2017, for the critic's penalty.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _Reversal(torch.autograd.Function):
    """The identity; its gradient comes back multiplied by -strength."""

    @staticmethod
    def forward(context: Any, vectors: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return vectors.view_as(vectors)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None


def reversed_gradient(vectors: Float[Tensor, "items features"], strength: float = 1.0) -> Float[Tensor, "items features"]:
    """The same vectors; what made them gets their gradient turned round and scaled."""
    found: Tensor = _Reversal.apply(vectors, strength)
    return found


def adversary(features: int, width: int = 256) -> nn.Module:
    """Vectors -> one score each, (items, 1)."""
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 1))


def modality_loss(
    judge: nn.Module, images: Float[Tensor, "items features"], texts: Float[Tensor, "items features"], strength: float
) -> Float[Tensor, ""]:
    """What a classifier of modalities lowers, binary cross entropy, and what made the vectors raises, so much."""
    scores = judge(reversed_gradient(torch.cat([images, texts]), strength)).squeeze(1)
    told = torch.cat([torch.ones(len(images)), torch.zeros(len(texts))]).to(scores.device)
    return nn.functional.binary_cross_entropy_with_logits(scores, told)


def critic_loss(
    critic: nn.Module,
    images: Float[Tensor, "items features"],
    texts: Float[Tensor, "items features"],
    *,
    penalty: float,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """What a critic lowers and the makers of the vectors raise: its mean score of texts less that of pictures, and a penalty.

    The penalty is the mean of (length of the score's gradient - 1) squared, at random points between the two.
    """
    gap: Tensor = critic(reversed_gradient(texts)).mean() - critic(reversed_gradient(images)).mean()
    share = torch.rand(len(images), 1, generator=generator).to(images.device)
    between = (share * images.detach() + (1 - share) * texts.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    found: Tensor = gap + penalty * ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
    return found
