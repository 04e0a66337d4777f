"""Hashing: agreement of two code sets against scipy and naive loops, and how far codes use their bits."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from torch import Tensor

from crossattack.codes import hamming, harden, pack
from crossattack.metrics.hashing import bit_agreement, bit_balance, code_entropy, kendall_tau_b, opposite_codes, rank_agreement
from crossattack.metrics.ranking import average_precision


def codes(items: int, bits: int, seed: int) -> Tensor:
    return harden(torch.randn(items, bits, generator=torch.Generator().manual_seed(seed)))


def flipped(original: Tensor, share: float, seed: int) -> Tensor:
    flips = torch.rand(original.shape, generator=torch.Generator().manual_seed(seed)) < share
    return torch.where(flips, -original, original)


@pytest.mark.parametrize("other_bits", [8, 32])
def test_rank_agreement_is_scipys_tau_b(other_bits: int) -> None:
    queries, database = codes(5, 8, 0), codes(60, 8, 1)
    others = codes(5, other_bits, 2), codes(60, other_bits, 3)
    ours, theirs = hamming(pack(queries), pack(database)), hamming(pack(others[0]), pack(others[1]))
    naive = np.mean([kendalltau(a, b, variant="b").statistic for a, b in zip(ours, theirs, strict=True)])
    assert rank_agreement(queries, database, *others) == pytest.approx(naive, abs=1e-12)


def test_tau_b_of_a_table_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 4, 25), rng.integers(0, 6, 25)
        table = np.bincount(a * 6 + b, minlength=24).reshape(4, 6)
        assert kendall_tau_b(table) == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)


def test_equal_codes_agree_wholly_and_opposite_queries_not_at_all() -> None:
    queries, database = codes(4, 32, 0), codes(50, 32, 1)
    assert bit_agreement(queries, queries) == 1
    assert bit_agreement(queries, -queries) == 0
    assert rank_agreement(queries, database, queries, database) == pytest.approx(1)
    assert rank_agreement(queries, database, -queries, database) == pytest.approx(-1)
    assert rank_agreement(queries, database, -queries, -database) == pytest.approx(1)  # ranks, not bits


def test_agreement_falls_with_the_share_of_wrong_bits() -> None:
    queries, database = codes(20, 64, 0), codes(200, 64, 1)
    ranks = [rank_agreement(queries, database, flipped(queries, p, 2), flipped(database, p, 3)) or 0.0 for p in (0.02, 0.1, 0.5)]
    assert ranks[0] > ranks[1] > ranks[2]
    assert abs(ranks[2]) < 0.05
    assert bit_agreement(database, flipped(database, 0.1, 3)) == pytest.approx(0.9, abs=0.01)


def test_codes_that_rank_nothing_have_no_rank_agreement() -> None:
    queries, database = codes(4, 16, 0), codes(30, 16, 1)
    assert rank_agreement(queries, database, queries, torch.ones_like(database)) is None
    assert rank_agreement(queries[:0], database, queries[:0], database) is None
    assert bit_agreement(queries[:0], queries[:0]) is None


def test_balance_and_entropy_see_collapsed_bits() -> None:
    balanced = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.int8)
    assert bit_balance(balanced).tolist() == [0.5, 0.5]
    assert code_entropy(balanced) == pytest.approx(1)
    half = torch.tensor([[1, 1], [1, -1]], dtype=torch.int8)
    assert code_entropy(half) == pytest.approx(0.5)
    assert code_entropy(torch.ones(9, 16, dtype=torch.int8)) == 0
    assert code_entropy(codes(0, 16, 0)) is None


def test_hardly_any_code_scores_below_the_opposite_one() -> None:
    """Every code of 8 bits, by brute force, in a database whose relevant items lie near each other."""
    labels = np.random.default_rng(0).integers(0, 6, 200)
    relevant = labels == np.arange(6)[:, None]
    centres = codes(6, 8, 4)
    database = codes(200, 8, 5)
    for query in range(6):
        database[relevant[query]] = flipped(centres[query].expand(int(relevant[query].sum()), 8), 0.2, query)
    everything = torch.cartesian_prod(*[torch.tensor([-1, 1], dtype=torch.int8)] * 8)
    reached = average_precision(opposite_codes(database, relevant), database, relevant)
    for query in range(6):
        every = average_precision(everything, database, relevant[query : query + 1].repeat(len(everything), axis=0))
        assert every.min() <= reached[query] <= every.min() + 0.002
        assert reached[query] < np.median(every) - 0.02


def test_where_everything_is_relevant_the_opposite_code_is_the_complement() -> None:
    database = codes(3, 16, 0)[:1].repeat(5, 1)
    assert torch.equal(opposite_codes(database, np.ones((1, 5), bool)), -database[:1])
