"""Fingerprints: two items share a key only where a target cannot tell them apart."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import SIDE, pictures

from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from surrogates.texts import Bags


def test_a_pictures_key_is_its_pixels_and_not_its_layout() -> None:
    images = pictures(3)
    keys = fingerprint_images(images)
    assert keys == fingerprint_images(images.contiguous(memory_format=torch.channels_last))
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {16}
    assert fingerprint_images(images[:1].reshape(1, 3, SIDE * 2, SIDE // 2)) != keys[:1]


TEXTS = st.one_of(st.text(max_size=4), st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3).map(tuple))


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_two_texts_share_a_key_only_where_they_are_equal(one: Any, other: Any) -> None:
    def plain(text: Any) -> Any:
        return text if isinstance(text, str) else list(text)

    first, second = fingerprint_texts([one, other])
    assert (first == second) == (plain(one) == plain(other))


def test_a_string_a_list_of_words_and_a_bag_are_three_texts() -> None:
    bags = Bags(("a", "b"), torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.0]]))
    keys = fingerprint_texts(["a b", ["a", "b"], ["a b"]]) + fingerprint_texts(bags)
    assert keys[3] == keys[5]
    assert len(set(keys)) == 5
    assert fingerprint_texts(Bags(("a", "c"), bags.weights))[0] != keys[3]
