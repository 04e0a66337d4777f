"""What an edit is worth to first order: exactly so under a linear map, and better than chance in a transformer."""

import pytest
import torch
from torch import Tensor

from crossattack.attacks._drafts import Search, lowest
from crossattack.attacks._edits import Draft, Edit, Rules
from crossattack.attacks._worth import bag_slopes, vector_slopes
from surrogates.texts import Bags, Embedded, Texts, words_of
from surrogates.towers import text_tower_for

WORDS = tuple("abcdefgh")


class Linear:
    """A bag of words, or vectors summed, under a linear map: in such a world first order is all there is."""

    def __init__(self, width: int = 5, bits: int = 4) -> None:
        random = torch.Generator().manual_seed(0)
        self.words = self.vocabulary = WORDS
        self.table = torch.randn(len(WORDS), width, generator=random)
        self.unknown = torch.randn(width, generator=random)
        self.head = torch.randn(width, bits, generator=random)

    def embed(self, texts: Texts) -> Embedded:
        rows = [[self.table[WORDS.index(word)] if word in WORDS else self.unknown for word in words_of(text)] for text in texts]
        return Embedded(torch.stack([torch.stack(row) for row in rows]), torch.ones(len(rows), len(rows[0]), dtype=torch.bool))

    def encode_texts(self, texts: Texts | Embedded) -> Tensor:
        if isinstance(texts, Bags):
            return texts.weights @ self.table @ self.head
        return (texts if isinstance(texts, Embedded) else self.embed(texts)).vectors.sum(1) @ self.head

    def encode_images(self, images: Tensor) -> Tensor:
        raise NotImplementedError


class TestFirstOrder:
    def test_slopes_of_a_linear_tower_are_what_edits_are_worth(self) -> None:
        linear, draft = Linear(), Draft.of(("a", "zoo", "c"))
        loss = lambda codes: codes.sum(-1)  # noqa: E731
        before = loss(linear.encode_texts([draft.text()]))
        slope = vector_slopes(linear, linear, loss)(draft)
        edits = Rules((*WORDS, "lion"), ("replace",)).edits(draft)
        assert len(edits) == 21
        for edit in edits:
            after = loss(linear.encode_texts([draft.after(edit).text()]))
            assert slope(edit) == pytest.approx(float(after - before), abs=1e-5)

    def test_the_first_of_the_ranking_is_the_best_substitution(self) -> None:
        linear, clean = Linear(), ("a", "b", "c")
        target = torch.tensor([1.0, -1, 1, 1])
        loss = lambda codes: (codes * target).mean(-1)  # noqa: E731
        value = lambda texts: loss(linear.encode_texts(texts))  # noqa: E731
        rules, slopes = Rules(WORDS, ("replace",)), vector_slopes(linear, linear, loss)
        for edits in (1, 2, 3):
            flipped = lowest(clean, rules, value, Search(edits, tried=1), slopes)
            full = lowest(clean, rules, value, Search(edits, width=10_000))
            assert float(value([flipped])[0]) == pytest.approx(float(value([full])[0]), abs=1e-5)

    def test_slopes_of_a_bag_are_what_edits_are_worth(self) -> None:
        linear = Linear()
        loss = lambda codes: codes.sum(-1)  # noqa: E731
        slope = bag_slopes(linear, loss)(Draft.of(("a", "c", "c")))
        single = (linear.table @ linear.head).sum(1)
        assert slope(Edit(None, "b")) == pytest.approx(float(single[1]), abs=1e-5)
        assert slope(Edit(0, None)) == pytest.approx(-float(single[0]), abs=1e-5)
        assert slope(Edit(0, "b")) == pytest.approx(float(single[1] - single[0]), abs=1e-5)
        assert slope(Edit(1, None)) == 0, "c stands elsewhere too"
        assert slope(Edit(None, "zebra")) == 0, "nobody knows zebras"

    def test_vectors_of_a_transformer_point_to_better_words_than_chance(self) -> None:
        torch.manual_seed(0)
        tower = text_tower_for("transformer", [WORDS, WORDS]).eval()
        loss = lambda features: features[:, :8].sum(-1)  # noqa: E731

        class Alone:
            def encode_texts(self, texts: Texts | Embedded) -> Tensor:
                return tower(texts)

        worths, slopes, draft = [], [], Draft.of(WORDS[:4])
        slope = vector_slopes(Alone(), tower, loss)(draft)
        with torch.no_grad():
            for edit in Rules(WORDS, ("replace",)).edits(draft):
                worths.append(float(loss(tower([draft.after(edit).text()]))))
                slopes.append(slope(edit))
        assert torch.corrcoef(torch.tensor([worths, slopes]))[0, 1] > 0.5
