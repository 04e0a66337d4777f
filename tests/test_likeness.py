"""What attacks by queries reckon with: likeness of answers, slopes from differences, directions, squares."""

from typing import Any

import pytest
import torch
from linear_world import grey_pictures

from crossattack.attacks._likeness import likeness, still_listed
from crossattack.attacks._slopes import estimated_slope, way
from crossattack.attacks._verdict import left_its_place
from crossattack.attacks.simba import Simba
from crossattack.attacks.square import Square
from crossattack.errors import UsageError
from crossattack.oracle import Answer, Reveals


def test_an_estimated_slope_of_a_linear_score_is_its_gradient() -> None:
    """The number, not only its sign: 4,000 pairs, gradients of length 1; the error of a mean of products is known."""
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(3, 4, 4, generator=generator)
    gradient /= gradient.norm()
    clean = grey_pictures(1)[:, :, :4, :4]
    for draws in (torch.randn(4000, 3, 4, 4, generator=generator), torch.randint(0, 2, (4000, 3, 4, 4), generator=generator) * 2.0 - 1):
        up, down = ((clean + sign * 3 * draws).round().to(torch.uint8) for sign in (1, -1))
        moves = way(down, up) / 2
        slope = estimated_slope((moves * gradient).sum((1, 2, 3)).double(), moves)[0]
        assert (slope - gradient).norm() < 3 * (48 / 4000) ** 0.5
        assert float((slope * gradient).sum()) == pytest.approx(1, abs=0.1)


def test_a_move_that_never_was_has_no_slope() -> None:
    assert estimated_slope(torch.zeros(2, dtype=torch.float64), torch.zeros(2, 3, 4, 4)).abs().max() == 0


def test_the_overlap_of_lists_is_a_sum_over_places() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, *others = (torch.randperm(30, generator=generator)[:8].int() for _ in range(20))
    weight = [1 / torch.log2(torch.tensor(2.0 + place)).item() for place in range(8)]
    whole = sum(each * each for each in weight)
    for other, got in zip(others, still_listed(clean, torch.stack(others)).tolist(), strict=True):
        pairs = [(clean.tolist().index(one), place) for place, one in enumerate(other.tolist()) if one in clean.tolist()]
        assert got == pytest.approx(sum(weight[before] * weight[after] for before, after in pairs) / whole)


def test_the_overlap_falls_as_what_was_listed_sinks_or_leaves() -> None:
    clean = torch.arange(5, dtype=torch.int32)
    lists = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 4, 3], [1, 0, 2, 3, 4], [0, 1, 2, 3, 9], [9, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    same, low_swap, high_swap, last_left, first_left, none = still_listed(clean, lists.int()).tolist()
    assert same == 1
    assert 1 > low_swap > high_swap > first_left > none == 0
    assert last_left > first_left


def test_likeness_of_features_is_one_at_the_clean_one_and_falls_with_each_distance() -> None:
    clean = torch.tensor([[0.5, -1.0, 0.25]])
    probes = torch.cat([clean, -clean, torch.tensor([[0.5, -1.0, -0.25]])])
    answers = (Answer(Reveals.FEATURES, each) for each in (clean, probes))
    before, after = answers
    assert likeness(before, after, "signs").tolist() == pytest.approx([1, -1, 1.25 / 1.75])
    assert likeness(before, after, "cosine").tolist() == pytest.approx([1, -1, (1.3125 - 0.125) / 1.3125])
    assert likeness(before, after, "squared").tolist() == pytest.approx([1, -3, 1 - 0.25 / 1.3125])


def test_features_left_their_place_at_the_cosine_that_a_quarter_of_the_bits_makes() -> None:
    codes = torch.ones(3, 8, dtype=torch.int8)
    codes[1, :2] = codes[2, :1] = -1
    by_codes, by_features = (
        left_its_place(Answer(reveals, values[:1]), Answer(reveals, values)).tolist()
        for reveals, values in ((Reveals.CODES, codes), (Reveals.FEATURES, codes.float()))
    )
    assert by_codes == by_features == [False, True, False]


def test_waves_and_pixels_are_orthogonal_and_all_there() -> None:
    with_one = {"dct": Simba(frequencies=1.0), "pixel": Simba(basis="pixel")}
    for attack in with_one.values():
        rows = torch.stack([direction.flatten() for direction in attack.directions(subject())])
        products = rows @ rows.T
        assert rows.shape == (108, 108)
        assert (products - products.diag().diag()).abs().max() < 1e-4
        assert rows.abs().max(1).values.tolist() == pytest.approx([1] * 108)
    assert len(list(Simba(frequencies=0.5).directions(subject()))) == 3 * 3 * 3


def test_squares_shrink_at_the_papers_times_scaled_to_the_allowance() -> None:
    attack = Square()
    shares = [0.0005, 0.0015, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.9]
    areas = [0.8 / 2**halvings for halvings in range(10)]
    assert [attack.side(share, 100, 100) for share in shares] == [round((area * 10_000) ** 0.5) for area in areas]
    assert attack.side(0.9, 6, 6) == 1


def subject() -> Any:
    from crossattack.attacks._balls import ball_of_pictures
    from crossattack.attacks._probing import Subject

    return Subject(ball_of_pictures(grey_pictures(1).float() / 255, 8 / 255, "linf"), torch.Generator().manual_seed(0), 10)


def test_an_answer_of_another_kind_is_refused() -> None:
    lists = Answer(Reveals.RANKING, torch.zeros(1, 3, dtype=torch.int32))
    with pytest.raises(UsageError, match="features wanted, this target reveals ranking"):
        likeness(Answer(Reveals.FEATURES, torch.zeros(1, 3)), lists)
