"""Pictures that lie in files are the same pictures to everyone who asks: digests, fingerprints, codes, training."""

from pathlib import Path

import pytest
import torch
from field_files import SIDE, SMALL, layout_a, layout_h, world
from jaxtyping import Float
from torch import Tensor

from crossattack.datasets import Pairs, Split
from crossattack.datasets._store import digest, read_pairs, write_pairs
from crossattack.datasets.mirflickr import Mirflickr
from crossattack.encoding import encode_images
from crossattack.errors import DataError
from crossattack.fingerprint import fingerprint_images
from crossattack.progress import Silent
from crossattack.stored import StoredImages, in_batches
from surrogates.network import network_for, weights_digest
from surrogates.texts import Texts
from surrogates.training import Schedule, train


@pytest.fixture(params=["A", "H"])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Pairs, Split]:
    write = {"A": layout_a, "H": layout_h}[request.param]
    return Mirflickr(root=str(write(tmp_path / "set", world())), pixels=SIDE, **SMALL).load(Silent())


class Mean:
    """An encoder that sees every pixel."""

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return images.flatten(1)[:, ::7]

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        raise NotImplementedError


def test_everyone_who_asks_gets_what_a_tensor_would_give(loaded: tuple[Pairs, Split], tmp_path: Path) -> None:
    pairs, split = loaded
    held = pairs.read()
    assert isinstance(pairs.images, StoredImages)
    assert isinstance(held.images, Tensor)
    assert pairs.images.shape == held.images.shape
    assert digest(pairs) == digest(held)
    assert digest(pairs.take(split.query)) == digest(held.take(split.query)) != digest(pairs)
    assert fingerprint_images(pairs.images) == fingerprint_images(held.images)
    for batch_size in (5, 48, 100):
        assert torch.equal(encode_images(Mean(), pairs.images, batch_size), encode_images(Mean(), held.images, batch_size))
    assert [len(batch) for batch in in_batches(pairs.images, 20)] == [20, 20, 8]
    write_pairs(tmp_path / "kept.h5", pairs)
    assert digest(read_pairs(tmp_path / "kept.h5")) == digest(held)


def test_a_network_that_learns_from_files_is_the_one_that_learns_from_memory(loaded: tuple[Pairs, Split]) -> None:
    made = list[str]()
    for pairs in (loaded[0], loaded[0].read()):
        torch.manual_seed(0)
        network = network_for(pairs.texts, image="convnet", text="bag_of_words", bits=8, weights="none")
        schedule = Schedule(epochs=1, batch=16)
        train(
            network,
            pairs.images,
            lambda codes, _: codes.square().mean(),
            schedule,
            torch.Generator().manual_seed(1),
            tick=lambda *_, **values: None,
        )
        made.append(weights_digest(network))
    assert made[0] == made[1]


def test_nothing_is_read_before_somebody_asks(tmp_path: Path) -> None:
    root = layout_h(tmp_path / "set", world())
    pairs, split = Mirflickr(root=str(root), pixels=SIDE, **SMALL).load(Silent())
    for number in range(20, 49):
        (root / f"mirflickr/im{number}.jpg").unlink()
    few = pairs.take(torch.arange(48)).take(torch.arange(19))
    assert few.pixels().shape == (19, 3, SIDE, SIDE)
    with pytest.raises(DataError, match=r"im20\.jpg"):
        pairs.images[19]
    assert len(pairs.take(split.database)) == len(split.database)
