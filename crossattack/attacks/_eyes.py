"""Eyes: the network whose gradients an attack follows, and what it sees of the attacked items.

Where the threat model grants a white box that is the target itself, and relevance is that of labels. Elsewhere it is a
surrogate, and what is relevant is what lies near in the codes that were paid for. Objectives cannot tell the two apart.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossattack.attacks import Items
from crossattack.attacks._aims import asked_aims, known_codes, modality_of, nearest_aims
from crossattack.attacks._context import AttackContext, OpenEncoder, WhiteBox
from crossattack.attacks._surrogate import FeatureSurrogate, Surrogate
from crossattack.codes import harden
from crossattack.encoding import encode, take_texts
from crossattack.endpoint import Similarity
from crossattack.ledger import Modality
from crossattack.objectives import Known, View
from crossattack.oracle import FINDS
from surrogates.texts import Texts

CANDIDATES = 32  # wanted items that are drawn for each attacked one
AMONG = 0.02  # share of known items that counts as near, and as far, where no labels are granted


@dataclass(frozen=True)
class Eyes:
    """A network with its weights frozen, `look`, which says what is known of some items, and how its outputs compare."""

    encoder: OpenEncoder
    look: Callable[[Items], View]
    similarity: Similarity = Similarity.HAMMING


@dataclass(frozen=True)
class Lengthened:
    """A network of features, each brought to the length of a code, sqrt(dim): the mean product of two is then their cosine."""

    encoder: OpenEncoder

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return self.encoder.vocabulary

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return lengthened(self.encoder.encode_images(images))

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        return lengthened(self.encoder.encode_texts(texts))


def lengthened(features: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
    """The same directions at length sqrt(dim)."""
    found: Tensor = torch.nn.functional.normalize(features, dim=1) * features.shape[1] ** 0.5
    return found


def open_eyes(context: AttackContext, *, reserve: int = 0, among: float = AMONG, asked: bool = False) -> Eyes:
    """The target where it is granted, else a surrogate trained on what the budget less `reserve` buys.

    among: the share of known items that counts as near, and as far. asked: by the target's own answer to each attacked
    item, one query each, rather than by the surrogate's.
    """
    if context.white_box is not None:
        box = context.white_box
        encoder = Lengthened(box.encoder) if box.similarity is Similarity.COSINE else box.encoder
        return Eyes(encoder, lambda items: _labelled(context, box, encoder, items), box.similarity)
    if not context.texts:
        made = context.feature_surrogate(reserve=reserve)
        network = Lengthened(made.network.requires_grad_(False))
        return Eyes(network, lambda items: _likened(context, made, network, items, among), Similarity.COSINE)
    surrogate = context.surrogate(reserve=reserve)
    return Eyes(surrogate.network.requires_grad_(False), lambda items: _answered(context, surrogate, items, among, asked))


def _labelled(context: AttackContext, box: WhiteBox, encoder: OpenEncoder, items: Items) -> View:
    """Relevant: the cosine of the labels. Irrelevant: no label in common. Of pictures alone, there is no other modality."""
    own, ids = modality_of(items), list(items.ids)
    codes = {"images": box.image_codes, "texts": box.image_codes if box.text_codes is None else box.text_codes}
    if box.similarity is Similarity.COSINE:
        codes = {modality: lengthened(features) for modality, features in codes.items()}
    likeness = _cosine(box.query_labels[ids], box.database_labels)
    wanted = _cosine(box.own_labels[context.wanted[own][ids]], box.database_labels)
    drawn = _drawn(context, items, wanted)
    other, same = (Known(codes[side].float(), likeness, (likeness == 0).float(), wanted, drawn) for side in (FINDS[own], own))
    chosen = codes[FINDS[own]][list(context.chosen.ids) if context.chosen else []]
    bits = box.similarity is Similarity.HAMMING
    return View(_clean(context, encoder, items), other, same, chosen.float(), bits).to(context.device)


def _likened(context: AttackContext, surrogate: FeatureSurrogate, network: OpenEncoder, items: Items, among: float) -> View:
    """Relevant: the nearest of the pictures whose features were paid for, by the surrogate. Irrelevant: the farthest."""
    clean, features = _clean(context, network, items), lengthened(surrogate.answers.features)
    likeness, count = clean @ features.T, max(1, round(among * len(features)))
    goal = encode(network, "images", context.images[context.wanted["images"][list(items.ids)]], device=context.device)
    near, far, wanted = (
        torch.zeros_like(likeness).scatter_(1, order.topk(count, dim=1).indices, 1.0) for order in (likeness, -likeness, goal @ features.T)
    )
    known = Known(features, near, far, wanted, _drawn(context, items, wanted))
    values = context.images[:0] if context.chosen is None else context.chosen.images
    chosen = encode(network, "images", values, device=context.device) if len(values) else features[:0]
    return View(clean, known, known, chosen, bits=False).to(context.device)


def _answered(context: AttackContext, surrogate: Surrogate, items: Items, among: float, asked: bool) -> View:
    """Relevant: the nearest of what is known, by the surrogate or by the target's answer. Irrelevant: the farthest."""
    own, clean = modality_of(items), _clean(context, surrogate.network, items)
    sides: list[Known] = []
    for side in (FINDS[own], own):
        if asked and side != own:
            aims = asked_aims(context, surrogate, items, among)
        else:
            aims = nearest_aims(context, harden(clean), known_codes(surrogate, side), items.ids, among)
        wanted = nearest_aims(context, _wanted_codes(context, surrogate, items, side), aims.codes, items.ids, among).near
        sides.append(Known(aims.codes.float(), aims.near, aims.far, wanted, _drawn(context, items, wanted)))
    other, same = sides
    return View(clean, other, same, _chosen(context, surrogate, FINDS[own])).to(context.device)


def _wanted_codes(context: AttackContext, surrogate: Surrogate, items: Items, side: Modality) -> Tensor:
    """The surrogate's codes of the pairs that targeted attacks are to resemble, in that modality."""
    positions = context.wanted[modality_of(items)][list(items.ids)]
    values = context.images[positions] if side == "images" else take_texts(context.texts, positions)
    return harden(encode(surrogate.network, side, values, device=context.device))


def _chosen(context: AttackContext, surrogate: Surrogate, side: Modality) -> Float[Tensor, "chosen bits"]:
    if context.chosen is None:
        return torch.zeros(0, surrogate.network.bits)
    values = context.chosen.images if side == "images" else context.chosen.texts
    return harden(encode(surrogate.network, side, values, device=context.device)).float()


def _clean(context: AttackContext, encoder: OpenEncoder, items: Items) -> Float[Tensor, "items bits"]:
    """Relaxed codes of the items as they are."""
    return encode(encoder, modality_of(items), items.values, device=context.device)


def _drawn(context: AttackContext, items: Items, wanted: Float[Tensor, "items known"]) -> Int64[Tensor, "items candidates"]:
    """Positions of wanted items in each row's own random order, over again where there are few; of any, where there is none."""
    rows = []
    for item, weights in zip(items.ids, wanted, strict=True):
        found = torch.nonzero(weights if (weights > 0).any() else weights + 1).flatten()
        order = found[torch.randperm(len(found), generator=context.streams.torch("wanted", modality_of(items), item))]
        rows.append(order.repeat(-(-CANDIDATES // len(order)))[:CANDIDATES])
    return torch.stack(rows)


def _cosine(asked: Bool[Tensor, "items labels"], stored: Bool[Tensor, "known labels"]) -> Float[Tensor, "items known"]:
    left, right = (torch.nn.functional.normalize(part.float(), dim=1) for part in (asked, stored))
    return left @ right.T
