"""Knockoff: a surrogate that learns the order of ranked lists, pair by pair of places."""

from itertools import combinations

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from crossattack.attacks._answers import Answers, ListAnswers
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks._surrogate import Taught
from crossattack.encoding import take_texts
from surrogates.network import HashingNetwork
from surrogates.training import Schedule, augment

PLACES = 5  # of each list, evenly spaced from its head to its tail
MARGIN, BALANCE, QUANTISATION = 0.1, 0.01, 0.001


def ranked_pairs(
    network: HashingNetwork, answers: Answers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator
) -> Taught:
    """Of two items of a list the one that stands before is to be nearer, both ways; bits are to be balanced and settled.

    For two of five places i < j, spread evenly over the list, the hinge is max(0, margin + (d_i - d_j) / (j - i)), d the
    relaxed Hamming distance from the query. Every picture's list gives all of its ten pairs; a text's list gives one a
    step, drawn at random, as a picture costs far more to look at than a text.

    Paper: Zhu, Wang, Li, Zhang, Shen, Wang, "Efficient Query-based Black-box Attack against Cross-modal Hashing Retrieval",
    ACM Transactions on Information Systems 2023.
    """
    assert isinstance(answers, ListAnswers), "asked for by `needs`"
    device = next(network.parameters()).device
    texts_at, images_at = (_sampled(lists) for lists in (answers.image_lists, answers.text_lists))  # (pairs, places)
    ahead, behind = (torch.tensor(side) for side in zip(*combinations(range(texts_at.shape[1]), 2), strict=True))

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        images, texts = outputs.tanh(), network.encode_texts(take_texts(answers.texts, batch))
        listed, where = torch.unique(texts_at[batch], return_inverse=True)
        found = network.encode_texts(take_texts(answers.shown_texts, torch.searchsorted(answers.shown_text_ids, listed)))
        loss = _in_order(images, found, where[:, ahead], where[:, behind], behind - ahead)

        drawn = torch.randint(len(ahead), (len(batch), 1), generator=generator)
        two = torch.cat([ahead[drawn], behind[drawn]], dim=1)  # (batch, 2)
        listed, where = torch.unique(images_at[batch].gather(1, two), return_inverse=True)
        pictures = answers.shown_images[torch.searchsorted(answers.shown_image_ids, listed)]
        shown = network.encode_images(augment(pictures, schedule.shift, schedule.flip, generator).to(device))
        loss = loss + _in_order(texts, shown, where[:, :1], where[:, 1:], (two[:, 1:] - two[:, :1]))
        for relaxed in (images, texts):
            signs = torch.where(relaxed >= 0, 1.0, -1.0)
            loss = loss + BALANCE * len(relaxed) * relaxed.mean(0).square().mean() + QUANTISATION * (signs - relaxed).square().mean()
        return loss

    return Taught(objective)


def _sampled(lists: Int32[Tensor, "pairs top_k"]) -> Int64[Tensor, "pairs places"]:
    """Ids at evenly spaced places of each list; fewer than five of a list that is shorter."""
    places = torch.linspace(0, lists.shape[1] - 1, min(PLACES, lists.shape[1])).round().long()
    return lists[:, places].long()


def _in_order(
    queries: Float[Tensor, "queries bits"],
    found: Float[Tensor, "found bits"],
    nearer: Int64[Tensor, "queries couples"],
    farther: Int64[Tensor, "queries couples"],
    gap: Int64[Tensor, "..."],
) -> Float[Tensor, ""]:
    """Mean hinge of couples that are to be in this order."""
    distance = (1 - queries @ found.T / queries.shape[1]) / 2  # (queries, found), relaxed Hamming
    near, far = (distance.gather(1, side.to(distance.device)) for side in (nearer, farther))
    return torch.relu(MARGIN + (near - far) / gap.to(distance.device)).mean()
