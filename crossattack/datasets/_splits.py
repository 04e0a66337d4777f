"""Roles for pairs, group by group: what is attacked, what the attacker has, and what is left for the database."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Int64
from numpy import ndarray
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
    taken = dealt_by_size(groups.numpy(), {"query": query, "attacker": attacker, "held_back": held_back}, seed)
    taken["database"] = taken.pop("search")
    roles = {role: positions(groups, chosen, streams.numpy("split", role)) for role, chosen in taken.items()}
    return Split(roles["query"], roles["database"], roles["database"][:train], roles["attacker"], roles["held_back"])


def dealt_by_size(groups: Int64[ndarray, " items"], wanted: Mapping[str, int], seed: int) -> dict[str, list[int]]:
    """Groups for each role, drawn: those that fit into the items it wants. What is left to search is under "search"."""
    numbers, counts = np.unique(groups, return_counts=True)
    sizes = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    left: list[int] = Streams(seed).numpy("split", "groups").permutation(numbers).tolist()
    taken = dict[str, list[int]]()
    for role, items in wanted.items():
        taken[role] = whole_groups(left, sizes, items)
        gone = set(taken[role])
        left = [group for group in left if group not in gone]
    if not left:
        asked = ", ".join(f"{items} for {role.replace('_', ' ')}" for role, items in wanted.items())
        raise DataError(
            f"{asked} wanted beside a database, {len(groups)} pairs of {len(numbers)} groups got; ask for smaller roles or more pairs."
        )
    return {**taken, "search": left}


def dealt_by_share(groups: Int64[ndarray, " items"], shares: Mapping[str, float], seed: int) -> dict[str, list[int]]:
    """Groups for each role, drawn: `shares` of their number, at least one each. What is left to search is under "search"."""
    left: list[int] = Streams(seed).numpy("split", "groups").permutation(np.unique(groups)).tolist()
    sizes = {role: max(1, round(share * len(left))) for role, share in shares.items()}
    if sum(sizes.values()) >= len(left):
        asked = ", ".join(f"{size} for {role.replace('_', ' ')}" for role, size in sizes.items())
        raise DataError(f"{asked} and others to search among wanted, {len(left)} people got; use more people or smaller shares.")
    taken = dict[str, list[int]]()
    for role, size in sizes.items():
        taken[role], left = left[:size], left[size:]
    return {**taken, "search": left}


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


def split_of_others(groups: Int64[ndarray, " items"], taken: Mapping[str, list[int]], queries: Bool[ndarray, " items"], seed: int) -> Split:
    """A split in which train, attacker and held back are groups of their own, as dealt, and query and database share theirs.

    queries: which items of the groups under "search" are asked about; the others are the database.
    """
    streams, searched = Streams(seed), np.isin(groups, taken["search"])
    parts = {role: np.isin(groups, taken[role]) for role in ("train", "attacker", "held_back")}
    parts |= {"query": searched & queries, "database": searched & ~queries}
    return Split(**{role: torch.from_numpy(streams.numpy("split", role).permutation(np.flatnonzero(part))) for role, part in parts.items()})


def turns(groups: Int64[ndarray, " items"], rng: np.random.Generator) -> tuple[Int64[ndarray, " items"], Int64[ndarray, " items"]]:
    """In a drawn order, how many of its group come before each item; and how many there are in its group."""
    drawn = rng.permutation(len(groups))
    order = drawn[np.argsort(groups[drawn], kind="stable")]
    _, first, size = np.unique(groups[order], return_index=True, return_counts=True)
    turn, of = np.empty(len(groups), np.int64), np.empty(len(groups), np.int64)
    turn[order], of[order] = np.arange(len(groups)) - np.repeat(first, size), np.repeat(size, size)
    return turn, of
