"""CLIP's towers under hash heads: parity with transformers, ties without a third value, and what is no CLIP."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_clip import SIDE, WIDTH, tiny_clip

from crossattack.codes import harden
from crossattack.errors import UsageError
from crossattack.targets.dchmt import Dchmt
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


@pytest.mark.parametrize("kind", ["nowhere", "empty", "other"])
def test_what_is_no_clip_is_refused_in_one_line_with_a_way_out(kind: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if kind == "other":
        (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match=r"target\.clip: a folder with a CLIP .* wanted") as refused:
        Dchmt(clip=str(tmp_path / "nothing" if kind == "nowhere" else other)).opened()
    assert "\n" not in str(refused.value)
    assert "--set target.clip=DIR" in str(refused.value)
