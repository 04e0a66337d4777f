"""Likeness: how much of a clean item's answer is left in the answer to a changed one; what query attacks lower.

It is 1 at the clean item, whatever an answer shows, and needs nothing but answers that were paid for.
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float64, Int32
from torch import Tensor

from crossattack.oracle import Answer, Reveals

Distance: TypeAlias = Literal["signs", "cosine", "squared"]


def likeness(clean: Answer, probes: Answer, distance: Distance = "signs") -> Float64[Tensor, " probes"]:
    """How alike the answers to some probes are to the clean item's one, (1, dim).

    Codes: the share of bits that are the same, which moves only when one flips. Features, by `distance`: `signs`, their
    mean product with the clean feature's signs over its own (for targets that hash: a bit nears its flip before it does);
    `cosine`; `squared`, 1 less the squared distance in units of the clean feature's length. The latter two are level at the
    clean item. Ranking: see `still_listed`.
    """
    if clean.reveals is Reveals.RANKING:
        return still_listed(clean.ids[0], probes.ids)
    if clean.reveals is not Reveals.FEATURES:
        return (probes.codes == clean.codes).double().mean(1)
    before, after = clean.features.double(), probes.features.double()
    if distance == "signs":
        found = (after * torch.where(before >= 0, 1.0, -1.0)).mean(1) / before.abs().mean().clamp(min=1e-12)
    elif distance == "cosine":
        found = torch.nn.functional.cosine_similarity(after, before)
    else:
        found = 1 - (after - before).square().sum(1) / before.square().sum().clamp(min=1e-12)
    return found


def still_listed(clean: Int32[Tensor, " top_k"], lists: Int32[Tensor, "probes top_k"]) -> Float64[Tensor, " probes"]:
    """How much of the clean list is in each list: 1 for the same list, 0 where nothing of it is left.

    Place p of a list weighs 1 / log2(1 + p), as in a discounted gain. An item of the clean list counts by the weight that it
    had times the one that it has now, so what stood first costs most when it sinks or leaves.
    """
    weights = 1 / torch.log2(torch.arange(2, len(clean) + 2, dtype=torch.float64))
    gains = torch.zeros(int(max(clean.max(), lists.max())) + 1, dtype=torch.float64)
    gains[clean.long()] = weights
    return (gains[lists.long()] * weights).sum(1) / weights.square().sum()
