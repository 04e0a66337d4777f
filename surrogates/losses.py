"""Losses on relaxed codes: triplets, quantisation, and DCMH's pairwise likelihood."""

from jaxtyping import Bool, Float
from torch import Tensor, relu
from torch.nn.functional import softplus


def relaxed_distance(first: Float[Tensor, "*#shape bits"], second: Float[Tensor, "*#shape bits"]) -> Float[Tensor, "*#shape"]:
    """The Hamming distance (K - <a, b>) / 2 of codes, carried over to relaxed codes and divided by K: in [0, 1]."""
    return (1 - (first * second).mean(-1)) / 2


def triplet_margin(
    anchors: Float[Tensor, "triplets bits"],
    positives: Float[Tensor, "triplets bits"],
    negatives: Float[Tensor, "triplets bits"],
    margin: float,
) -> Float[Tensor, ""]:
    """Mean of max(0, margin + D(anchor, positive) - D(anchor, negative)), D the relaxed distance in [0, 1]."""
    return relu(margin + relaxed_distance(anchors, positives) - relaxed_distance(anchors, negatives)).mean()


def quantisation(relaxed: Float[Tensor, "items bits"], codes: Float[Tensor, "items bits"]) -> Float[Tensor, ""]:
    """Mean squared distance of relaxed codes from the codes they should become."""
    return (relaxed - codes).square().mean()


def pairwise_likelihood(
    images: Float[Tensor, "images bits"], texts: Float[Tensor, "texts bits"], relevant: Bool[Tensor, "images texts"]
) -> Float[Tensor, ""]:
    """DCMH's negative log likelihood, mean over pairs: log(1 + exp(theta)) - S theta with theta = <u, v> / 2.

    softplus is log(1 + exp) without the overflow that the released code has beyond theta = 88.
    """
    theta = images @ texts.T / 2
    return (softplus(theta) - relevant * theta).mean()
