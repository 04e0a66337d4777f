"""Encoding: in batches of one size, whatever is asked together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import BITS, LinearTarget, pictures

from crossattack.encoding import encode, encode_images, encode_texts
from crossattack.errors import UsageError
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


def test_encoding_nothing_says_so() -> None:
    with pytest.raises(UsageError, match="at least one item to encode wanted"):
        encode_texts(LinearTarget(), [])
