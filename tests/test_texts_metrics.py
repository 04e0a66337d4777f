"""Change of texts: Levenshtein's distance by a search over all edits, words that came and went, and vectors of sentences."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_language import tiny_bert

from crossattack.attacks import Words, unasked
from crossattack.metrics.texts import edits, embedding_distance, of_bags, of_texts, words_moved
from crossattack.sentences import texts_apart
from surrogates.texts import Bags
from surrogates.towers.texts.minilm import sentence_vectors

WORDS = ("a", "b", "c")


def neighbours(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """All that one edit makes of a text."""
    places = range(len(words))
    removed = {words[:place] + words[place + 1 :] for place in places}
    replaced = {(*words[:place], word, *words[place + 1 :]) for place in places for word in WORDS}
    return removed | replaced | {(*words[:place], word, *words[place:]) for place in (*places, len(words)) for word in WORDS}


@settings(deadline=None, max_examples=40)
@given(
    clean=st.lists(st.sampled_from(WORDS), max_size=4).map(tuple),
    changed=st.lists(st.sampled_from(WORDS), max_size=4).map(tuple),
)
def test_edits_are_the_fewest_that_lead_there(clean: tuple[str, ...], changed: tuple[str, ...]) -> None:
    reached, fewest = {clean}, 0
    while changed not in reached:
        reached, fewest = {after for before in reached for after in neighbours(before) if len(after) <= 4}, fewest + 1
    assert edits(clean, changed) == edits(changed, clean) == fewest


def test_words_that_came_and_went_are_counted() -> None:
    clean = [("a", "b"), "red red square", ("x",), "same"]
    changed = [("a", "c", "d"), "red square", ("x",), "same"]
    assert [words_moved(*pair) for pair in zip(clean, changed, strict=True)] == [(2, 1), (0, 1), (0, 0), (0, 0)]
    assert of_texts(clean, changed) == {
        "edited": 2,
        "edits": 3 / 4,
        "words_added": 2 / 4,
        "words_removed": 2 / 4,
        "embedding_distance": None,
    }
    assert of_texts(clean, clean)["embedding_distance"] == 0


def test_words_in_another_order_are_edits_though_none_came_or_went() -> None:
    assert edits("red square", "square red") == 2
    assert words_moved("red square", "square red") == (0, 0)
    assert edits("kitten sat on it", "kitten on it") == 1


def test_bags_tell_the_largest_and_the_mean_change_of_weights() -> None:
    clean, changed = (Bags(WORDS, torch.tensor(rows)) for rows in ([[0.0, 1, 0], [1, 1, 0]], [[0.5, 1, 0], [1, 0.75, 0.25]]))
    assert of_bags(clean, changed) == {"weight_linf": 0.5, "weight_l1": 0.5, "words_moved": 1.5}


def test_embedding_distance_is_one_less_the_cosine_whatever_the_lengths() -> None:
    clean = torch.tensor([[1.0, 0], [1, 0], [1, 0], [2, 2]])
    changed = torch.tensor([[3.0, 0], [0, 1], [-2, 0], [1, 0]])
    assert embedding_distance(clean, changed).tolist() == pytest.approx([0, 1, 2, 1 - 0.5**0.5])


def test_edited_texts_are_held_against_each_other_by_an_encoder_where_there_is_one(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "bert").partition(":")[2]
    clean, changed = ["a red square", ("blue", "circle"), "nothing known"], ["a red circle", ("blue", "circle"), "nothing"]
    before, after = ({"texts": unasked(Words((0, 1, 2), texts))} for texts in (clean, changed))
    found = texts_apart(before, after, folder)
    assert found is not None
    vectors = [sentence_vectors(texts, folder).double() for texts in (clean, changed)]
    assert found.tolist() == pytest.approx([float(1 - one @ other) for one, other in zip(*vectors, strict=True)], abs=1e-6)
    assert found[1] == 0
    assert (found[[0, 2]] > 1e-4).all()
    assert of_texts(clean, changed, found)["embedding_distance"] == pytest.approx(float(found.mean()))
    assert texts_apart(before, after, str(tmp_path / "nowhere")) is None
    assert texts_apart({}, {}, folder) is None
    bags = {"texts": unasked(Words((0,), Bags(WORDS, torch.zeros(1, 3))), realisable=False)}
    assert texts_apart(before, bags, folder) is None
