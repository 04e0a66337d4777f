"""Whole runs against defended targets: who knows what, what is told of it, and that an attack which knows is the stronger one."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from test_experiment import SMALL
from worlds import World, attackers_world, scenes, untrained_target

from crossattack.attacks.mi_fgsm import MiFgsm
from crossattack.calls import run_experiment
from crossattack.codes import harden
from crossattack.common import Common
from crossattack.config import config_of, load_config
from crossattack.datasets.scenes import Scenes
from crossattack.defences import Defence
from crossattack.defences._defended import Defended, Front
from crossattack.defences.bit_depth import BitDepth
from crossattack.defences.jpeg import Jpeg
from crossattack.defences.resizing import Resizing
from crossattack.deployed import deployed
from crossattack.encoding import encode
from crossattack.errors import TargetError
from crossattack.experiment import run
from crossattack.objectives.own import Own
from crossattack.progress import Silent
from crossattack.replay import replay
from crossattack.sweep.grid import digest_of
from crossattack.targets.dcmh import Dcmh

PAGE = (Path(__file__).parents[1] / "docs/defences.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache in which the small target is trained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def ran(folder: Path, *settings: str) -> dict[str, Any]:
    return dict(run_experiment(load_config(overrides=[*SMALL, *settings]), folder))


def flipped(world: World, followed: Any, target: Any) -> float:
    """Share of the target's bits that a white box flips which goes down the slopes of `followed`."""
    assert world.white.white_box is not None
    context = replace(world.white, white_box=replace(world.white.white_box, encoder=followed, target=target))
    made = MiFgsm(steps=10, objective=Own()).fit(context)(world.pictures).items.values
    clean, after = (harden(encode(target, "images", images)) for images in (world.query.images, made))
    return float((clean != after).float().mean())


@pytest.mark.parametrize(
    ("told", "defence"),
    [
        ("`jpeg`, quality 75", Jpeg()),
        ("`jpeg`, quality 20", Jpeg(quality=20)),
        ("`bit_depth`, 3 bits", BitDepth()),
        ("`bit_depth`, 1 bit", BitDepth(bits=1)),
        ("`resizing`", Resizing()),
    ],
)
def test_a_white_box_that_knows_a_defence_does_more_than_one_that_does_not(told: str, defence: Defence, tmp_path: Path) -> None:
    """And as much as docs/defences.md says, give or take what another processor's sums may change."""
    plain = untrained_target(scenes()[0])
    target = Defended(plain, defence)
    with attackers_world(tmp_path, attacked=30, target=target) as world:  # type: ignore[arg-type]
        undefended, oblivious, adaptive = (
            flipped(world, plain, plain),
            flipped(world, plain, target),
            flipped(world, target.known(8), target),
        )
    assert oblivious < undefended - 0.1, "the defence stops some of an attack that does not know it"
    assert oblivious + 0.015 < adaptive < undefended
    (row,) = re.findall(rf"^\| {re.escape(told)} \| (\d+) % \| (\d+) % \|$", PAGE, re.M)
    assert [100 * oblivious, 100 * adaptive] == pytest.approx([float(each) for each in row], abs=3)


def test_the_mean_over_draws_is_worth_more_than_one_draw(tmp_path: Path) -> None:
    target = Defended(untrained_target(scenes()[0]), Resizing())
    with attackers_world(tmp_path, attacked=30, target=target) as world:  # type: ignore[arg-type]
        one, many = (flipped(world, target.known(passes), target) for passes in (1, 16))
    assert one < many


def test_a_run_is_behind_its_defence_and_says_so(tmp_path: Path) -> None:
    results, plain = ran(tmp_path / "run", "defence=bit_depth", "defence.bits=2"), ran(tmp_path / "plain")
    assert results["threat_model"]["defence"] == {"name": "bit_depth", "bits": 2}
    assert results["threat_model"]["defence_known"] is True
    assert plain["threat_model"]["defence"] is plain["threat_model"]["defence_known"] is None
    pairs, split = Scenes(pairs=600, pixels=16).load(Silent())
    network = Dcmh(image_tower="convnet", epochs=2, bits=16).load(pairs.take(split.train), device="cpu", progress=Silent())
    assert plain["target"]["digest"] == network.digest
    target = Defended(network, BitDepth(bits=2))
    assert results["target"]["digest"] == target.digest
    with h5py.File(tmp_path / "run/codes.h5") as file, h5py.File(tmp_path / "plain/codes.h5") as other:
        kept, undefended = (torch.from_numpy(each["text_to_image/database"][()]) for each in (file, other))
    codes = [harden(encode(each, "images", pairs.take(split.database).images)) for each in (target, network)]
    assert torch.equal(kept, codes[0])
    assert torch.equal(undefended, codes[1])
    assert not torch.equal(*codes)
    assert replay(tmp_path / "run")[0] == []


def test_who_does_not_know_the_defence_follows_the_target_without_it(tmp_path: Path) -> None:
    """The same target, the same budget: other ceilings, and other surrogates, which learned without it in front."""
    knowing, oblivious = (
        ran(tmp_path / f"{adaptive}", "defence=bit_depth", f"oracle.adaptive={adaptive}") for adaptive in ("true", "false")
    )
    assert oblivious["threat_model"]["defence_known"] is False
    assert knowing["target"]["digest"] == oblivious["target"]["digest"]
    for direction in ("image_to_text", "text_to_image"):
        assert knowing["directions"][direction]["map"]["clean"] == oblivious["directions"][direction]["map"]["clean"]
    pictures = [found["directions"]["image_to_text"]["map"] for found in (knowing, oblivious)]
    assert pictures[0]["ceiling"] != pictures[1]["ceiling"]
    assert knowing["surrogates"] != oblivious["surrogates"]
    said = {check["name"]: check["detail"] for check in oblivious["checks"]}
    assert said["image_to_text: the attack does something"].endswith("the white box does not know the target's defence")


