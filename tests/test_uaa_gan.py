"""UAA-GAN: its loss against loops, its bounds, its file, and what a trained generator does to a target."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from generators import ORIGIN, untrained
from PIL import Image
from torch import nn
from worlds import attackers_world

from crossattack.attacks import Pictures
from crossattack.attacks._eyes import Eyes
from crossattack.attacks._generator_file import Forger, forged, kept_at, load_generator, mirrored, reach
from crossattack.attacks._jnd import levels_of, radii
from crossattack.attacks.uaa_gan import UaaGan, leaving
from crossattack.cli import main
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.encoding import as_floats, encode
from crossattack.endpoint import Similarity
from crossattack.errors import DataError
from crossattack.perturbing import noise_like
from surrogates.generator import PatchGenerator


class Features(nn.Module):
    """A frozen random network of pictures: eight features of any length."""

    vocabulary = ()

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(72, 8))

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.layers(images - 0.5))

    def encode_texts(self, texts: Any) -> torch.Tensor:
        raise NotImplementedError("it reads no texts")


def naive(similarity: Similarity, one: torch.Tensor, other: torch.Tensor) -> float:
    if similarity is Similarity.HAMMING:
        return (len(one) - float(one @ other)) / (2 * len(one))
    if similarity is Similarity.COSINE:
        return (1 - float(one @ other) / float(one.norm() * other.norm())) / 2
    return float((one - other).square().sum().sqrt())


@pytest.mark.parametrize("negative", ["farthest", "nearest"])
@pytest.mark.parametrize("similarity", [Similarity.HAMMING, Similarity.COSINE, Similarity.EUCLIDEAN])
def test_the_metric_loss_is_the_naive_loop_of_its_formula(similarity: Similarity, negative: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (9, 3, 16, 16), dtype=torch.uint8, generator=generator)
    network, margin = Features(), 0.05
    eyes = Eyes(cast(Any, network), lambda items: pytest.fail("no label is looked at"), similarity)
    aim, batch = leaving(eyes, images, margin, negative, "cpu"), torch.tensor([7, 0, 3, 5])
    made = as_floats(images[batch]).flip(3)
    with torch.no_grad():
        clean, changed = network.encode_images(as_floats(images)), network.encode_images(made)
    loops = []
    for i, at in enumerate(batch):
        others = [naive(similarity, clean[at], clean[j]) for j in batch if j != at]
        mined = max(others) if negative == "farthest" else min(others)
        loops.append(max(0.0, mined + margin - naive(similarity, clean[at], changed[i])))
    assert 0 < sum(loops) / 4 == pytest.approx(float(aim(made, batch).detach()), abs=1e-5)


@pytest.mark.parametrize("sides", [(16, 16), (64, 48), (1, 1), (2, 5), (17, 30), (37, 51), (15, 16)])
def test_sides_that_the_generator_does_not_take_go_on_as_their_mirror_image(sides: tuple[int, int]) -> None:
    height, width = sides
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    wanted = [max(16, -(-side // 4) * 4) for side in sides]
    peer = np.pad(image.numpy(), ((0, 0), (0, 0), (0, wanted[0] - height), (0, wanted[1] - width)), mode="reflect")
    assert np.array_equal(mirrored(image).numpy(), peer)


@pytest.mark.parametrize("eps", [1 / 255, 10 / 255, 0.05, 1.0])
def test_changed_pictures_are_whole_grey_levels_inside_the_ball_for_any_network_and_any_size(eps: float) -> None:
    torch.manual_seed(0)
    network = PatchGenerator(8, 1)
    for sides in ((37, 51), (16, 16), (3, 70)):
        clean = torch.randint(0, 256, (2, 3, *sides)).float() / 255
        levels = forged(network, clean, eps).detach() * 255
        assert (levels - levels.round()).abs().max() < 1e-3
        assert (levels.round() - clean * 255).abs().max() <= reach(eps) + 1e-3
        assert 0 <= levels.min() <= levels.max() <= 255.001


def test_a_white_picture_has_a_slope_and_it_is_that_of_a_change_that_is_not_clipped() -> None:
    torch.manual_seed(0)
    network, white = PatchGenerator(8, 1), torch.ones(2, 3, 16, 16)
    white[:, :, :8] = torch.rand(2, 3, 8, 16)
    weights = torch.rand_like(white)
    slopes = [
        torch.autograd.grad((weights * made).sum(), list(network.parameters()))
        for made in (forged(network, white, 16 / 255), white + 16 / 255 * network(white))
    ]
    assert all(torch.allclose(one, other) for one, other in zip(*slopes, strict=True))
    assert any((one != 0).any() for one in slopes[0])


def test_what_is_made_of_a_picture_does_not_depend_on_the_others(tmp_path: Path) -> None:
    forge = load_generator(untrained(tmp_path / "g.safetensors"))
    images = torch.randint(0, 256, (5, 3, 20, 33), dtype=torch.uint8)
    assert torch.equal(forge(images)[2:3], forge(images[2:3]))
    assert not torch.equal(forge(images), images)
    assert torch.equal(forge(images, 0.0), images)


def test_a_generator_is_read_in_another_process_which_may_not_unpickle(tmp_path: Path) -> None:
    path, images = untrained(tmp_path / "g.safetensors"), torch.arange(3 * 24 * 24).remainder(251).to(torch.uint8).reshape(1, 3, 24, 24)
    program = f"""
