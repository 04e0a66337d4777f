"""Splits by the names under which the field reports its numbers, beside the counts and orders of its papers."""

from dataclasses import dataclass

import numpy as np
import pytest

from crossattack.datasets import Split
from crossattack.datasets._named_splits import split_by_name
from crossattack.errors import DataError


@dataclass(frozen=True)
class Wished:
    split: str = "dcmh"
    query: int | None = None
    train: int | None = None
    attacker: int = 2000
    held_back: int = 200
    split_seed: int = 0


def labels(items: int, concepts: int, seed: int = 0) -> np.ndarray:
    """Every item has one concept or more; all are frequent."""
    rng = np.random.default_rng(seed)
    marked = rng.random((items, concepts)) < 0.1
    marked[np.arange(items), rng.integers(concepts, size=items)] = True
    return marked


def sizes(split: Split) -> tuple[int, ...]:
    return tuple(len(role) for role in (split.query, split.database, split.train, split.attacker, split.held_back))


def test_dcmh_is_the_first_two_thousand_and_the_ten_thousand_behind_them() -> None:
    split = split_by_name(Wished(), labels(20_015, 24))
    assert sizes(split) == (2000, 20_015 - 4200, 10_000, 2000, 200)
    assert sorted(split.query.tolist()) == list(range(2000))
    assert split.train.tolist() == list(range(2000, 12_000))
    papers = split_by_name(Wished(attacker=0, held_back=0), labels(20_015, 24))
    assert sizes(papers) == (2000, 18_015, 10_000, 0, 0)
    assert papers.database.tolist() == list(range(2000, 20_015))


def test_ucch_is_the_last_two_thousand_and_learns_from_all_others() -> None:
    split = split_by_name(Wished("ucch", attacker=0, held_back=0), labels(20_015, 24))
    assert sorted(split.query.tolist()) == list(range(18_015, 20_015))
    assert split.train.tolist() == split.database.tolist() == list(range(18_015))
    ours = split_by_name(Wished("ucch"), labels(20_015, 24))
    assert sizes(ours) == (2000, 15_815, 15_815, 2000, 200)


def test_dchmt_is_numpys_permutation_from_its_seed() -> None:
    """By hand: the legacy generator's permutation, queries first, then training."""
    order = np.random.RandomState(1814).permutation(24_581)
    split = split_by_name(Wished("dchmt"), labels(24_581, 24))
    assert set(split.query.tolist()) == set(order[:5000].tolist())
    assert set(split.train.tolist()) == set(order[5000:15_000].tolist())
    assert sizes(split) == (5000, 24_581 - 7200, 10_000, 2000, 200)


def test_djsrh_takes_160_of_the_first_concept_and_80_of_every_other() -> None:
    marked = np.zeros((20_000, 24), bool)
    marked[np.arange(20_000), np.arange(20_000) % 24] = True  # one concept an item: quotas can be counted
    split = split_by_name(Wished("djsrh"), marked)
    assert marked[split.query.numpy()].sum(0).tolist() == [160, *[80] * 23]
    assert marked[split.train.numpy()].sum(0).tolist() == [400, *[200] * 23]
    ten = np.zeros((20_000, 10), bool)
    ten[np.arange(20_000), np.arange(20_000) % 10] = True
    assert ten[split_by_name(Wished("djsrh"), ten).query.numpy()].sum(0).tolist() == [200] * 10


def test_by_concept_is_in_equal_parts_also_where_items_have_several() -> None:
    marked = labels(6000, 20)
    split = split_by_name(Wished("concept", query=400, train=1000), marked)
    assert sizes(split)[:3] == (400, 6000 - 400 - 2200, 1000)
    assert marked[split.query.numpy()].sum(0).min() >= 20
    rare = marked.copy()
    rare[:, 7] = False
    rare[:3, 7] = True
    assert 380 < len(split_by_name(Wished("concept", query=400, train=1000), rare).query) < 400  # from below, as in DJSRH


@pytest.mark.parametrize("name", ["dcmh", "ucch", "dchmt", "djsrh", "concept", "random"])
def test_roles_are_apart_and_another_seed_draws_another_attacker(name: str) -> None:
    marked = labels(900, 6)
    marked[::9] = False
    small = {"query": 60, "train": 200, "attacker": 90, "held_back": 10}
    one, again, other = (split_by_name(Wished(name, **small, split_seed=seed), marked) for seed in (0, 0, 1))
    for split in (one, other):
        roles = [set(role.tolist()) for role in (split.query, split.database, split.attacker, split.held_back)]
        assert sum(len(role) for role in roles) == len(set.union(*roles)) == 900
        assert set(split.train.tolist()) < roles[1]
        assert marked[split.query.numpy()].any(1).all(), "nothing is right for a query without a label"
    assert one.digest() == again.digest() != other.digest()


def test_the_database_stands_in_the_order_of_the_file() -> None:
    split = split_by_name(Wished("dcmh", query=60, train=200, attacker=90, held_back=10), labels(900, 6))
    assert split.database.tolist() == sorted(split.database.tolist())
    assert split.query.tolist() != sorted(split.query.tolist())


@pytest.mark.parametrize("name", ["dcmh", "ucch", "dchmt", "djsrh"])
def test_too_few_pairs_are_refused_with_what_can_be_set(name: str) -> None:
    with pytest.raises(DataError, match=r"split .* queries, .* wanted, 50 pairs got, 50 of them with labels; set `query`") as refused:
        split_by_name(Wished(name), labels(50, 4))
    assert "\n" not in str(refused.value)
    with pytest.raises(DataError, match="0 of them with labels"):
        split_by_name(Wished(name, query=5, train=5, attacker=2, held_back=1), np.zeros((50, 4), bool))
