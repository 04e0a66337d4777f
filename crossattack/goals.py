"""Goals: what targeted attacks and promotions are asked to reach, settled before any attack begins.

The goal belongs to the test, not to the attacker: whoever runs it says which pair each item is to be mistaken for, and
which wares are to be found. So every attack on the same items has the same goals, whatever it may see.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from crossattack.attacks import Attack
from crossattack.attacks._context import Chosen
from crossattack.datasets import Pairs
from crossattack.errors import UsageError
from crossattack.ledger import Modality
from crossattack.objectives import Objective
from crossattack.streams import Streams

MODALITIES: tuple[Modality, ...] = ("images", "texts")


def wanted_pairs(query: Pairs, own: Pairs, streams: Streams) -> Mapping[Modality, Int64[Tensor, " attacked"]]:
    """For each attacked item a random pair of the attacker's own that shares no label with it; any, where all do."""
    apart = ~(query.labels.float() @ own.labels.float().T > 0)  # (attacked, pairs)
    apart[~apart.any(1)] = True
    found = {}
    for modality in MODALITIES:
        order = [torch.randperm(len(own), generator=streams.torch("goal", modality, item)) for item in range(len(query))]
        found[modality] = torch.stack([row[apart[item][row]][0] for item, row in enumerate(order)])
    return found


def objective_of(attack: Attack) -> Objective | None:
    """The objective that an attack takes, if it takes one."""
    objective = getattr(attack, "objective", None)
    return objective if isinstance(objective, Objective) else None


def chosen_ids(attack: Attack) -> tuple[int, ...]:
    """Ids of the database items that the attack promotes or demotes; none where it does neither."""
    return tuple(getattr(objective_of(attack), "ids", ()))


def chosen_items(attack: Attack, database: Pairs) -> Chosen | None:
    """Those items themselves."""
    ids = chosen_ids(attack)
    if not ids:
        return None
    if max(ids) >= len(database):
        raise UsageError(f"attack.objective.ids: positions below {len(database)} wanted, the items of the database, {max(ids)} got.")
    items = database.take(torch.tensor(ids))
    return Chosen(ids, items.pixels(), tuple(items.texts))


def is_targeted(attack: Attack) -> bool:
    """Whether the attack is to make each item look like a wanted pair."""
    objective = objective_of(attack)
    return objective is not None and objective.targeted
