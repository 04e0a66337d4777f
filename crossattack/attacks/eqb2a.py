"""EQB2A: a generator trained against a knockoff of the target that learned from ranked lists alone."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._answers import ListAnswers
from crossattack.attacks._balls import ball_of_pictures, to_bytes
from crossattack.attacks._context import AttackContext
from crossattack.attacks._fields import Eps
from crossattack.attacks._generating import Aim, Forger, forger
from crossattack.attacks._knockoff import ranked_pairs
from crossattack.attacks._surrogate import Surrogate
from crossattack.encoding import as_floats
from surrogates.losses import relaxed_distance

NEAREST = 5  # texts at the head of a picture's list that its forgery is to leave


@dataclass(frozen=True, kw_only=True)
class Eqb2a:
    """Train a knockoff on ranked lists and a generator on the knockoff; then one forward pass a picture, at no query.

    The knockoff learns which of two listed items stands before the other. The generator changes the attacker's own
    pictures so that they leave the five texts at the head of their lists, while looking real to a discriminator:

        L_G = sum_5 max(0, distance - d(H(x'), text)) + similarity |x' - x|^2 + realism (D(x') - 1)^2

    d is the relaxed Hamming distance in [0, 1]. Within `eps` the generator gives the change; with `eps: null` it gives the
    picture itself, as published. Texts come back as they are.

    Differs from the paper: the published attack has no bound on the change at all, so `eps` makes it comparable with the
    rest; lists are of the target's own database (`top_k: all` is what the paper takes, 4,000 queries; less works on
    less); the code net and its stage are left out, as its term is disabled in the released loss; the networks are narrower.

    Paper: Zhu, Wang, Li, Zhang, Shen, Wang, "Efficient Query-based Black-box Attack against Cross-modal Hashing Retrieval",
    ACM Transactions on Information Systems 2023.
    """

    family: ClassVar[Family] = "generator"
    needs: ClassVar[Needs] = Needs(surrogate=True, reveals=("ranking",), changes=("images",))
    eps: Eps | None = 8 / 255
    distance: Annotated[float, Field(ge=0, le=1)] = 0.8
    similarity: Annotated[float, Field(ge=0)] = 20.0
    realism: Annotated[float, Field(ge=0)] = 1.0
    epochs: Annotated[int, Field(ge=1)] = 10
    batch: Annotated[int, Field(ge=2)] = 24
    lr: Annotated[float, Field(gt=0)] = 1e-4
    width: Annotated[int, Field(ge=1, le=256)] = 16

    def fit(self, context: AttackContext) -> Perturb:
        """Query, learn the lists' order, train the generator; a finished one is read back from the run's folder."""
        knockoff = context.surrogate(lesson=ranked_pairs)
        knockoff.network.requires_grad_(False)
        leave = self._leaving(context, knockoff)
        forge = forger(context, knockoff.answers.images, leave, self)

        def perturb(items: Items) -> Perturbed:
            if not isinstance(items, Pictures):
                return unasked(items)
            return unasked(Pictures(items.ids, forged(forge, items.values.to(context.device), self.eps)))

        return perturb

    def _leaving(self, context: AttackContext, knockoff: Surrogate) -> Aim:
        """The hinge on the distances from the heads of the lists, as a function of forged pictures and their positions."""
        answers = knockoff.answers
        assert isinstance(answers, ListAnswers), "asked for by `needs`"
        heads = torch.searchsorted(answers.shown_text_ids, answers.image_lists[:, :NEAREST].long())  # (pairs, nearest)
        codes = knockoff.text_codes.float().to(context.device)

        def loss(images: Float[Tensor, "batch 3 height width"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
            relaxed = knockoff.network.encode_images(images)
            texts = codes[heads[batch].to(codes.device)]  # (batch, nearest, bits)
            far = relaxed_distance(relaxed[:, None].expand_as(texts), texts)
            return torch.relu(self.distance - far).sum(1).mean()

        return loss


def forged(forge: Forger, images: Tensor, eps: float | None) -> Tensor:
    """The pictures that a file holds, inside the ball where there is one."""
    with torch.no_grad():
        ball = ball_of_pictures(as_floats(images), 1.0 if eps is None else eps, "linf")
        return to_bytes(ball.project(forge(ball.clean)), ball)
