"""What every data set owes, asked of every file of the folder."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from picture_folders import settings_of

from crossattack.datasets import Pairs, Split
from crossattack.datasets._store import digest
from crossattack.datasets._summary import floor, summary
from crossattack.progress import Silent
from crossattack.registry import DATASETS

Loaded = tuple[Pairs, Split]
DISJOINT = ("query", "database", "attacker", "held_back")


@pytest.fixture(scope="session", params=DATASETS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def settings(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return settings_of(name, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def loaded(name: str, settings: dict[str, Any]) -> Loaded:
    pairs, split = DATASETS.load(name)(**settings).load(Silent())
    return pairs, split


def relevant(pairs: Pairs, split: Split) -> dict[tuple[int, int], bool | None]:
    """(query, database item) -> whether they share a label; None where they share a mark of junk. Loops, on purpose."""
    labels = [set(torch.nonzero(row).flatten().tolist()) for row in pairs.labels]
    marks = [set(torch.nonzero(row).flatten().tolist()) for row in pairs.junk] if pairs.junk is not None else [set[int]()] * len(pairs)
    return {
        (query, item): None if marks[query] & marks[item] else bool(labels[query] & labels[item])
        for query in split.query.tolist()
        for item in split.database.tolist()
    }


def test_items_agree_in_number_type_and_size(loaded: Loaded) -> None:
    pairs, _ = loaded
    assert pairs.images.dtype == torch.uint8
    assert pairs.images.shape[1] == 3
    assert {len(pairs.images), len(pairs.labels), len(pairs.groups)} == {len(pairs)}
    assert len(pairs.texts) in (0, len(pairs))
    assert len(pairs.credits) in (0, len(pairs))
    assert pairs.junk is None or len(pairs.junk) == len(pairs)
    assert pairs.labels.shape[1] == len(pairs.label_names) == len(set(pairs.label_names))


def test_every_text_says_something(loaded: Loaded) -> None:
    pairs, _ = loaded
    for text in pairs.texts:
        assert isinstance(text, str | tuple)
        assert len(text) > 0
        assert isinstance(text, str) or (all(isinstance(word, str) and word for word in text) and len(set(text)) == len(text))


def test_captions_are_of_the_same_pictures_as_texts(loaded: Loaded) -> None:
    pairs, _ = loaded
    assert len(pairs.captions) in (0, len(pairs))
    for text, captions in zip(pairs.texts, pairs.captions, strict=False):
        assert text in captions
    few = pairs.take(torch.tensor([1, 0]))
    assert few.captions == tuple(pairs.captions[item] for item in (1, 0) if pairs.captions)
    assert not few.pictures().captions


def test_every_picture_shows_something(loaded: Loaded) -> None:
    pairs, _ = loaded
    shades = pairs.pixels().flatten(1).float().std(1)
    assert shades.min() > 1, f"item {int(shades.argmin())} is blank"


def test_every_query_has_a_label_and_every_label_an_item(loaded: Loaded) -> None:
    pairs, split = loaded
    assert pairs.labels[split.query].any(1).all()
    assert pairs.labels.any(0).all()
    assert not pairs.texts or pairs.labels.any(1).all(), "only pictures alone may be distractors"


def test_every_query_finds_something_right(loaded: Loaded) -> None:
    pairs, split = loaded
    few = replace(split, query=split.query[:40])
    found = {query for (query, _), is_relevant in relevant(pairs, few).items() if is_relevant}
    assert found == set(few.query.tolist())


def test_a_group_is_one_thing(loaded: Loaded) -> None:
    """With texts, items of a group have the same labels; of pictures alone, items that share a label are of one group."""
    pairs, _ = loaded
    first = dict[int, Any]()
    if pairs.texts:
        for group, labels in zip(pairs.groups.tolist(), pairs.labels.tolist(), strict=True):
            assert first.setdefault(group, labels) == labels
        assert len(first) < len(pairs) or first.keys() == set(range(len(pairs))), "several items a group wanted, or one each"
    else:
        for group, labels in zip(pairs.groups.tolist(), pairs.labels, strict=True):
            for label in torch.nonzero(labels).flatten().tolist():
                assert first.setdefault(label, group) == group


def test_roles_share_no_item_and_leave_none_out(loaded: Loaded) -> None:
    pairs, split = loaded
    inside = set(split.train.tolist()) <= set(split.database.tolist()) if len(split.train) else False
    items = torch.cat([getattr(split, role) for role in (*DISJOINT, *(() if inside else ("train",)))])
    assert items.sort().values.tolist() == list(range(len(pairs)))
    assert all(len(getattr(split, role)) for role in DISJOINT)
    assert inside or not pairs.texts


def test_roles_share_no_group_but_for_what_is_searched_for(loaded: Loaded) -> None:
    pairs, split = loaded
    groups = {role: set(pairs.groups[getattr(split, role)].tolist()) for role in (*DISJOINT, "train")}
    apart = [("query", "attacker"), ("query", "held_back"), ("query", "train"), ("attacker", "held_back"), ("database", "attacker")]
    apart += [("database", "held_back"), ("attacker", "train"), ("held_back", "train")]
    apart += [("query", "database")] if pairs.texts else [("database", "train")]
    for role, other in apart:
        assert not groups[role] & groups[other], f"{role} and {other}"
    assert pairs.texts or groups["query"] <= groups["database"]


def test_a_role_begins_with_a_fair_sample_of_it(loaded: Loaded) -> None:
    pairs, split = loaded
    for role in ("query", "attacker", "database"):
        items = getattr(split, role)
        labels = pairs.labels[items].float()
        if len(items) >= 20:  # half of fewer is a handful
            assert (labels[: len(items) // 2].mean(0) - labels.mean(0)).abs().max() < 0.2, role


def test_loading_twice_gives_the_same_pairs_and_split(name: str, settings: dict[str, Any], loaded: Loaded) -> None:
    pairs, split = loaded
    again, split_again = DATASETS.load(name)(**settings).load(Silent())
    assert digest(again) == digest(pairs)
    assert split_again.digest() == split.digest()


def test_another_split_seed_deals_other_roles(name: str, settings: dict[str, Any], loaded: Loaded) -> None:
    seed = "seed" if name == "scenes" else "split_seed"
    _, split = DATASETS.load(name)(**settings, **{seed: 1}).load(Silent())
    assert split.digest() != loaded[1].digest()


def test_the_floor_is_the_mean_share_of_what_is_relevant(loaded: Loaded) -> None:
    pairs, split = loaded
    few = replace(split, query=split.query[:5])
    told = relevant(pairs, few)
    shares = list[float]()
    for query in few.query.tolist():
        ranked = [is_relevant for (asked, _), is_relevant in told.items() if asked == query and is_relevant is not None]
        shares.append(sum(ranked) / len(ranked))
    assert floor(pairs, few) == pytest.approx(sum(shares) / len(shares), abs=1e-6)
    assert (0.05 if pairs.texts else 0) < floor(pairs, split) < 0.35  # relevance that says something


def test_the_summary_counts_right(loaded: Loaded) -> None:
    pairs, split = loaded
    rows = dict(summary(pairs, split))
    assert rows["pairs"].split()[0] == f"{len(pairs):,}"
    assert rows["held back"] == f"{len(split.held_back):,}"
    assert ("vocabulary" in rows) == bool(pairs.texts)
    credited = sum(int(value.split()[0].replace(",", "")) for what, value in rows.items() if what.startswith("source"))
    assert credited == len(pairs.credits)
