"""EQB2A: a knockoff that learned the order of lists, and a generator that learned to leave their heads."""

from pathlib import Path

import pytest
import torch
from worlds import attackers_world

from crossattack.attacks import Pictures
from crossattack.attacks._knockoff import _in_order, _sampled
from crossattack.attacks._recipe import SurrogateRecipe
from crossattack.attacks.eqb2a import Eqb2a
from crossattack.config import load_config
from crossattack.errors import ConfigError
from crossattack.perturbing import noise_like
from surrogates.generator import Discriminator, Generator
from surrogates.losses import relaxed_distance


def test_places_are_spread_from_the_head_to_the_tail_of_a_list() -> None:
    lists = torch.arange(100, 117, dtype=torch.int32)[None]
    assert _sampled(lists).tolist() == [[100, 104, 108, 112, 116]]
    assert _sampled(lists[:, :3]).tolist() == [[100, 101, 102]]


def test_the_hinge_of_couples_is_the_naive_loop_of_its_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, found = (torch.rand(count, 8, generator=generator) * 2 - 1 for count in (4, 7))
    near, far = torch.randint(7, (2, 4, 3), generator=generator)
    gap = torch.tensor([1, 2, 4])
    loops = [
        max(
            0.0, 0.1 + float(relaxed_distance(queries[i], found[near[i, j]]) - relaxed_distance(queries[i], found[far[i, j]])) / int(gap[j])
        )
        for i in range(4)
        for j in range(3)
    ]
    assert float(_in_order(queries, found, near, far, gap)) == pytest.approx(sum(loops) / 12, abs=1e-6)


@pytest.mark.parametrize("pixels", [16, 64])
def test_what_a_generator_makes_of_a_picture_does_not_depend_on_its_batch(pixels: int) -> None:
    torch.manual_seed(0)
    generator, images = Generator(4, blocks=2), torch.rand(5, 3, pixels, pixels)
    made = generator(images)
    assert made.shape == images.shape
    assert made.abs().max() <= 1
    assert torch.allclose(generator(images[2:3]), made[2:3], atol=1e-5)
    assert Discriminator(4)(images).shape == (5,)


def test_a_trained_generator_takes_pictures_away_from_the_heads_of_their_lists(tmp_path: Path) -> None:
    recipe = SurrogateRecipe(image_tower="convnet", epochs=15, batch=16, lr=3e-3)
    with attackers_world(tmp_path, top_k=20, budget=80, recipe=recipe) as world:
        attack = Eqb2a(eps=32 / 255, epochs=25, batch=8, width=8, lr=1e-3)
        perturb = attack.fit(world.black)
        knockoff = world.black.made["surrogate"]
        clean = knockoff.answers.images
        aim, everyone = attack._leaving(world.black, knockoff), torch.arange(len(clean))
        changed = perturb(Pictures(tuple(range(len(clean))), clean)).items.values
        before, after = (float(aim(images.float() / 255, everyone)) for images in (clean, changed))
    assert (changed.int() - clean.int()).abs().max() <= 32
    assert after < 0.8 * before, (before, after)


def test_without_a_radius_the_generator_gives_the_picture_itself(tmp_path: Path) -> None:
    with attackers_world(tmp_path, top_k=10) as world:
        attack = Eqb2a(eps=None, epochs=1, width=4)
        changed = attack.fit(world.black)(world.pictures).items.values
    assert (changed.int() - world.pictures.values.int()).abs().max() > 32  # hardly trained, so far from any picture
    assert noise_like(attack).eps == 8 / 255  # the control has a radius all the same


def test_a_finished_generator_is_read_back_and_a_damaged_one_trained_again(tmp_path: Path) -> None:
    attack, results = Eqb2a(epochs=1, width=4), []
    for _ in range(2):
        with attackers_world(tmp_path, top_k=10) as world:
            results.append(attack.fit(world.black)(world.pictures).items.values)
    file = tmp_path / "generator.safetensors"
    written = file.stat().st_mtime_ns
    assert torch.equal(*results)
    file.write_bytes(b"torn")
    with attackers_world(tmp_path, top_k=10) as world:
        assert torch.equal(attack.fit(world.black)(world.pictures).items.values, results[0])
    assert file.stat().st_mtime_ns != written


def test_it_wants_lists() -> None:
    with pytest.raises(ConfigError, match=r"^oracle.reveals: ranking wanted by eqb2a, which cannot use codes"):
        load_config(None, ["attack=eqb2a"])
