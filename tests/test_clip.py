"""CLIP's towers under hash heads: parity with transformers, ties without a third value, and what is no CLIP."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_clip import SIDE, WIDTH, tiny_clip
from worlds import scenes

from crossattack.cli import main
from crossattack.codes import harden
from crossattack.errors import UsageError
from crossattack.progress import Silent
from crossattack.targets.dchmt import Dchmt
from surrogates import _hub
from surrogates.clip import ClipNetwork, clip_network, from_file, to_bytes
from surrogates.texts import Bags

BITS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def network(folder: Path) -> ClipNetwork:
    torch.manual_seed(0)
    return clip_network(str(folder), BITS, 32).eval()


@pytest.fixture(scope="module")
def whole(folder: Path) -> Any:
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder).eval()


def pictures(items: int = 2, side: int = SIDE) -> torch.Tensor:
    return torch.rand(items, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_towers_are_those_of_transformers_on_pictures_that_clips_own_processor_normalised(network: ClipNetwork, whole: Any) -> None:
    from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    mean, deviation = (torch.tensor(values).reshape(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    features = whole.get_image_features(pixel_values=(pictures() - mean) / deviation).pooler_output
    pairs = network.image_head(features).reshape(2, BITS, 2).softmax(2)
    assert torch.allclose(network.encode_images(pictures()), pairs[:, :, 1] - pairs[:, :, 0], atol=1e-5)
    texts = ["red 7 x", ["a", "b"]]
    features = whole.get_text_features(input_ids=network.tokens(texts)).pooler_output
    pairs = network.text_head(features).reshape(2, BITS, 2).softmax(2)
    assert torch.allclose(network.encode_texts(texts), pairs[:, :, 1] - pairs[:, :, 0], atol=1e-5)


def test_pictures_of_any_size_are_resized_to_its_own(network: ClipNetwork) -> None:
    flat = torch.full((1, 3, 50, 70), 0.3)
    assert torch.allclose(network.encode_images(flat), network.encode_images(torch.full((1, 3, SIDE, SIDE), 0.3)), atol=1e-4)


def test_words_in_a_list_are_a_sentence_and_long_texts_are_cut(network: ClipNetwork) -> None:
    assert torch.equal(network.tokens([["red", "x"]]), network.tokens(["red x"]))
    start, end = network.tokens([""])[0, 0], network.tokens([""])[0, 1]
    assert network.tokens([" ".join("abcdefgh" * 9)]).shape == (1, 32)
    assert network.tokens([" ".join("abcdefgh" * 9)])[0, [0, -1]].tolist() == [start, end]
    with pytest.raises(ValueError, match="bags or vectors of words got"):
        network.encode_texts(Bags(("a",), torch.ones(1, 1)))


def test_a_pair_that_ties_is_a_bit_of_plus_one_with_a_slope(network: ClipNetwork) -> None:
    """The released head has a ReLU before its softmax: both outputs at zero are a tie, taken for -1, that nothing can move."""
    last = network.image_head[-1]
    with torch.no_grad():
        last.weight[:2], last.bias[:2] = torch.ones(2, WIDTH), -100.0  # both of the first bit far below zero, and equal
    images = pictures(1).requires_grad_()
    relaxed = network.encode_images(images)
    assert relaxed[0, 0] == 0
    assert harden(relaxed)[0, 0] == 1
    with torch.no_grad():
        last.weight[1] += 0.5 * torch.linspace(-1, 1, WIDTH)
    (slope,) = torch.autograd.grad(network.encode_images(images)[0, 0], images)
    assert slope.abs().max() > 0


def test_one_item_goes_through_in_training_as_well_as_in_use(network: ClipNetwork) -> None:
    """The released heads squeeze a batch of one to no batch at all."""
    assert network.encode_images(pictures(1)).shape == network.encode_texts(["a"]).shape == (1, BITS)


def test_a_file_gives_the_same_network_without_the_folder(network: ClipNetwork, tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    path.write_bytes(to_bytes(network))
    again = from_file(path)
    assert to_bytes(again) == to_bytes(network)
    assert torch.equal(again.encode_texts(["red x"]), network.encode_texts(["red x"]))
    path.write_bytes(to_bytes(network)[:-9])
    with pytest.raises(ValueError, match="a CLIP under hash heads wanted"):
        from_file(path)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub whose name nobody resolves in time; how often it was asked for."""
    asked: list[str] = []

    def slow(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        time.sleep(20)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    _hub.reachable.cache_clear()
    yield asked
    _hub.reachable.cache_clear()


@pytest.mark.parametrize("kind", ["nowhere", "empty", "other", "no weights", "a name"])
def test_what_is_no_clip_is_refused_in_one_line_with_the_ways_out(kind: str, tmp_path: Path, folder: Path, no_hub: list[str]) -> None:
    place = tmp_path / "place"
    if kind != "nowhere":
        place.mkdir()
    if kind == "other":
        (place / "config.json").write_text('{"model_type": "bert"}')
    if kind == "no weights":
        (place / "config.json").write_text((folder / "config.json").read_text())
    recipe, began = Dchmt(clip="nobody/clip" if kind == "a name" else str(place)), time.monotonic()
    with pytest.raises(UsageError, match=r"^target\.clip: a folder with a CLIP .* wanted, ") as refused:
        recipe.opened()
    assert time.monotonic() - began < 10, "most of which is transformers' import"
    assert "\n" not in str(refused.value)
    assert "--set target.clip=DIR" in str(refused.value)
    assert "go where the hub can be reached, or choose another target" in str(refused.value)
    assert recipe.lacks == (None if kind == "no weights" else str(refused.value))
    assert len(no_hub) == (kind == "a name"), "a folder is no reason to ask a hub, and one that was silent is asked once"


def test_commands_refuse_before_data_are_read_and_without_waiting_for_a_hub(
    no_hub: list[str], empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["run", "--target", "dchmt", "--data", "scenes"], ["targets", "train", "dchmt", "--data", "scenes"]):
        _hub.reachable.cache_clear()
        began = time.monotonic()
        assert main(command) == 2
        assert time.monotonic() - began < _hub.PATIENCE + 3
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("error: target.clip: a folder with a CLIP of transformers, or the name of one, wanted, 'openai/clip-vit")
        assert "which is no folder and not in the hub's cache, and no hub answered" in line
    assert not list(tmp_path.glob("runs/*"))


def test_a_target_that_was_trained_here_needs_its_clip_no_more(folder: Path, empty_cache: Path, tmp_path: Path) -> None:
    gone = tmp_path / "clip"
    shutil.copytree(folder, gone)
    recipe = Dchmt(clip=str(gone), bits=BITS, epochs=1, batch=16)
    pairs, split = scenes()
    digest = recipe.load(pairs.take(split.train), device="cpu", progress=Silent()).digest
    shutil.rmtree(gone)
    assert recipe.lacks is None
    assert recipe.load(pairs.take(split.train), device="cpu", progress=Silent()).digest == digest
    assert Dchmt(clip=str(tmp_path / "another")).lacks is not None


def test_a_hub_that_is_switched_off_is_not_asked(no_hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not _hub.reachable()
    assert no_hub == []
