"""The classics, each held against what is known in a linear world."""

from pathlib import Path

import pytest
import torch
from linear_world import grey, linear, linear_world
from worlds import World

from crossattack.attacks import Pictures, Words
from crossattack.attacks._bags import as_bags
from crossattack.attacks.uap import Uap
from crossattack.attacks.vat import Vat
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import UsageError
from crossattack.objectives.own import Own
from surrogates.texts import Bags

LEVEL = 1 / 255


def moved(world: World, attack: object, items: Pictures) -> torch.Tensor:
    """What a white-box attack adds to pictures, (items, values)."""
    changed = attack.fit(world.white)(items).items.values  # type: ignore[attr-defined]
    return (changed.float() - items.values.float()).flatten(1) / 255


class TestVat:
    def test_it_finds_the_direction_in_which_codes_change_fastest(self, tmp_path: Path) -> None:
        """In a linear world the curvature is W'W, and its first eigenvector is known; the sign is the draw's."""
        with linear_world(tmp_path, linear(6, shrink=0.5)) as world:
            change = moved(world, Vat(norm="l2", eps=3.0, steps=10), grey(6))
            fastest = torch.linalg.eigh(world.target.weights.T @ world.target.weights).eigenvectors[:, -1]  # type: ignore[attr-defined]
        cosines = torch.nn.functional.cosine_similarity(change, fastest[None])
        assert (cosines.abs() > 0.99).all()
        assert change.norm(dim=1) == pytest.approx(3.0, abs=0.05)

    def test_one_probe_alone_goes_only_part_of_the_way(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(6)) as world:
            once, often = (moved(world, Vat(norm="l2", eps=3.0, steps=steps), grey(6)) for steps in (1, 40))
            stretched = [(change @ world.target.weights.T).norm(dim=1).mean() / 3 for change in (once, often)]  # type: ignore[attr-defined]
            greatest = torch.linalg.matrix_norm(world.target.weights, 2)  # type: ignore[attr-defined]
        assert stretched[0] < stretched[1] <= 1.01 * greatest
        assert stretched[1] > 0.97 * greatest

    def test_with_linf_it_moves_every_pixel_by_the_whole_radius(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(6, shrink=0.5)) as world:
            change = moved(world, Vat(eps=8 * LEVEL, steps=10), grey(6))
            fastest = torch.linalg.svd(world.target.weights).Vh[0]  # type: ignore[attr-defined]
        assert torch.allclose(change.abs(), torch.tensor(8 * LEVEL))
        agreeing = (change.sign() == fastest.sign()).float().mean(1)
        assert (torch.maximum(agreeing, 1 - agreeing) > 0.99).all()


class TestUap:
    def test_in_a_linear_world_it_is_the_sign_of_the_mean_direction(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(16)) as world:
            change = moved(world, Uap(objective=Own(), steps=20, eps=8 * LEVEL), grey(4))
            codes = harden(encode(world.target, "images", world.white.images)).float()
            mean = (codes @ world.target.weights).mean(0)  # type: ignore[attr-defined]
        assert torch.allclose(change, (-8 * LEVEL * mean.sign()).expand_as(change))

    def test_the_change_of_texts_is_too_within_the_box_of_weights(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(16)) as world:
            changed = Uap(objective=Own(), steps=20, text_eps=0.1).fit(world.white)(world.words).items.values
            codes = harden(encode(world.target, "texts", world.white.texts)).float()
            mean = (codes @ world.target.words).mean(0)  # type: ignore[attr-defined]
            clean = as_bags(world.query.texts, world.target.vocabulary)
        assert isinstance(changed, Bags)
        wanted = clean.weights.clone()
        wanted[:, : len(mean)] = (wanted[:, : len(mean)] - 0.1 * mean.sign()).clamp(0, 1)
        assert torch.allclose(changed.weights, wanted, atol=1e-6)

    def test_batches_that_take_turns_find_nearly_the_same(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(16)) as world:
            whole, turns = (moved(world, Uap(objective=Own(), steps=60, batch=batch), grey(1)) for batch in (64, 8))
        assert (whole == turns).float().mean() > 0.9

    def test_the_change_is_learned_once_and_again_where_its_file_is_damaged(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(16)) as world:
            first = moved(world, Uap(steps=8), grey(2))
            (file,) = (tmp_path / "checkpoints").glob("uap-*.safetensors")
            written = file.stat().st_mtime_ns
            assert torch.equal(first, moved(world, Uap(steps=8), grey(2)))
            assert file.stat().st_mtime_ns == written
            file.write_bytes(b"damaged")
            assert torch.equal(first, moved(world, Uap(steps=8), grey(2)))
            assert file.stat().st_size > 100
            moved(world, Uap(steps=9), grey(2))
            assert len(list((tmp_path / "checkpoints").glob("uap-*"))) == 2

    def test_an_objective_with_a_goal_for_each_item_is_refused(self) -> None:
        from crossattack.objectives.dhta import Dhta

        with pytest.raises(UsageError, match="not targeted wanted by uap, dhta got"):
            Uap(objective=Dhta())


def test_words_that_the_network_does_not_know_keep_their_weight(tmp_path: Path) -> None:
    with linear_world(tmp_path, linear(8)) as world:
        texts = Words((0,), ["red zebra"])
        for attack in (Vat(), Uap(steps=2)):
            bags = attack.fit(world.white)(texts).items.values
            assert bags.weights[0, bags.words.index("zebra")] == 1
            assert bags.weights[0, bags.words.index("red")] != 1
