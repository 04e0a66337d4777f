"""Lists: in which order the target gives ids, what they show, what is mined and learned from them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import RECIPE, World, attackers_world

from crossattack.attacks import Pictures
from crossattack.attacks._answers import ListAnswers
from crossattack.attacks._surrogate import fit_surrogate
from crossattack.attacks.aach import Aach
from crossattack.catalogue import Catalogue
from crossattack.codes import harden, nearest_ids
from crossattack.encoding import encode
from crossattack.errors import LedgerError, TargetError, UsageError
from crossattack.mining import places, triplets_of
from crossattack.oracle import LocalEndpoint, Oracle, Reveals
from crossattack.progress import Silent
from crossattack.streams import Streams


def codes(items: int, bits: int, seed: int) -> torch.Tensor:
    return harden(torch.randn(items, bits, generator=torch.Generator().manual_seed(seed)))


# Lists


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(1, 70), items=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_a_list_is_sorted_by_distance_and_then_by_id(bits: int, items: int, seed: int) -> None:
    queries, database = codes(3, bits, seed), codes(items, bits, seed + 1)
    found = nearest_ids(queries, database, max(1, items // 2))
    for query, row in zip(queries, found, strict=True):
        distances = [(int((query != other).sum()), position) for position, other in enumerate(database)]
        assert row.tolist() == [position for _, position in sorted(distances)[: max(1, items // 2)]]


@settings(deadline=None, max_examples=40)
@given(items=st.integers(1, 30), share=st.floats(0.1, 1), seed=st.integers(0, 10**6))
def test_places_are_those_of_the_lists_and_k_where_an_id_is_in_none(items: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    top_k = max(1, int(share * items))
    lists = torch.from_numpy(np.stack([rng.permutation(items)[:top_k] for _ in range(4)]).astype(np.int32))
    shown = torch.unique(lists.long())
    found = places(lists, shown)
    for row, listed in zip(found.tolist(), lists.tolist(), strict=True):
        assert row == [-listed.index(one) if one in listed else -top_k for one in shown.tolist()]


@pytest.mark.parametrize("top_k", [5, 40])
def test_positives_come_from_the_head_and_negatives_from_outside_the_list_or_from_its_tail(top_k: int) -> None:
    rng = np.random.default_rng(0)
    lists = torch.from_numpy(np.stack([rng.permutation(40)[:top_k] for _ in range(30)]).astype(np.int32))
    shown = torch.unique(lists.long())
    assert len(shown) == 40
    mined = triplets_of(places(lists, shown), torch.Generator().manual_seed(0), per_anchor=6, among=0.1)
    assert len(mined) == 30 * 6
    for anchor, positive, negative in zip(mined.anchors.tolist(), mined.positives.tolist(), mined.negatives.tolist(), strict=True):
        listed = lists[anchor].tolist()
        assert positive in listed[:4]
        assert negative in listed[-4:] if top_k == 40 else negative not in listed


# What the target answers


def test_a_picture_finds_texts_and_a_text_finds_pictures(tmp_path: Path) -> None:
    with attackers_world(tmp_path, top_k=7) as world:
        target, shop = world.target, world.catalogue
        lists = world.black.oracle.query_images(world.query.images, phase="mining").ids
        assert (lists.dtype, lists.shape) == (torch.int32, (6, 7))
        wanted = nearest_ids(harden(encode(target, "images", world.query.images)), shop.text_codes, 7)
        assert lists.tolist() == wanted.tolist()
        texts = world.black.oracle.query_texts(world.query.texts, phase="mining").ids
        assert texts.tolist() == nearest_ids(harden(encode(target, "texts", world.query.texts)), shop.image_codes, 7).tolist()
        assert world.black.oracle.shown_texts(lists[0].long()) == [shop.texts[i] for i in lists[0].tolist()]
        assert torch.equal(world.black.oracle.shown_images(texts[0].long()), shop.images[texts[0].long()])
        assert world.ledger.bill("attacker").spent == len(world.query.images) + len(set(world.query.texts))


def test_only_what_a_list_has_shown_can_be_seen(tmp_path: Path) -> None:
    with attackers_world(tmp_path, top_k=3) as world:
        lists = world.black.oracle.query_images(world.query.images[:1], phase="mining").ids
        other = next(i for i in range(99) if i not in lists.tolist()[0])
        with pytest.raises(UsageError, match=f"ids of texts that an answer has listed wanted, {other} got"):
            world.black.oracle.shown_texts(torch.tensor([*lists[0].tolist(), other]))
        with pytest.raises(UsageError, match="ids of images"):
            world.black.oracle.shown_images(lists[0].long())


def test_a_list_as_long_as_the_database_is_allowed_and_a_longer_one_is_not(tmp_path: Path) -> None:
    with attackers_world(tmp_path, top_k=None, reveals=Reveals.RANKING) as world:
        assert world.black.oracle.query_images(world.query.images[:2], phase="mining").ids.shape == (2, len(world.catalogue))
        with pytest.raises(UsageError, match=rf"oracle.top_k: 1 to {len(world.catalogue)} wanted, the items of the database, 9999 got"):
            LocalEndpoint(world.target, Reveals.RANKING, catalogue=world.catalogue, top_k=9999)


def test_k_belongs_to_the_account(tmp_path: Path) -> None:
    with (
        attackers_world(tmp_path, top_k=3) as world,
        pytest.raises(LedgerError, match="'attacker' was shown ranking, top 3, ranking, top 4 wanted"),
    ):
        Oracle(world.ledger, LocalEndpoint(world.target, Reveals.RANKING, catalogue=world.catalogue, top_k=4), budget=60)


@pytest.mark.parametrize("bad", [[0, 0, 1], [0, 1, -1], [0, 1, 10**6]])
def test_a_list_of_impossible_ids_is_not_kept(bad: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with attackers_world(tmp_path, top_k=3) as world:
        monkeypatch.setattr(Catalogue, "search", lambda self, modality, codes, top_k: np.array([bad] * len(codes), np.int32))
        with pytest.raises(TargetError, match="different ids of the database wanted"):
            world.black.oracle.query_images(world.query.images[:1], phase="mining")


# What is learned from lists


def mined(folder: Path, budget: int, **settings: Any) -> tuple[ListAnswers, World]:
    with attackers_world(folder, budget=budget, **settings) as world:
        answers = world.black.answers()
    assert isinstance(answers, ListAnswers)
    return answers, world


def test_lists_come_with_what_they_show_on_a_bill_of_queries_alone(tmp_path: Path) -> None:
    with attackers_world(tmp_path, budget=40, top_k=5) as world:
        answers = world.black.answers()
        bill = world.ledger.bill("attacker")
        shop = world.catalogue
    assert isinstance(answers, ListAnswers)
    assert bill.phases == {"mining": bill.spent}
    assert bill.spent in (39, 40)
    assert bill.images == len(answers.images)
    assert answers.shown_text_ids.tolist() == sorted({i for row in answers.image_lists.tolist() for i in row})
    assert list(answers.shown_texts) == [shop.texts[i] for i in answers.shown_text_ids.tolist()]
    assert torch.equal(answers.shown_images, shop.images[answers.shown_image_ids])


def test_a_smaller_budget_gets_the_first_lists_of_a_larger_one(tmp_path: Path) -> None:
    few, many = (mined(tmp_path / str(budget), budget, top_k=5)[0] for budget in (20, 40))
    assert len(few.images) < len(many.images)
    for name in ("images", "image_lists", "text_lists"):
        assert torch.equal(getattr(few, name), getattr(many, name)[: len(few.images)])


@pytest.mark.parametrize("top_k", [3, None])
@pytest.mark.parametrize("triplets", ["surrogate", "oracle"])
def test_aach_attacks_under_lists_within_its_budget(top_k: int | None, triplets: Any, tmp_path: Path) -> None:
    changed = []
    for split in (6, 2):
        with attackers_world(tmp_path / str(split), budget=60, top_k=top_k, reveals=Reveals.RANKING) as world:
            perturb = Aach(steps=4, triplets=triplets).fit(world.black)
            batches = [Pictures(tuple(range(i, i + split)), world.query.images[i : i + split]) for i in range(0, 6, split)]
            changed.append(torch.cat([perturb(batch).items.values for batch in batches]))
            bags = perturb(world.words).items.values
            bill = world.ledger.bill("attacker")
            assert bill.spent <= 60
            assert bill.phases.get("attack", 0) == (6 + len(set(world.query.texts)) - overlap(world) if triplets == "oracle" else 0)
            assert world.black.made["surrogate"].network.bits == world.black.recipe.bits
    assert 0 < (changed[0].int() - world.query.images.int()).abs().max() <= 8
    assert (changed[0] == changed[1]).double().mean() > 0.999
    assert bags.weights.isfinite().all()


def overlap(world: World) -> int:
    """Attacked texts that mining has asked about already."""
    answers = world.black.made["surrogate"].answers
    return len({*answers.texts} & {*world.query.texts})


@pytest.mark.parametrize("another", [0, 1])
def test_a_batch_whose_lists_show_one_picture_is_learned_from_all_the_same(another: int, tmp_path: Path) -> None:
    """Feature maps of 16 px pictures are 1 x 1 in the end, so batch normalisation has one number of a picture alone."""
    answers, _ = mined(tmp_path, 40, top_k=1)
    pairs = len(answers.texts)
    lists = torch.tensor([[5]] * another + [[3]] * (pairs - another), dtype=torch.int32)
    seen = torch.tensor([3, 5])[: 1 + another]
    answers = replace(answers, text_lists=lists, shown_image_ids=seen, shown_images=answers.images[: len(seen)])
    recipe = replace(RECIPE, batch=2)  # most batches see picture 3 only
    trained = fit_surrogate(answers, recipe, Streams(0), "cpu", Silent(), tmp_path / "surrogate.safetensors")
    assert all(weights.isfinite().all() for weights in trained.network.state_dict().values())
    assert trained.image_codes.shape == (1 + another, recipe.bits)


def test_a_finished_surrogate_of_lists_is_read_back_and_gives_the_same(tmp_path: Path) -> None:
    changed = []
    for _ in range(2):
        with attackers_world(tmp_path, top_k=9) as world:
            changed.append(Aach(steps=3).fit(world.black)(world.pictures).items.values)
            bill = world.ledger.bill("attacker")
    assert torch.equal(*changed)
    assert bill.spent <= 60
