"""What examples are made of: which items are drawn, which words went and came, pictures that fit into a page."""

import numpy as np
import pytest
import torch
from reported import drawn

from crossattack.report._chosen import chosen
from crossattack.report._edits import edits, moved
from crossattack.report._thumbnails import amplified, factor, large, small
from surrogates.texts import Bags

# Which


@pytest.mark.parametrize(
    ("wins", "count", "expected"), [(50, 24, 12), (5, 24, 5), (95, 24, 19), (0, 24, 0), (3, 200, 3), (50, 7, 4), (50, 0, 0)]
)
def test_half_of_a_draw_are_successes_where_there_are_so_many(wins: int, count: int, expected: int) -> None:
    succeeded = {item: item < wins for item in range(100)}
    found = chosen(succeeded, count, np.random.default_rng(0))
    assert len(found) == len(set(found)) == min(count, 100)
    assert sum(succeeded[item] is True for item in found) == expected
    assert found == chosen(succeeded, count, np.random.default_rng(0))
    if 0 < expected < count < 100:
        assert found != chosen(succeeded, count, np.random.default_rng(1))


def test_items_whose_success_is_unknown_are_drawn_too_and_any_head_is_mixed() -> None:
    assert sorted(chosen(dict.fromkeys(range(5)), 9, np.random.default_rng(0))) == [0, 1, 2, 3, 4]
    head = chosen({item: item % 2 == 0 for item in range(40)}, 20, np.random.default_rng(0))[:6]
    assert [item % 2 for item in head] == [0, 1] * 3


# Words


def test_edits_are_what_stayed_went_and_came() -> None:
    assert edits("a red square", "a green big square") == [("same", "a"), ("del", "red"), ("ins", "green big"), ("same", "square")]
    assert edits(("cat", "face"), ("cat", "dog", "face")) == [("same", "cat"), ("ins", "dog"), ("same", "face")]
    assert edits(("cat", "dog", "face"), ("face",)) == [("del", "cat, dog"), ("same", "face")]
    assert edits("as it was", "as it was") == [("same", "as it was")]
    assert edits("", "") == []


def test_of_a_bag_the_words_that_moved_furthest_are_told() -> None:
    after = Bags(("big", "blue", "red"), torch.tensor([[0.25, 0.0, 0.9]]))
    assert moved("a red".removeprefix("a "), after) == [("ins", "big +0.25"), ("del", "red -0.10")]


# Pictures


def test_a_change_is_amplified_around_grey_by_a_factor_that_just_fits() -> None:
    before = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    after = before.clone()
    after[0, 0, 0], after[1, 2, 3] = 108, 94
    times = factor(before[None], after[None])
    assert times == 15
    expected = torch.full((3, 8, 8), 128)
    expected[0, 0, 0], expected[1, 2, 3] = 128 + 15 * 8, 128 - 15 * 6
    assert torch.equal(drawn(large(amplified(before, after, times))).int(), expected.int())
    assert factor(before[None], before[None]) == 1


def test_small_pictures_are_kept_to_the_byte_and_large_ones_are_shrunk() -> None:
    noise = torch.randint(0, 256, (3, 64, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(drawn(large(noise)), noise)
    wide = torch.full((3, 120, 240), 77, dtype=torch.uint8)
    assert drawn(large(wide)).shape == (3, 64, 128)
    assert drawn(small(wide)).shape == (3, 40, 80)
    assert (drawn(small(wide)).int() - 77).abs().max() <= 2
