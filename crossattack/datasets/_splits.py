"""Roles for pairs, group by group: what is attacked, what the attacker has, and what is left for the database."""

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from crossattack.datasets import Split
from crossattack.errors import DataError
from crossattack.streams import Streams


def split_by_group(groups: Int64[Tensor, " items"], *, query: int, attacker: int, held_back: int, train: int, seed: int) -> Split:
    """Split so that no group is in two of query, attacker, held back and database.

    Groups are dealt out whole in a drawn order, to each role those that still fit, so the sizes are met exactly where
    groups are small, and from below where they are not; a role gets at least one group if it wants any item. The rest is
    the database, and `train` items of it, of any group, are what the target learns from. Every role comes in a drawn
    order: its first items are a fair sample of it. `DataError` when nothing is left for the database.
    """
    streams = Streams(seed)
    order = streams.numpy("split", "groups").permutation(np.unique(groups.numpy()))
    sizes = {int(group): int(size) for group, size in zip(*np.unique(groups.numpy(), return_counts=True), strict=True)}
    left = [int(group) for group in order]
    taken = dict[str, list[int]]()
    for role, wanted in (("query", query), ("attacker", attacker), ("held_back", held_back)):
        taken[role] = whole_groups(left, sizes, wanted)
        gone = set(taken[role])
        left = [group for group in left if group not in gone]
    if not left:
        raise DataError(
            f"{query} query, {attacker} attacker and {held_back} held-back pairs wanted beside a database, "
            f"{len(groups)} pairs of {len(order)} groups got; ask for smaller roles or more pairs."
        )
    roles = {role: positions(groups, chosen, streams.numpy("split", role)) for role, chosen in (*taken.items(), ("database", left))}
    return Split(roles["query"], roles["database"], roles["database"][:train], roles["attacker"], roles["held_back"])


def whole_groups(groups: list[int], sizes: dict[int, int], wanted: int) -> list[int]:
    """The groups, in order, that fit into `wanted` items one after the other."""
    chosen, room = list[int](), wanted
    for group in groups:
        if room > 0 and (sizes[group] <= room or not chosen):
            chosen.append(group)
            room -= sizes[group]
    return chosen


def positions(groups: Int64[Tensor, " items"], chosen: list[int], rng: np.random.Generator) -> Int64[Tensor, " chosen"]:
    """Where these groups' items are, in a drawn order."""
    return torch.from_numpy(rng.permutation(np.flatnonzero(np.isin(groups.numpy(), chosen))))
