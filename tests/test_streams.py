"""Random streams: one seed a run, one stream a purpose, and the same numbers in every process and release."""

from itertools import product

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossattack.streams import Streams

NAMES = st.lists(st.one_of(st.text(max_size=5), st.integers(-5, 5)), max_size=3).map(tuple)


def test_a_stream_is_the_same_whoever_drew_before() -> None:
    streams = Streams(0)
    first = streams.numpy("triplets").random(4)
    streams.numpy("noise", 17).random(1000)
    streams.torch("batches")
    np.random.default_rng(3).random(10)
    assert np.array_equal(streams.numpy("triplets").random(4), first)
    assert torch.equal(torch.rand(4, generator=streams.torch("noise", 1)), torch.rand(4, generator=Streams(0).torch("noise", 1)))


def test_numbers_do_not_change_from_one_release_to_the_next() -> None:
    assert Streams(0).number("triplets") == 4621649590185438183
    assert Streams(1).number("noise", "image", 17) == 6785469130977018002


@given(st.lists(st.tuples(st.integers(0, 3), NAMES), min_size=2, max_size=8, unique=True))
def test_other_seeds_and_other_names_have_other_streams(streams: list[tuple[int, tuple[str | int, ...]]]) -> None:
    numbers = {Streams(seed).number(*name) for seed, name in streams}
    assert len(numbers) == len(streams)
    assert all(0 <= number < 2**63 for number in numbers)


def test_parts_of_a_name_do_not_run_together() -> None:
    streams = Streams(0)
    names = [("a", "b"), ("ab",), ("a, b",), ("a", 1), ("a", "1"), ("a1",), ("a", 11), ("a", 1, 1)]
    assert len({streams.number(*name) for name in names}) == len(names)
    assert Streams(1).number(1) != Streams(11).number()


def test_streams_of_neighbours_are_not_correlated() -> None:
    draws = np.stack([Streams(seed).numpy("noise", item).standard_normal(2000) for seed, item in product(range(2), range(8))])
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 5 / 2000**0.5
