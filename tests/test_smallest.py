"""Smallest: the search finds the smallest level that succeeds, and in a linear world that level is known."""

from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
import torch
from linear_pairs import linear, linear_world
from test_mnd import near_planes
from torch import Tensor

from crossattack.attacks import Pictures
from crossattack.attacks.smallest import Smallest, at_least_levels
from crossattack.config import load_config
from crossattack.errors import ConfigError
from crossattack.objectives.odfa import Odfa


def test_the_search_finds_each_pictures_own_smallest_level_and_asks_for_no_more_than_it_has_to() -> None:
    needed, asked = torch.tensor([1, 2, 3, 7, 20, 32, 33]), [0] * 7

    def attempt(level: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        for row in rows.tolist():
            asked[row] += 1
        return torch.full((len(rows), 3, 1, 1), level, dtype=torch.uint8), needed[rows] <= level

    found = at_least_levels(attempt, torch.zeros(7, 3, 1, 1, dtype=torch.uint8), 32)
    assert found[:, 0, 0, 0].tolist() == [1, 2, 3, 7, 20, 32, 32]  # the last never succeeds: what was made at the cap
    assert max(asked) <= 1 + 5
    assert asked[-1] == 1


@pytest.mark.parametrize("inner", ["fgsm", "pgd"])
def test_one_bit_is_turned_at_the_first_level_at_which_it_can_be(inner: str, tmp_path: Path) -> None:
    """One bit only: the least radius is its margin over the sum of the weights' sizes."""
    target = linear(1)
    with linear_world(tmp_path, target) as world:
        pictures, margins = near_planes(target, 4)
        after = Smallest(inner=inner, leave=1.0, eps=64 / 255).fit(world.white)(pictures).items.values
    level = (after.int() - pictures.values.int()).flatten(1).abs().amax(1)  # type: ignore[union-attr]
    least = margins.abs()[:, 0] / target.weights.abs().sum()
    assert level.tolist() == [ceil(255 * each) for each in least.tolist()]


def test_batches_do_not_matter_and_out_of_reach_is_the_cap(tmp_path: Path) -> None:
    target, attack = linear(8), Smallest(inner="pgd", objective=Odfa(), leave=0.5, eps=6 / 255, steps=5)
    with linear_world(tmp_path, target) as world:
        pictures, _ = near_planes(target, 5)
        whole = attack.fit(world.white)(pictures).items.values
        parts = [attack.fit(world.white)(Pictures((row,), pictures.values[row : row + 1])).items.values for row in range(5)]
        assert torch.equal(whole, torch.cat(parts))  # type: ignore[arg-type]
        never = replace(attack, leave=1.0, eps=1 / 255).fit(world.white)(pictures).items.values
    assert (never.int() - pictures.values.int()).flatten(1).abs().amax(1).tolist() == [1] * 5  # type: ignore[union-attr]


def test_an_attack_that_has_no_radius_is_refused_with_those_that_have() -> None:
    with pytest.raises(ConfigError, match=r"no gradient attack is called 'squre'.*choose one of bim, .*vmi_fgsm"):
        load_config(None, ["attack.name=smallest", "attack.inner=squre"], {})


def test_it_is_configured_by_plain_values_and_says_so_in_its_own_words() -> None:
    config = load_config(None, ["attack.name=smallest", "attack.inner=fgsm", "attack.objective=away", "attack.steps=40"], {})
    assert config.resolved()["attack"]["inner"] == "fgsm"
    assert config.attack.plugin.at(3).eps == 3 / 255
    assert replace(config.attack.plugin, inner="pgd").at(3).steps == 40
