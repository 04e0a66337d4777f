"""What the examples share: photographs in folders of their classes, and a small network that learns to tell those apart."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from crossattack.cache import built_once, cache_folder, whole_file
from crossattack.datasets._files import Files
from crossattack.errors import DataError
from crossattack.progress import Progress
from crossattack.streams import Streams
from surrogates.training import augment

BATCH = 128
CHANNELS = (32, 64, 128)  # of the network's layers; each halves the picture, but the first of one that is not `LARGE`
LARGE = 64  # pixels of a side
OTHER_CHANNELS = (24, 48, 96, 192)  # of a second network, to see what holds for another


@dataclass(frozen=True)
class Photos:
    """uint8 pictures (items, 3, height, width) and the numbers of their classes (items)."""

    images: Tensor
    labels: Tensor

    def take(self, rows: Tensor) -> "Photos":
        """These, in this order."""
        return Photos(self.images[rows], self.labels[rows])


def read_photos(files: Files, groups: Sequence[Sequence[str]]) -> Photos:
    """The files of each class, whole; `DataError` where they are no pictures of one size."""
    images, labels = [], []
    for label, names in enumerate(groups):
        for name in names:
            try:
                picture = Image.open(io.BytesIO(files.read(name))).convert("RGB")
            except (UnidentifiedImageError, OSError) as error:
                raise DataError(f"{files.root}: a picture wanted at {name}, none got; replace or remove it.") from error
            images.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
            labels.append(label)
    if len(sizes := {image.shape for image in images}) != 1:
        raise DataError(f"pictures of one size wanted in {files.root}, {len(sizes)} sizes got; resize them.")
    return Photos(torch.stack(images), torch.tensor(labels))


def trained(train: Photos, classes: int, epochs: int, seed: int, progress: Progress, channels: Sequence[int] = CHANNELS) -> nn.Sequential:
    """A small convolutional classifier of pictures in [0, 1], frozen; read from the cache folder where it was trained before."""
    torch.manual_seed(seed)
    network = _network(classes, channels, 2 if max(train.images.shape[2:]) > LARGE else 1)
    settings = f"{network} {epochs} {seed} {BATCH} {list(train.images.shape)} {train.labels.tolist()}"
    made_of = hashlib.sha256(settings.encode() + train.images.contiguous().numpy().tobytes())
    path = cache_folder("examples") / f"classifier-{made_of.hexdigest()[:16]}.safetensors"
    with built_once(path) as missing:
        if not missing:
            try:
                network.load_state_dict(load_file(path))
            except (SafetensorError, RuntimeError, OSError) as error:
                raise DataError(f"{path}: a trained network wanted, a damaged file got; delete it and try again.") from error
        else:
            _train(network, train, epochs, seed, progress)
            with whole_file(path) as file:
                save_file({name: value.contiguous() for name, value in network.state_dict().items()}, file)
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _network(classes: int, channels: Sequence[int], first: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(zip((3, *channels), channels, strict=False)):
        convolution = nn.Conv2d(inputs, outputs, 3, 2 if place else first, 1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels[-1], classes))


def _train(network: nn.Sequential, train: Photos, epochs: int, seed: int, progress: Progress) -> None:
    network.to(memory_format=torch.channels_last)
    generator, batches = Streams(seed).torch("cifar10", "batches"), max(1, len(train.labels) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=epochs * batches)
    with progress.stage("training a classifier", epochs) as tick:
        for _ in range(epochs):
            total = 0.0
            for batch in torch.randperm(len(train.labels), generator=generator).tensor_split(batches):
                images = augment(train.images[batch], 2, True, generator)
                loss = functional.cross_entropy(network(images), train.labels[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                pace.step()
                total += loss.item() / batches
            tick(1, loss=total)