@pytest.mark.parametrize(("redraws", "holds", "says"), [("false", True, "once for each picture"), ("true", False, "at each question")])
def test_a_random_defence_is_told_by_the_check_of_repeated_answers(redraws: str, holds: bool, says: str, tmp_path: Path) -> None:
    results = ran(tmp_path / "run", "defence=resizing", f"defence.redraws={redraws}", "oracle.draws=2")
    found = {check["name"]: check for check in results["checks"]}
    pictures, texts = (found[f"{direction}: the target repeats its answers"] for direction in ("image_to_text", "text_to_image"))
    assert pictures["ok"] is holds
    assert f"its defence, resizing, draws at random {says}" in pictures["detail"]
    assert texts["ok"] is True
    assert "draws" not in texts["detail"]
    assert replay(tmp_path / "run")[0] == []


def test_a_random_defence_is_repeated_to_the_bit(tmp_path: Path) -> None:
    first, second = (ran(tmp_path / name, "defence=resizing", "oracle.draws=2", "name=same") for name in ("one", "two"))
    for key in ("directions", "budget", "distortion", "checks"):
        assert first[key] == second[key]


def test_surrogates_of_who_knows_learn_through_the_defence(tmp_path: Path) -> None:
    with attackers_world(tmp_path) as world:
        network = replace(world.black, front=Front(BitDepth(bits=1))).surrogate(name="knowing").network
        images = world.query.images.float() / 255
        assert torch.equal(network.encode_images(images), network.encode_images(images.round()))
        again = replace(world.black, front=Front(BitDepth(bits=1))).surrogate(name="knowing").network  # read back
        assert torch.equal(again.encode_images(images), network.encode_images(images))
        plain = world.black.surrogate().network
        assert not torch.equal(plain.encode_images(images), plain.encode_images(images.round()))


def test_runs_of_a_sweep_share_nothing_between_who_knows_and_who_does_not(tmp_path: Path) -> None:
    common = Common(tmp_path / "common")
    fronts = [None, Front(BitDepth()), Front(BitDepth(bits=1)), None]
    for place, front in enumerate(fronts):
        with attackers_world(tmp_path / f"{place}") as world:
            replace(world.black, common=common, front=front).surrogate()
    assert len(list((tmp_path / "common").glob("surrogate-*/surrogate.safetensors"))) == 3
    train = scenes()[0].take(scenes()[1].train)
    settings = [("jpeg", "true", 8), ("jpeg", "false", 8), ("resizing", "true", 8), ("resizing", "true", 4), ("none", "true", 8)]
    systems = []
    for defence, adaptive, draws in settings:
        config = load_config(overrides=[*SMALL, f"defence={defence}", f"oracle.adaptive={adaptive}", f"oracle.draws={draws}"])
        systems.append(deployed(config, train, device="cpu", progress=Silent(), given=untrained_target(scenes()[0])))
    assert len({(system.target.digest, *system.knowledge) for system in systems}) == len(settings)
    assert systems[-1].knowledge == ()


def test_settings_that_came_later_leave_the_digests_of_runs_as_they_were() -> None:
    resolved = load_config().resolved()
    before = json.loads(json.dumps(resolved))
    del before["defence"], before["oracle"]["adaptive"], before["oracle"]["draws"]
    for key in ("adversarial", "adversarial_steps", "smoothing", "smoothing_weight"):
        del before["target"][key]
    assert digest_of(resolved) == digest_of(before)
    others = ["defence=jpeg", "oracle.adaptive=false", "oracle.draws=1", "target.adversarial=8/255", "target.smoothing=8/255"]
    assert len({digest_of(load_config(None, [each]).resolved()) for each in others} | {digest_of(before)}) == len(others) + 1


# A white box that gives no gradient


def no_grad(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def images(pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = network.encode_images(pictures)
        return found

    return images


def rounded(network: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Gradients at its weights and none at the pictures."""
    return lambda pictures: network.encode_images(pictures.detach())


@pytest.mark.parametrize(
    ("make", "says"), [(no_grad, "outputs that carry no gradient got"), (rounded, "outputs whose gradient does not reach the pictures got")]
)
def test_a_target_that_says_it_is_differentiable_and_is_not_is_told_so_in_a_line(
    make: Callable[[Any], Any], says: str, tmp_path: Path
) -> None:
    from crossattack.targets.callable import Callable as Target

    network = untrained_target(scenes()[0])
    recipe = Target(images=make(network), texts=network.encode_texts, differentiable=True)
    tree = {"data": {"name": "scenes", "pairs": 240, "pixels": 16}, "target": recipe, "attack": "fgsm"}
    (tmp_path / "run").mkdir()
    with pytest.raises(TargetError) as caught:
        run(config_of(tree), tmp_path / "run", Silent())
    assert says in str(caught.value)
    assert "say `differentiable: false`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run/results.json").exists()
