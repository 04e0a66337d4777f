"""Cut-offs: closed forms against every order of the ties, the other definitions of AP@k against loops, counting compiled and plain."""

from itertools import pairwise, permutations
from math import log2
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy import ndarray
from sklearn.metrics import ndcg_score
from test_ranking import codes, every_ranking

from crossattack.codes import hamming, pack
from crossattack.errors import UnknownName, UsageError
from crossattack.metrics import _counting
from crossattack.metrics._counting import Shared, counted
from crossattack.metrics.cutoffs import (
    average_precision_at,
    legacy_average_precision,
    ndcg_at,
    pooled_within,
    precision_at,
    recall_at,
    success_at,
    within,
)
from crossattack.metrics.hubness import hubness, topped
from crossattack.metrics.ranking import average_precision, by_labels, levels, mean_average_precision, share_a_label
from crossattack.rankings import Ranking

worlds = st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.9]), st.integers(1, 9))


def first_places(ranked: list[bool], k: int) -> float:
    """AP@k of one ranking, divided by min(k, R)."""
    if not any(ranked):
        return float("nan")
    return sum(sum(ranked[: place + 1]) / (place + 1) for place in range(min(k, len(ranked))) if ranked[place]) / min(k, sum(ranked))


@settings(deadline=None, max_examples=60)
@given(world=worlds)
def test_every_cut_off_is_the_mean_over_all_orders_of_the_ties(world: tuple[int, int, int, float, int]) -> None:
    bits, items, seed, share, k = world
    rng = np.random.default_rng(seed)
    query, database, relevant = codes(1, bits, rng), codes(items, bits, rng), rng.random((1, items)) < share
    rankings, found = every_ranking(hamming(pack(query), pack(database))[0], relevant[0]), levels(query, database, relevant)
    each = [first_places(ranked, k) for ranked in rankings]
    for ties, naive in (("expected", np.mean(each)), ("best", np.max(each)), ("worst", np.min(each))):
        assert average_precision_at(k, found, ties) == pytest.approx(naive, abs=1e-12, nan_ok=True)
    assert precision_at(k, found) == pytest.approx(np.mean([sum(ranked[:k]) / k for ranked in rankings]))
    assert success_at(k, found) == pytest.approx(np.mean([any(ranked[:k]) for ranked in rankings]), abs=1e-12)
    recalls = [sum(ranked[:k]) / sum(ranked) if any(ranked) else np.nan for ranked in rankings]
    assert recall_at(k, found) == pytest.approx(np.mean(recalls), nan_ok=True)
    assert average_precision_at(items, found) == pytest.approx(average_precision(query, database, relevant), nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(world=worlds)
def test_ndcg_is_the_mean_over_all_orders_of_the_ties(world: tuple[int, int, int, float, int]) -> None:
    bits, items, seed, share, k = world
    rng = np.random.default_rng(seed)
    query, database, shared = codes(1, bits, rng), codes(items, bits, rng), rng.binomial(3, share, (1, items))
    distance = hamming(pack(query), pack(database))[0]
    orders = [order for order in permutations(range(items)) if all(distance[a] <= distance[b] for a, b in pairwise(order))]

    def gain(order: tuple[int, ...]) -> float:
        return sum((2.0 ** shared[0, item] - 1) / log2(place + 2) for place, item in enumerate(order[:k]))

    ideal = gain(tuple(np.argsort(-shared[0], kind="stable")))
    naive = np.mean([gain(order) for order in orders]) / ideal if ideal else np.nan
    assert ndcg_at(k, query, database, shared) == pytest.approx(naive, nan_ok=True)


def test_ndcg_is_scikit_learn_s_where_nothing_ties() -> None:
    database = torch.ones(9, 8, dtype=torch.int8).tril(-1)[:, :8] * -2 + 1  # distances 0 to 8 from all ones
    query, shared = torch.ones(1, 8, dtype=torch.int8), np.random.default_rng(0).binomial(3, 0.4, (1, 9))
    for k in (1, 3, 9):
        peer = ndcg_score(2.0**shared - 1, -np.arange(9.0)[None], k=k)
        assert ndcg_at(k, query, database, shared) == pytest.approx(peer)


def legacy(definition: str, k: int, ranked: list[bool]) -> float:
    """The published loops, each as it is told."""
    ranks = [place for place, right in enumerate(ranked, start=1) if right]
    if not ranks:
        return float("nan")
    if definition == "first_k_relevant":
        ranks = ranks[:k]
        return sum((i + 1) / rank for i, rank in enumerate(ranks)) / len(ranks)
    kept = [rank for rank in ranks if rank <= k]
    precisions = [(i + 1) / rank for i, rank in enumerate(kept)]
    if definition == "top_k_hits":
        return sum(precisions) / len(kept) if kept else 0.0
    if definition == "trapezoid":
        before = [1.0 if rank == 1 else i / (rank - 1) for i, rank in enumerate(kept)]
        precisions = [(a + b) / 2 for a, b in zip(before, precisions, strict=True)]
    return sum(precisions) / min(k, len(ranks))


@pytest.mark.parametrize("definition", ["first_k_relevant", "top_k_hits", "top_k_min", "trapezoid"])
def test_legacy_definitions_are_the_published_loops(definition: str) -> None:
    rng = np.random.default_rng(2)
    queries, database, relevant = codes(12, 8, rng), codes(90, 8, rng), rng.random((12, 90)) < 0.1
    relevant[3] = False
    distances = hamming(pack(queries), pack(database))
    for k in (1, 5, 50, 200):
        ranked = [row[np.argsort(distance, kind="stable")].tolist() for distance, row in zip(distances, relevant, strict=True)]
        naive = [legacy(definition, k, each) for each in ranked]
        assert legacy_average_precision(definition, k, queries, database, relevant) == pytest.approx(naive, nan_ok=True)  # type: ignore[arg-type]


def test_four_definitions_of_one_name_lie_far_apart() -> None:
    """The same codes, 16 bits; docs/metrics.md quotes these."""
    rng = np.random.default_rng(0)
    labels = [rng.random((items, 24)) < 0.17 for items in (60, 3000)]
    weights = rng.standard_normal((24, 16))
    both = [torch.from_numpy(np.where(has @ weights + rng.standard_normal((len(has), 16)) > 0, 1, -1).astype(np.int8)) for has in labels]
    relevant = share_a_label(*(torch.from_numpy(has) for has in labels))
    told = {
        name: np.nanmean(legacy_average_precision(name, 50, *both, relevant)) for name in ("first_k_relevant", "top_k_hits", "top_k_min")
    }  # type: ignore[arg-type]
    page = (Path(__file__).parents[1] / "docs/metrics.md").read_text(encoding="utf-8")
    assert "the first three give {:.3f}, {:.3f} and {:.3f} for MAP@50".format(*told.values()) in page
    assert max(told.values()) - min(told.values()) > 0.05
    whole = mean_average_precision(*both, relevant).value
    assert whole is not None
    assert told["first_k_relevant"] > whole + 0.05


def test_hamming_balls_hold_what_a_loop_counts() -> None:
    rng = np.random.default_rng(3)
    queries, database, relevant = codes(6, 10, rng), codes(80, 10, rng), rng.random((6, 80)) < 0.2
    relevant[5] = False
    distances, found = hamming(pack(queries), pack(database)), levels(queries, database, relevant)
    pooled = pooled_within(found)
    for radius in range(11):
        balls = distances <= radius
        precision, recall = within(radius, found)
        for query, ball in enumerate(balls):
            assert precision[query] == pytest.approx(relevant[query][ball].mean() if ball.any() else 0.0)
            assert recall[query] == pytest.approx(
                relevant[query][ball].sum() / relevant[query].sum() if query != 5 else np.nan, nan_ok=True
            )
        assert pooled[0][radius] == pytest.approx(relevant[balls].mean() if balls.any() else np.nan, nan_ok=True)
        assert pooled[1][radius] == pytest.approx(relevant[balls].sum() / relevant.sum())


def test_an_item_that_all_queries_find_first_is_a_hub() -> None:
    rng = np.random.default_rng(4)
    queries, database = codes(7, 6, rng), codes(20, 6, rng)
    naive = np.zeros(20)
    for distance in hamming(pack(queries), pack(database)):
        nearest = [item for item in range(20) if distance[item] == distance.min()]
        for item in nearest:
            naive[item] += 1 / len(nearest)
    assert topped(queries, database) == pytest.approx(naive)
    assert naive.sum() == pytest.approx(7)
    assert hubness(queries, database) == pytest.approx(naive.max() / 7)
    assert hubness(queries[:1].repeat(5, 1), torch.cat([queries[:1], -queries[:1]])) == 1.0
    assert hubness(queries, database[:0]) is None
    assert hubness(queries[:0], database) is None


@settings(deadline=None, max_examples=25)
@given(bits=st.integers(1, 200), items=st.integers(0, 9000), labels=st.integers(1, 100), seed=st.integers(0, 10**6))
@example(bits=64, items=5000, labels=32, seed=0)  # the last that half a word holds
@example(bits=64, items=5000, labels=33, seed=0)
@example(bits=65, items=5000, labels=32, seed=0)
def test_compiled_and_plain_counting_agree_with_a_table_and_with_labels(bits: int, items: int, labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, database = codes(3, bits, rng), codes(items, bits, rng)
    has: list[ndarray] = [rng.random((count, labels)) < 0.1 for count in (3, items)]
    mask = share_a_label(*(torch.from_numpy(each) for each in has))
    words, columns = pack(queries), np.ascontiguousarray(pack(database).T)
    tables = [np.zeros((3, 2 * (bits + 1)), np.int64) for _ in range(4)]
    for table, count, relevant in zip(
        tables, (_counting._plain, _counting._plain, _counting._compiled, _counting._compiled), (mask, Shared.of(*has)) * 2, strict=True
    ):
        count(table, words, columns, relevant)
    assert tables[0].sum() == 3 * items
    for other in tables[1:]:
        assert np.array_equal(tables[0], other)


def test_much_is_counted_by_compiled_loops_and_little_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[str] = []
    monkeypatch.setattr(_counting, "_plain", lambda *_: went.append("plain"))
    monkeypatch.setattr(_counting, "_compiled", lambda *_: went.append("compiled"))
    rng = np.random.default_rng(5)
    words, columns = pack(codes(128, 8, rng)), np.zeros((1, 1 << 18), np.uint64)
    labels = Shared.of(np.ones((128, 1), bool), np.ones((1 << 18, 1), bool))
    counted(words, columns, 8, labels)
    counted(words[:127], columns, 8, labels)
    monkeypatch.setattr(_counting, "find_spec", lambda _: None)
    counted(words, columns, 8, labels)
    assert went == ["compiled", "plain", "plain"]


def test_labels_take_the_place_of_a_table() -> None:
    rng = np.random.default_rng(6)
    queries, database = codes(5, 20, rng), codes(300, 20, rng)
    labels = [torch.from_numpy(rng.random((count, 70)) < 0.05) for count in (5, 300)]
    for ties in ("expected", "stable", "best", "worst"):
        told, table = (average_precision(queries, database, how(*labels), ties) for how in (by_labels, share_a_label))  # type: ignore[arg-type]
        assert np.array_equal(told, table, equal_nan=True)


def test_nonsense_is_refused_in_a_line() -> None:
    rng = np.random.default_rng(7)
    query, database, relevant = codes(1, 4, rng), codes(3, 4, rng), np.ones((1, 3), bool)
    unchecked = getattr(legacy_average_precision, "__wrapped__", legacy_average_precision)
    with pytest.raises(UnknownName, match="did you mean 'top_k_hits'"):
        unchecked("top_k_hit", 5, query, database, relevant)
    for call in (precision_at, recall_at, success_at, average_precision_at):
        with pytest.raises(UsageError, match="k of at least 1, got 0"):
            call(0, levels(query, database, relevant))


def test_a_run_tells_them_of_its_codes() -> None:
    rng = np.random.default_rng(8)
    queries, database = {name: codes(9, 12, rng) for name in ("clean", "attacked")}, codes(60, 12, rng)
    relevant = rng.random((9, 60)) < 0.2
    relevant[4] = False
    some = relevant.any(1)
    told = Ranking(queries, database, relevant, np.arange(9)).told()
    for name, asked in queries.items():
        found = levels(asked[torch.from_numpy(some)], database, relevant[some])
        assert told["cmc"][name] == {str(k): pytest.approx(success_at(k, found).mean()) for k in (1, 5, 10)}
        assert told["precision_at"][name] == {str(k): pytest.approx(precision_at(k, found).mean()) for k in (1, 5, 10)}
        expected = mean_average_precision(asked, database, relevant).value
        assert expected is not None
        assert told["map_ties"][name]["worst"] < expected < told["map_ties"][name]["best"]
        assert told["hubness"][name] == hubness(asked, database)