import pickle, torch
def refuse(*arguments, **settings): raise AssertionError("unpickled")
pickle.load = pickle.loads = pickle.Unpickler = torch.load = refuse
torch.set_num_threads({torch.get_num_threads()})
from crossattack.attacks._generator_file import load_generator
forge = load_generator({str(path)!r})
images = torch.arange(3 * 24 * 24).remainder(251).to(torch.uint8).reshape(1, 3, 24, 24)
print(forge.origin.target, forge.origin.eps, forge.origin.pixels, forge(images).flatten().tolist())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == f"{ORIGIN.target} {ORIGIN.eps} (64, 64) {load_generator(path)(images).flatten().tolist()}"


def test_a_file_that_is_no_generator_is_a_line(tmp_path: Path) -> None:
    whole = untrained(tmp_path / "g.safetensors").read_bytes()
    broken = {
        "torn": whole[: len(whole) // 2],
        "empty": b"",
        "other": whole.replace(b"crossattack generator 1", b"crossattack generator 9"),
    }
    broken["wide"] = whole.replace(b'\\"width\\": 4', b'\\"width\\": 5')
    broken["nonsense"] = whole.replace(b'\\"seed\\": 0', b'\\"seed\\": x')
    for name, content in broken.items():
        assert content != whole
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"^a generator that `--attack uaa_gan` made wanted, .*{name} holds none \(.*\); name its"):
            load_generator(tmp_path / name)


def test_a_run_keeps_two_generators_beside_each_other_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    other = replace(ORIGIN, made_of="e" * 16)
    assert kept_at(tmp_path, ORIGIN) == (tmp_path / "generator.safetensors", None)
    untrained(tmp_path / "generator.safetensors")
    path, found = kept_at(tmp_path, ORIGIN)
    assert found is not None
    assert (path.name, found.origin) == ("generator.safetensors", ORIGIN)
    assert kept_at(tmp_path, other) == (tmp_path / f"generator-{'e' * 16}.safetensors", None)
    path.write_bytes(b"torn")
    assert kept_at(tmp_path, other) == (path, None)


def small(**settings: Any) -> UaaGan:
    return UaaGan(**{"eps": 16 / 255, "steps": 60, "batch": 8, "width": 16, "blocks": 1, "pictures": 40, **settings})


def flipped(world: Any, images: torch.Tensor) -> float:
    """The share of the target's bits that differ from those of the attacked pictures."""
    before, after = (harden(encode(world.target, "images", pictures)) for pictures in (world.pictures.values, images))
    return float((before != after).double().mean())


def test_on_the_granted_target_it_asks_nothing_and_turns_half_as_many_bits_again_as_noise(tmp_path: Path) -> None:
    with attackers_world(tmp_path, attacked=24) as world:
        changed = small().fit(world.white)(world.pictures).items.values
        signs = torch.randint(0, 2, changed.shape, generator=torch.Generator().manual_seed(0)) * 32 - 16
        noisy = (world.pictures.values.int() + signs).clamp(0, 255).to(torch.uint8)
        assert world.ledger.bill("attacker").spent == 0
        attacked, noise = flipped(world, changed), flipped(world, noisy)
        assert load_generator(tmp_path / "generator.safetensors").origin.target == world.target.digest
    assert (changed.int() - world.pictures.values.int()).abs().max() <= 16
    assert attacked > 1.5 * noise, (attacked, noise)


