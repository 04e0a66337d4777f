"""The classics, each held against what is known in a linear world."""

from itertools import combinations
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from linear_pairs import Linear, grey, linear, linear_world
from worlds import World, attackers_world

from crossattack.attacks import Pictures, Status, Words
from crossattack.attacks._bags import as_bags
from crossattack.attacks.finite_difference import FiniteDifference, sign_table, stepped
from crossattack.attacks.lbfgs import Lbfgs
from crossattack.attacks.pgd import Pgd
from crossattack.attacks.uap import Uap
from crossattack.attacks.vat import Vat
from crossattack.codes import harden
from crossattack.encoding import encode
from crossattack.errors import UsageError
from crossattack.objectives.own import Own
from crossattack.oracle import Reveals
from surrogates.texts import Bags

LEVEL = 1 / 255


def moved(world: World, attack: object, items: Pictures) -> torch.Tensor:
    """What a white-box attack adds to pictures, (items, values)."""
    changed = attack.fit(world.white)(items).items.values  # type: ignore[attr-defined]
    return (changed.float() - items.values.float()).flatten(1) / 255


class TestLbfgs:
    """Pictures with known margins: W (x - 1/2) = m, rounded to bytes."""

    FREE: ClassVar[dict[str, float]] = {"eps": 1.0, "searches": 10, "steps": 60}  # the whole box

    @staticmethod
    def pictures(world: World, items: int = 4) -> tuple[Pictures, torch.Tensor]:
        """Pictures, 0.3 to 1.2 from the plane of each bit, and their margins as rounded."""
        weights, generator = world.target.weights, torch.Generator().manual_seed(0)  # type: ignore[attr-defined]
        distances = 0.3 + 0.9 * torch.rand(items, len(weights), generator=generator)
        sides = torch.randint(0, 2, distances.shape, generator=generator) * 2 - 1
        values = 0.5 + (distances * sides * weights.norm(dim=1)) @ torch.linalg.pinv(weights).T
        pictures = Pictures(tuple(range(items)), (values * 255).round().to(torch.uint8).reshape(items, 3, 16, 16))
        return pictures, encode(world.target, "images", pictures.values)

    def test_one_bit_is_turned_at_its_distance_from_the_nearest_plane(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(8, shrink=0.8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(share=1 / 8, **self.FREE), pictures)
            least = (margins.abs() / world.target.weights.norm(dim=1)).min(1).values  # type: ignore[attr-defined]
        found = change.norm(dim=1)
        assert (found >= 0.98 * least).all()
        assert (found <= 1.05 * least).all()

    def test_a_quarter_of_the_bits_is_turned_as_cheaply_as_the_best_pair(self, tmp_path: Path) -> None:
        """Brute force over all pairs of 8 bits: the shortest r with W r = -m on the pair."""
        with linear_world(tmp_path, linear(8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(**self.FREE), pictures)
            weights, after = world.target.weights, margins + change @ world.target.weights.T  # type: ignore[attr-defined]
        for row, margin in enumerate(margins):
            pairs = [list(pair) for pair in combinations(range(8), 2)]
            least = min(float((torch.linalg.pinv(weights[pair]) @ margin[pair]).norm()) for pair in pairs)
            assert 0.98 * least <= float(change[row].norm()) <= 1.05 * least
        assert (((margins >= 0) != (after >= 0)).sum(1) >= 2).all()

    def test_an_objective_is_brought_down_to_its_bound_and_not_beyond(self, tmp_path: Path) -> None:
        """Own is the mean of |m|: a plane, at distance (value - bound) / |slope|."""
        with linear_world(tmp_path, linear(8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(objective=Own(), bound=0.3, **self.FREE), pictures)
            slope = margins.sign() @ world.target.weights / 8  # type: ignore[attr-defined]
            after = margins + change @ world.target.weights.T  # type: ignore[attr-defined]
        least = (margins.abs().mean(1) - 0.3) / slope.norm(dim=1)
        assert change.norm(dim=1) == pytest.approx(least, rel=0.05)
        assert ((after * margins.sign()).mean(1) <= 0.3).all()

    def test_an_objective_alone_leads_the_way_until_a_quarter_of_the_bits_has_turned(self, tmp_path: Path) -> None:
        """Own pushes every bit alike: margin k falls by the same t, so t is the second smallest margin."""
        with linear_world(tmp_path, linear(8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(objective=Own(), **self.FREE), pictures)
            weights = world.target.weights  # type: ignore[attr-defined]
        slope = margins.sign() @ weights  # each margin falls by sign W slope'
        falls = (slope @ weights.T) * margins.sign()
        needed = (margins.abs() / falls).sort(1).values[:, 1]
        assert change.norm(dim=1) == pytest.approx(needed * slope.norm(dim=1), rel=0.05)

    @pytest.mark.parametrize(("norm", "eps"), [("linf", 2 * LEVEL), ("l2", 0.1)])
    def test_what_it_cannot_reach_within_its_radius_it_goes_towards(self, norm: str, eps: float, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(norm=norm, eps=eps), pictures)
            after = margins + change @ world.target.weights.T  # type: ignore[attr-defined]
        size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        assert (size <= eps + 1e-6).all()
        assert (size > 0.5 * eps).all()
        assert ((after * margins.sign()).min(1).values < margins.abs().min(1).values).all()

    def test_bits_turn_with_the_confidence_that_is_asked_for(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(8)) as world:
            pictures, margins = self.pictures(world)
            change = moved(world, Lbfgs(confidence=0.5, **self.FREE), pictures)
            after = margins + change @ world.target.weights.T  # type: ignore[attr-defined]
        assert ((after * margins.sign() <= -0.5).sum(1) == 2).all()

    def test_on_a_network_it_turns_as_many_bits_as_pgd_is_asked_for_with_less(self, tmp_path: Path) -> None:
        with attackers_world(tmp_path, attacked=4) as world:
            least, usual = (moved(world, attack, world.pictures) for attack in (Lbfgs(), Pgd()))
            clean, after = (
                harden(encode(world.target, "images", images))
                for images in (world.query.images, Lbfgs().fit(world.white)(world.pictures).items.values)
            )
        assert ((clean != after).float().mean(1) >= 0.25).all()
        assert (least.norm(dim=1) < 0.5 * usual.norm(dim=1)).all()

    def test_a_change_that_rounding_would_undo_is_lengthened_until_bytes_hold_it(self, tmp_path: Path) -> None:
        """One bit 0.027 away, over 768 values: a quarter of a grey level each, which rounds to nothing."""
        target = Linear(torch.full((1, 768), 768**-0.5), torch.zeros(1, 8))
        with linear_world(tmp_path, target) as world:
            dark = Pictures((0,), torch.full((1, 3, 16, 16), 127, dtype=torch.uint8))
            dark.values[0, :, :2] = 129
            before = encode(world.target, "images", dark.values)
            change = moved(world, Lbfgs(**self.FREE), dark)
        assert before.item() == pytest.approx(-0.0272, abs=1e-3)
        assert before + change.sum() * 768**-0.5 >= 0
        assert change.abs().max() <= 2 * LEVEL

    def test_a_bound_without_an_objective_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"an objective wanted whose value is to be at most 0.5, none got"):
            Lbfgs(bound=0.5)


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


class TestFiniteDifference:
    def test_where_features_show_its_table_is_the_sign_of_the_gradient(self, tmp_path: Path) -> None:
        """768 values of 1 pixel: the sign of every entry of W' sign(Wx), at 769 queries."""
        with linear_world(tmp_path, linear(16), budget=2000, reveals=Reveals.FEATURES, attacked=1) as world:
            changed = FiniteDifference(block=1, eps=4 * LEVEL).fit(world.black)(world.pictures)
            own = harden(encode(world.target, "images", world.query.images)).float()
            slope = (own @ world.target.weights).sign()  # type: ignore[attr-defined]
            spent = world.ledger.bill("attacker").spent
        wanted = (world.query.images.flatten(1) - 4 * slope).clamp(0, 255)
        assert (changed.items.values.flatten(1) == wanted).float().mean() > 0.998  # float32 answers cannot tell the flattest
        assert changed.status == (Status.UNVERIFIED,)
        assert spent == 3 * 16 * 16 + 1

    @pytest.mark.parametrize("block", [3, 8])
    def test_a_block_has_the_sign_of_its_sum(self, block: int, tmp_path: Path) -> None:
        slope = linear(1).weights.reshape(3, 16, 16)
        asked = []

        def ask(probes: torch.Tensor) -> torch.Tensor:
            asked.append(len(probes))
            return (probes / 255 * slope).sum((1, 2, 3))[:, None]

        table = sign_table(ask, lambda values, clean: values, grey(1).values[0], block=block)
        for channel in range(3):
            for top in range(0, 16, block):
                for left in range(0, 16, block):
                    here = (channel, slice(top, top + block), slice(left, left + block))
                    assert (table[0][here] == slope[here].sum().sign()).all()
        assert sum(asked) == 3 * (-(-16 // block)) ** 2 + 1

    @pytest.mark.parametrize("level", [0, 255])
    def test_black_and_white_pictures_show_their_slopes_too(self, level: int) -> None:
        slope = linear(1).weights.reshape(3, 16, 16)
        picture = torch.full((3, 16, 16), level, dtype=torch.uint8)
        table = sign_table(lambda probes: (probes.double() / 255 * slope).sum((1, 2, 3))[:, None], lambda values, clean: values, picture)
        assert torch.equal(table[0], slope.sign().to(torch.int8))

    def test_one_set_of_answers_makes_a_table_for_each_wanted_label(self) -> None:
        scores = linear(4)
        picture = grey(1).values[0]
        tables = sign_table(lambda probes: scores.encode_images(probes.double() / 255), lambda s, _: s[:, [1]] - s, picture)
        for wanted in range(4):
            gradient = scores.weights[1] - scores.weights[wanted]
            assert torch.equal(tables[wanted].flatten(), gradient.sign().to(torch.int8))

    def test_a_step_lowers_the_margin_by_eps_times_the_slope(self) -> None:
        slope, pictures = linear(1).weights.reshape(1, 3, 16, 16), grey(1).values
        steps = {"linf": (8 * LEVEL, 8 * LEVEL), "l2": (2.0, 2.0 / 768**0.5)}  # eps, and by how much each value moves
        for norm, (eps, each) in steps.items():
            change = stepped(pictures, slope.sign().to(torch.int8), eps=eps, norm=norm).float() / 255 - pictures.float() / 255
            assert (change * slope).sum().item() == pytest.approx(-each * slope.abs().sum().item(), rel=0.03)

    def test_hard_codes_show_few_slopes_and_every_one_is_a_bit_that_turned(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(64), budget=10_000, attacked=1) as world:
            picture = world.query.images[0]
            codes = lambda probes: world.black.oracle.query_images(probes, phase="attack").values.float()  # noqa: E731
            table = sign_table(codes, lambda values, clean: (values * clean).mean(1, keepdim=True), picture, block=2, levels=32)
        assert 0 < (table != 0).float().mean() < 0.5

    def test_a_budget_that_does_not_cover_it_is_shared_and_spent_on_some_blocks(self, tmp_path: Path) -> None:
        with linear_world(tmp_path, linear(16), budget=30, reveals=Reveals.FEATURES, attacked=3) as world:
            perturb = FiniteDifference(block=4).fit(world.black)
            changed, texts = perturb(world.pictures), perturb(world.words)
            bill = world.ledger.bill("attacker")
        assert bill.spent == 3 * (30 // 3)
        assert bill.texts == 0
        assert set(changed.status) == {Status.EXHAUSTED}
        moved_values = (changed.items.values != world.query.images).flatten(1).sum(1)
        assert (moved_values <= 9 * 16).all()
        assert (moved_values > 0).all()
        assert texts.items == world.words
        assert texts.realisable

    def test_a_budget_that_ends_early_is_no_accident(self) -> None:
        slope = linear(1).weights.reshape(3, 16, 16)
        table = sign_table(
            lambda probes: (probes[:200] / 255 * slope).sum((1, 2, 3))[:, None], lambda values, clean: values, grey(1).values[0]
        )
        assert torch.equal(table.flatten()[:200], slope.flatten()[:200].sign().to(torch.int8))
        assert (table.flatten()[200:] == 0).all()
