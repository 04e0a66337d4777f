"""Edits of words: searches find what brute force finds, and every edit keeps the rules."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattack.attacks._drafts import Search, lowest
from crossattack.attacks._edits import Action, Draft, Edit, Rules, rules_for
from crossattack.errors import UsageError
from surrogates.texts import Text, words_of

WORDS = tuple("abcdefgh")
ALL: tuple[tuple[Action, ...], ...] = (("add", "remove", "replace"), ("add",), ("remove",), ("replace",), ("add", "remove"))


def worth(seed: int = 0) -> Any:
    """A value of texts as bags in which words count together, so that one edit changes what the next is worth."""
    random = torch.Generator().manual_seed(seed)
    linear, pairs = torch.randn(len(WORDS), generator=random), torch.randn(len(WORDS), len(WORDS), generator=random)

    def value(texts: list[Text]) -> Tensor:
        bags = torch.tensor([[float(word in words_of(text)) for word in WORDS] for text in texts])
        return bags @ linear + ((bags @ pairs) * bags).sum(1)

    return value


def every_text(clean: set[str], actions: tuple[Action, ...], edits: int) -> Iterator[tuple[str, ...]]:
    """All bags that so many edits can make, by counting words that came and went rather than by editing."""
    for size in range(1, len(WORDS) + 1):
        for bag in combinations(WORDS, size):
            came, went = len(set(bag) - clean), len(clean - set(bag))
            needed = {
                ("add", "remove", "replace"): max(came, went),
                ("add",): came if not went else 99,
                ("remove",): went if not came else 99,
                ("replace",): came if came == went else 99,
                ("add", "remove"): came + went,
            }[actions]
            if needed <= edits:
                yield bag


@pytest.mark.parametrize("actions", ALL)
@pytest.mark.parametrize("edits", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_full_width_finds_the_best_of_all_texts(actions: tuple[Action, ...], edits: int, seed: int) -> None:
    clean, value = ("b", "d", "e"), worth(seed)
    found = lowest(clean, Rules(WORDS, actions), value, Search(edits, width=10_000))
    best = min(float(value([bag])[0]) for bag in every_text(set(clean), actions, edits))
    assert float(value([found])[0]) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("actions", ALL)
@pytest.mark.parametrize("seed", range(10))
def test_greedy_finds_the_best_single_edit(actions: tuple[Action, ...], seed: int) -> None:
    clean, value = ("a", "c", "h"), worth(seed)
    found = lowest(clean, Rules(WORDS, actions), value, Search(1))
    assert float(value([found])[0]) == min(float(value([bag])[0]) for bag in every_text(set(clean), actions, 1))


def test_a_wider_beam_finds_no_worse_and_somewhere_better() -> None:
    found = []
    for seed in range(30):
        value = worth(seed)
        texts = [lowest(("b", "d"), Rules(WORDS), value, Search(3, width)) for width in (1, 8, 10_000)]
        found.append(value(texts))
    greedy, beam, full = torch.stack(found).unbind(1)
    assert (full <= greedy + 1e-6).all()
    assert (full <= beam + 1e-6).all()
    assert (full < greedy - 1e-3).any(), "this world has traps for the greedy"
    assert beam.mean() < greedy.mean()


class TestEdits:
    def test_in_a_string_all_that_is_not_edited_stays_letter_by_letter(self) -> None:
        draft = Draft.of("A  RED square, left of (a) blue Circle!")
        assert draft.words == ("a", "red", "square", "left", "of", "a", "blue", "circle")
        assert draft.text() == "A  RED square, left of (a) blue Circle!"
        assert draft.after(Edit(1, "green")).text() == "A  green square, left of (a) blue Circle!"
        assert draft.after(Edit(1, None)).text() == "A  square, left of (a) blue Circle!"
        assert draft.after(Edit(None, "zoo")).after(Edit(None, "cat")).text() == "A  RED square, left of (a) blue Circle! cat zoo"
        assert draft.after(Edit(7, None)).after(Edit(6, "big")).text() == "A  RED square, left of (a) big !"
        assert Draft.of("red square").after(Edit(1, None)).text() == "red"
        assert Draft.of("").after(Edit(None, "red")).text() == "red"

    def test_a_list_stays_a_list(self) -> None:
        for kind in (list, tuple):
            draft = Draft.of(kind(["red", "square"]))
            assert draft.after(Edit(0, "blue")).after(Edit(None, "sky")).text() == kind(["blue", "square", "sky"])
            assert draft.after(Edit(0, None)).text() == kind(["square"])

    def test_no_word_comes_in_twice_none_is_touched_twice_and_one_stays(self) -> None:
        rules = Rules(("a", "b", "c"))
        once = Draft.of(("a",)).after(Edit(0, "b"))
        assert rules.edits(Draft.of(("a",))) == [Edit(None, "b"), Edit(None, "c"), Edit(0, "b"), Edit(0, "c")]
        assert rules.edits(once) == [Edit(None, "c")], "b is new, and a was there"
        assert Rules(("a",), ("remove",)).edits(Draft.of(("a", "b")).after(Edit(0, None))) == []

    def test_words_come_from_enough_texts_or_from_a_table(self, tmp_path: Path) -> None:
        texts = [("red", "red", "cat"), ("red", "dog"), "A red DOG"]
        for least, words in ((1, ("a", "cat", "dog", "red")), (2, ("dog", "red")), (3, ("red",))):
            assert rules_for(texts, actions=("add",), least=least, synonyms=None).words == words
        with pytest.raises(UsageError, match=r"^attack\.least: words in 4 or more .* wanted, the commonest is in 3; lower it\.$"):
            rules_for(texts, actions=("add",), least=4, synonyms=None)
        table = tmp_path / "table.yaml"
        table.write_text("Red: [crimson, dog]\ncat: [feline, Red]\n")
        rules = rules_for(texts, actions=("add", "replace"), least=1, synonyms=str(table))
        assert rules.edits(Draft.of("red cat bird")) == [Edit(0, "dog")], "replaced by synonyms only, of known words only"
        rules = rules_for(texts, actions=("replace",), least=0, synonyms=str(table))
        assert rules.edits(Draft.of("red cat bird")) == [Edit(0, "crimson"), Edit(0, "dog"), Edit(1, "feline")]
        once = Draft.of("cat").after(Edit(0, "red"))
        assert rules.edits(once) == [], "no synonyms of synonyms"

    @pytest.mark.parametrize(("content", "says"), [("- a\n", "holds something else"), ("a: b: c", "got: "), (None, "got: ")])
    def test_a_file_that_is_no_table_is_refused_in_one_line(self, content: str | None, says: str, tmp_path: Path) -> None:
        if content is not None:
            (tmp_path / "table").write_text(content)
        with pytest.raises(UsageError, match=r"^attack\.synonyms: ") as refused:
            rules_for(["a"], actions=("replace",), least=1, synonyms=str(tmp_path / "table"))
        assert says in str(refused.value)
        assert "\n" not in str(refused.value)
