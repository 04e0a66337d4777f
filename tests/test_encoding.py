"""Encoding: in batches of one size, whatever is asked together."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import BITS, LinearTarget, pictures

from crossattack._machine_memory import forget_peak, peak_memory
from crossattack.encoding import encode, encode_images, encode_texts
from crossattack.errors import UsageError
from crossattack.stored import StoredImages
from surrogates.texts import Bags


@settings(deadline=None)
@given(count=st.integers(1, 9), batch_size=st.integers(1, 5))
def test_encoding_in_batches_is_encoding_one_by_one(count: int, batch_size: int) -> None:
    target, images = LinearTarget(), pictures(count)
    batched = encode_images(target, images, batch_size)
    assert set(target.batches) == {batch_size}
    alone = torch.cat([target.encode_images(image[None].float() / 255) for image in images])
    assert torch.allclose(batched, alone, atol=1e-5)
    texts = [["word", str(number)] for number in range(count)]
    assert torch.equal(encode(target, "texts", texts, batch_size), target.encode_texts(texts))


def test_bags_are_encoded_in_batches_too() -> None:
    bags = Bags(("a", "b"), torch.rand(5, 2, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(encode_texts(LinearTarget(), bags, batch_size=2), LinearTarget().encode_texts(bags), atol=1e-6)


def test_an_items_bytes_do_not_depend_on_its_company() -> None:
    torch.manual_seed(0)
    target = LinearTarget()
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 20, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(80, BITS))
    target.encode_images = lambda images: network(images)  # type: ignore[method-assign]
    images = pictures(70)
    whole = encode_images(target, images, batch_size=32)
    for some in ([0], [69], [5, 6, 7], list(range(40, 70))):
        assert torch.equal(encode_images(target, images[some], batch_size=32), whole[some])


class Grey:
    """A shelf of pictures of which none is kept anywhere: picture i is of grey i."""

    size = (64, 64)

    def __init__(self, count: int) -> None:
        self.count, self.largest = count, 0

    def __len__(self) -> int:
        return self.count

    def read(self, positions: list[int]) -> torch.Tensor:
        self.largest = max(self.largest, len(positions))
        return (torch.tensor(positions) % 256).byte()[:, None, None, None].expand(-1, 3, 64, 64).contiguous()


def streamed(counts: list[int]) -> list[float]:
    """The most memory, in MiB, that each so many pictures of files want while they are encoded."""
    target, most = LinearTarget(), list[float]()
    target.encode_images = lambda images: images.mean((2, 3)).repeat(1, 4)  # type: ignore[method-assign]
    encode_images(target, StoredImages(Grey(256)), 64)
    for count in counts:
        shelf = Grey(count)
        forget_peak()
        codes = encode_images(target, StoredImages(shelf), 64)
        most.append(peak_memory() or 0.0)
        assert shelf.largest == 64
        assert codes[:, 0].tolist() == pytest.approx([number % 256 / 255 for number in range(count)], abs=1e-5)
    return most


@pytest.mark.skipif(sys.platform != "linux", reason="allowed: only Linux lets a process forget its peak")
def test_a_database_streams_from_its_files_and_eight_times_as_much_wants_no_more_memory() -> None:
    # As floats 47 and 375 MB; malloc may keep a few batches of 3. In a process of its own: memory of other tests comes and goes.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        few, many = pool.submit(streamed, [1000, 8000]).result()
    assert few > 0
    assert many - few < 60


def test_encoding_nothing_says_so() -> None:
    with pytest.raises(UsageError, match="at least one item to encode wanted"):
        encode_texts(LinearTarget(), [])
