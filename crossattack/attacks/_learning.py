"""What a surrogate learns: triplets mined anew for each batch, in both directions, and quantisation."""

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from crossattack.attacks._answers import CodeAnswers, ListAnswers
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.encoding import take_texts
from crossattack.mining import Triplets, ascending, likeness, places, triplets_of
from surrogates.losses import quantisation, triplet_margin
from surrogates.network import HashingNetwork
from surrogates.training import Objective, Schedule, augment

AMONG = 0.1  # share of the others that counts as nearest, and as farthest
OWN_SIGNS, BALANCE = 0.01, 0.1  # from lists: weights beside the triplets; stronger pulls towards signs make all codes one
TEXTS_A_PICTURE = 8  # shown texts that a step looks at, for each of its pictures: a text costs next to nothing


def from_codes(network: HashingNetwork, answers: CodeAnswers, recipe: SurrogateRecipe, generator: torch.Generator) -> Objective:
    """A batch's pictures against all texts, all texts against its pictures; quantisation towards the codes that came back.

    Differs from the paper: the quantisation pulls towards the target's codes rather than the surrogate's own signs.
    """
    device = next(network.parameters()).device
    image_codes, text_codes = answers.image_codes.float().to(device), answers.text_codes.float().to(device)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        images, texts = outputs.tanh(), network.encode_texts(answers.texts)
        loss = recipe.quantisation * (quantisation(images, image_codes[batch]) + quantisation(texts, text_codes))
        for anchors, others, anchor_codes, other_codes in (
            (images, texts, answers.image_codes[batch], answers.text_codes),
            (texts, images, answers.text_codes, answers.image_codes[batch]),
        ):
            mined = triplets_of(likeness(anchor_codes, other_codes), generator, per_anchor=recipe.per_anchor, among=AMONG)
            loss = loss + _pull(anchors, others, mined, recipe.margin)
        return loss

    return objective


def from_lists(
    network: HashingNetwork, answers: ListAnswers, recipe: SurrogateRecipe, schedule: Schedule, generator: torch.Generator
) -> Objective:
    """A batch's pictures against texts that lists have shown, all texts against pictures that lists have shown.

    Each step draws, for each of the batch's pairs, one item from the head of each of its two lists, and more texts at
    random. Who is near and who is far among those drawn is then read off all lists. No code of the target is known, so the
    quantisation pulls towards the surrogate's own signs, as the paper has it.
    """
    device = next(network.parameters()).device
    of_texts = places(answers.image_lists, answers.shown_text_ids)  # (pairs, shown texts)
    of_images = places(answers.text_lists, answers.shown_image_ids)

    def objective(outputs: Float[Tensor, "batch bits"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        near_texts = _drawn(answers.image_lists[batch], answers.shown_text_ids, generator, (TEXTS_A_PICTURE - 1) * len(batch))
        near_images = _drawn(answers.text_lists[batch], answers.shown_image_ids, generator, 0)
        pictures = augment(answers.shown_images[near_images], schedule.shift, schedule.flip, generator).to(device)
        shown_images, shown_texts = network.encode_images(pictures), network.encode_texts(take_texts(answers.shown_texts, near_texts))
        images, texts = outputs.tanh(), network.encode_texts(answers.texts)
        sides = (images, texts, shown_images, shown_texts)
        settling, leaning = (torch.stack([of(relaxed) for relaxed in sides]).sum() for of in (_unsettled, _leaning))
        loss = recipe.quantisation * OWN_SIGNS * settling + BALANCE * leaning
        for anchors, others, similarity in (
            (images, shown_texts, of_texts[batch][:, near_texts]),
            (texts, shown_images, of_images[:, near_images]),
        ):
            loss = loss + _pull(
                anchors, others, triplets_of(similarity, generator, per_anchor=recipe.per_anchor, among=AMONG), recipe.margin
            )
        return loss

    return objective


def _drawn(
    lists: Int32[Tensor, "batch top_k"], shown: Int64[Tensor, " shown"], generator: torch.Generator, more: int
) -> Int64[Tensor, " drawn"]:
    """Positions among the shown: one of each list's head, and `more` of any; each once, and two at least.

    Batch normalisation has no use for one alone. Where no more than one item was ever shown, it is drawn twice.
    """
    head = max(1, min(lists.shape[1], round(AMONG * len(shown))))
    place = torch.randint(head, (len(lists), 1), generator=generator)
    near = torch.searchsorted(shown, lists.gather(1, place).flatten().long())
    drawn = ascending(torch.cat([near, torch.randint(len(shown), (more,), generator=generator)]))
    if len(drawn) > 1:
        return drawn
    another = (drawn + torch.randint(1, max(2, len(shown)), (1,), generator=generator)) % len(shown)
    return torch.cat([drawn, another]).sort().values


def _pull(anchors: Tensor, others: Tensor, mined: Triplets, margin: float) -> Tensor:
    if not len(mined):
        return anchors.new_zeros(())
    mined = mined.to(str(anchors.device))
    # index_select, not [ ]: the gradient of plain indexing adds up in whatever order the threads come, and no two runs agree.
    near, far = others.index_select(0, mined.positives), others.index_select(0, mined.negatives)
    return triplet_margin(anchors.index_select(0, mined.anchors), near, far, margin)


def _leaning(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, ""]:
    """How far each bit is from being +1 as often as -1."""
    return relaxed.mean(0).square().mean()


def _unsettled(relaxed: Float[Tensor, "items bits"]) -> Float[Tensor, ""]:
    """How far relaxed codes are from their own signs."""
    return quantisation(relaxed, torch.where(relaxed >= 0, 1.0, -1.0).detach())