def test_elsewhere_it_pays_for_its_surrogate_and_for_nothing_else(tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        perturb = small(steps=4).fit(world.black)
        spent = world.ledger.bill("attacker").spent
        assert 0 < spent <= 60
        perturb(world.pictures)
        assert world.ledger.bill("attacker").spent == spent
    assert not load_generator(tmp_path / "generator.safetensors").origin.white_box


def test_an_encoder_that_compares_by_cosine_is_left_too_and_gets_no_gradients_of_its_own(tmp_path: Path) -> None:
    network = Features()
    with attackers_world(tmp_path) as world:
        features = network.encode_images(as_floats(world.query.images)).detach()
        box = replace(world.white.white_box, encoder=network, similarity=Similarity.COSINE)
        changed = small().fit(replace(world.white, white_box=box))(world.pictures).items.values
        turned = torch.cosine_similarity(features, network.encode_images(as_floats(changed)).detach())
        noise = world.pictures.values.int() + torch.randint(-16, 17, changed.shape, generator=torch.Generator().manual_seed(0))
        swayed = torch.cosine_similarity(features, network.encode_images(as_floats(noise.clamp(0, 255).to(torch.uint8))).detach())
    assert (1 - turned).mean() > 2 * (1 - swayed).mean()
    assert all(weight.grad is None for weight in network.parameters())


def half_textured() -> torch.Tensor:
    """Mid-grey on the left, stripes on the right."""
    pictures = torch.full((2, 3, 24, 32), 127, dtype=torch.uint8)
    pictures[:, :, :, 16:] = torch.tensor([60, 190], dtype=torch.uint8).repeat(8)
    return pictures


@pytest.mark.parametrize("eps", [3 / 255, 16 / 255])
def test_with_perception_a_pixel_goes_as_far_as_the_picture_hides_it_and_none_beyond(eps: float) -> None:
    torch.manual_seed(0)
    network, clean = PatchGenerator(8, 1), as_floats(half_textured())
    allowed = (radii(clean, eps) * 255 + 1e-3).floor()
    change = ((forged(network, clean, eps, "mnd") - clean).detach() * 255).round()
    wanted = (allowed * network(clean)).detach()
    assert (change.abs() <= allowed).all()
    assert (change - wanted).abs().max() <= 0.5 + 1e-3  # rounding alone, as nothing here is near black or white
    assert allowed[..., :13].max() < allowed.max() == reach(eps)


def test_a_generator_learns_and_is_kept_with_its_perception(tmp_path: Path) -> None:
    attack = small(steps=2, perception="mnd")
    with attackers_world(tmp_path) as world:
        changed = attack.fit(world.white)(world.pictures).items.values
    clean = world.pictures.values
    assert ((changed.int() - clean.int()).abs() <= levels_of(as_floats(clean), 16 / 255)).all()
    forge = load_generator(tmp_path / "generator.safetensors")
    assert forge.origin.perception == "mnd"
    assert torch.equal(forge(clean), changed)
    plain = Forger(forge.network, replace(forge.origin, perception="none"))
    assert not torch.equal(plain(clean), changed)


def test_perturb_holds_a_generator_to_its_perception(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, (picture, _) = untrained(tmp_path / "g.safetensors", perception="mnd"), half_textured()
    (tmp_path / "in").mkdir()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / "in/a.png")
    assert main(["perturb", "--generator", str(path), str(tmp_path / "in"), str(tmp_path / "out"), "--eps", "16/255", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["generator"]["perception"] == "mnd"
    changed = torch.from_numpy(np.array(Image.open(tmp_path / "out/a.png"))).permute(2, 0, 1)
    change, allowed = (changed.int() - picture.int()).abs(), levels_of(as_floats(picture[None]), 16 / 255)[0]
    assert (change <= allowed).all()
    assert change.max() > allowed[..., :13].max()  # more where the stripes are than anywhere on the grey


def test_a_file_of_before_there_was_perception_has_none(tmp_path: Path) -> None:
    path = untrained(tmp_path / "g.safetensors", perception="mnd")
    said = b', \\"perception\\": \\"mnd\\"'
    content = path.read_bytes()
    assert content.count(said) == 1
    path.write_bytes(
        content.replace(said, b"").replace(content[:8], (int.from_bytes(content[:8], "little") - len(said)).to_bytes(8, "little"))
    )
    assert load_generator(path).origin == ORIGIN


def test_the_control_and_the_ceiling_have_its_perception() -> None:
    config = load_config(None, ["attack.name=uaa_gan", "attack.perception=mnd"], {})
    assert config.ceiling.plugin.perception == noise_like(config.attack.plugin).perception == "mnd"


def test_a_finished_generator_is_read_back(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        with attackers_world(tmp_path) as world:
            made.append(small(steps=4).fit(world.white)(world.pictures).items.values)
            written = (tmp_path / "generator.safetensors").stat().st_mtime_ns
            made.append(torch.tensor(written))
    assert torch.equal(made[0], made[2])
    assert torch.equal(made[1], made[3])


def test_a_radius_below_a_grey_level_changes_nothing_and_trains_nothing(tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        assert torch.equal(small(eps=0.003).fit(world.black)(world.pictures).items.values, world.pictures.values)
        assert world.ledger.bill("attacker").spent == 0
    assert not (tmp_path / "generator.safetensors").exists()


def test_pictures_alone_are_changed(tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        perturb = small(steps=2).fit(world.white)
        assert perturb(world.words).items is world.words
        assert isinstance(perturb(world.pictures).items, Pictures)
