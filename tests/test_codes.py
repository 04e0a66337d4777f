"""Codes: one bit has two values, and distances are what counting says."""

import numpy as np
import pytest
import torch

from crossattack.codes import hamming, harden, pack, pack_bits


def random_codes(items: int, bits: int, seed: int = 0) -> torch.Tensor:
    return harden(torch.randn(items, bits, generator=torch.Generator().manual_seed(seed)))


def test_zero_is_plus_one_and_there_is_no_third_value() -> None:
    hard = harden(torch.tensor([[0.0, -0.0, 1e-30, -1e-30, 3.0, -3.0]]))
    assert hard.tolist() == [[1, 1, 1, -1, 1, -1]]
    assert hard.dtype == torch.int8


def test_hardening_a_code_leaves_it() -> None:
    codes = random_codes(20, 32)
    assert torch.equal(harden(codes.float()), codes)


@pytest.mark.parametrize("bits", [1, 16, 32, 64, 65, 100, 128])
def test_distances_equal_a_loop_over_bits(bits: int) -> None:
    queries, database = random_codes(5, bits, 1), random_codes(7, bits, 2)
    packed = hamming(pack(queries), pack(database))
    counted = [[sum(a != b for a, b in zip(q, d, strict=True)) for d in database.tolist()] for q in queries.tolist()]
    assert packed.tolist() == counted
    assert packed.dtype == np.uint16


@pytest.mark.parametrize(("bits", "words"), [(16, 1), (32, 1), (64, 1), (65, 2), (100, 2), (200, 4)])
def test_a_code_and_its_opposite_differ_in_every_bit(bits: int, words: int) -> None:
    codes = random_codes(3, bits)
    assert pack(codes).shape == (3, words)
    assert hamming(pack(codes), pack(-codes)).diagonal().tolist() == [bits] * 3
    assert hamming(pack(codes), pack(codes)).diagonal().tolist() == [0] * 3


def test_long_codes_count_past_a_byte() -> None:
    codes = random_codes(2, 600)
    assert hamming(pack(codes), pack(-codes)).diagonal().tolist() == [600, 600]


def test_an_empty_database_has_no_distances() -> None:
    assert hamming(pack(random_codes(3, 16)), pack(random_codes(0, 16))).shape == (3, 0)


def test_booleans_pack_as_codes_do() -> None:
    codes = random_codes(6, 70)
    assert np.array_equal(pack_bits(codes.numpy() > 0), pack(codes))
