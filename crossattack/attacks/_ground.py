"""Ground: some items as points that a search may move, what the network says of a point, and how a point becomes an item.

Pictures are points of [0, 1]; texts are their bags of words over the vocabulary that the network knows, in feature space.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.attacks import Items, Perturbed, Pictures, Words, unasked
from crossattack.attacks._bags import as_bags
from crossattack.attacks._balls import Ball, Norm, ball_of_bags, ball_of_pictures, to_bytes
from crossattack.attacks._context import OpenEncoder
from crossattack.encoding import as_floats
from surrogates.texts import Bags


@dataclass(frozen=True)
class Ground:
    """Items, the ball that each may be moved in, and the network that looks at them. `bags` is None for pictures."""

    items: Items
    encoder: OpenEncoder
    ball: Ball
    bags: Bags | None

    def relaxed(self, points: Float[Tensor, "points ..."]) -> Float[Tensor, "points bits"]:
        """Relaxed codes of any points; gradients flow.

        A point alone goes in twice: products with one row are summed in an order that changes from call to call, and a search
        that follows them would not end where it ended before.
        """
        together = points.expand(2, *points.shape[1:]) if len(points) == 1 else points
        if self.bags is None:
            return self.encoder.encode_images(together)[: len(points)]
        return self.encoder.encode_texts(Bags(self.encoder.vocabulary, together))[: len(points)]

    def held(self, points: Float[Tensor, "points ..."], ball: Ball) -> Float[Tensor, "points ..."]:
        """The points as a file holds them: pictures rounded to whole grey levels inside their balls."""
        return points if self.bags else to_bytes(points, ball).to(points.device).to(points.dtype) / 255

    def land(self, points: Float[Tensor, "items ..."]) -> Perturbed:
        """The items at these points; nothing was asked about them. Words that the network does not know keep their weight."""
        found = points.detach()
        if self.bags is None:
            return unasked(Pictures(self.items.ids, to_bytes(found, self.ball)))
        weights = torch.cat([found.cpu(), self.bags.weights[:, found.shape[1] :]], dim=1)
        return unasked(Words(self.items.ids, Bags(self.bags.words, weights)), realisable=False)


def ground_of(items: Items, encoder: OpenEncoder, device: str, *, eps: float, norm: Norm, text_eps: float) -> Ground:
    """The items on that device, each within `eps` of where it was, bags of words within `text_eps` a weight."""
    if isinstance(items, Pictures):
        return Ground(items, encoder, ball_of_pictures(as_floats(items.values.to(device)), eps, norm), None)
    bags = as_bags(items.values, encoder.vocabulary)
    return Ground(items, encoder, ball_of_bags(bags.weights[:, : len(encoder.vocabulary)].to(device), text_eps), bags)
