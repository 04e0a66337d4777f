"""Re-identification: folders and lists of people by camera, in every layout that the field passes around."""

from pathlib import Path
from typing import Any

import pytest
import torch
from picture_folders import REID, market, paint, reid

from crossattack.datasets import Pairs, Split
from crossattack.datasets.market1501 import Market1501
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Silent

TINY: dict[str, Any] = {"height": 32, "width": 16, "attacker": 12, "held_back": 4}


def test_market_has_the_counts_that_its_names_tell(tmp_path: Path) -> None:
    pairs, split = Market1501(root=str(market(tmp_path / "deep" / "Market-1501-v15.09.15").parent), **TINY).load(Silent())
    assert (len(split.query), len(split.database)) == (18, 6 * 6 + 2 + 1)  # six people; two distractors; one that nobody finds
    assert (len(split.train), len(split.attacker), len(split.held_back)) == (4 * 4, 3 * 4, 1 * 4)
    distractors = [item for item in split.database.tolist() if not pairs.labels[item].any()]
    assert len(distractors) == len({int(pairs.groups[item]) for item in distractors}) == 2
    named = {pairs.label_names[int(torch.nonzero(pairs.labels[item]))] for item in split.query.tolist()}
    assert named == {f"person {person}" for person in range(1, 7)}


def test_market_ranks_a_query_without_its_person_on_its_camera(tmp_path: Path) -> None:
    """By hand: persons 1 to 6 have queries 0, 1, 2 on cameras 1, 2, 3 and in the database shots 3 to 8, two a camera."""
    pairs, split = Market1501(root=str(market(tmp_path / "market")), **TINY).load(Silent())
    assert pairs.junk is not None
    for query in split.query.tolist():
        same = [item for item in split.database.tolist() if (pairs.labels[query] & pairs.labels[item]).any()]
        junk = [item for item in split.database.tolist() if (pairs.junk[query] & pairs.junk[item]).any()]
        assert (len(same), len(junk)) == (6, 2)
        assert set(junk) < set(same)


def test_market_refuses_what_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Market-1501 .*wanted, no `root` got; .*--root, or take the stand-in `--data avatars`"):
        Market1501().load(Silent())
    with pytest.raises(DataError, match="nothing got there"):
        Market1501(root=str(tmp_path / "nowhere")).load(Silent())
    root = market(tmp_path / "market")
    paint(root / "query" / "holiday.jpg", 3, 0)
    with pytest.raises(DataError, match=r"names like 0002_c1s1_000451_03\.jpg wanted.*query/holiday\.jpg got"):
        Market1501(root=str(root), **TINY).load(Silent())
    (root / "query" / "holiday.jpg").unlink()
    (root / "query" / "0001_c1s1_000000_00.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a picture wanted at query/0001_c1s1_000000_00\.jpg, none got"):
        Market1501(root=str(root), **TINY).load(Silent())[0].pixels()
    market(tmp_path / "second" / "market")
    market(tmp_path / "second" / "duke")
    with pytest.raises(DataError, match=r"of one folder wanted, duke/bounding_box_test, .*market/query got"):
        Market1501(root=str(tmp_path / "second"), **TINY).load(Silent())


def who_finds_whom(pairs: Pairs, split: Split) -> dict[tuple[bytes, bytes], tuple[bool, bool]]:
    """By the pictures' own bytes: whether each query and each item of the database share a label, and a mark."""
    assert pairs.junk is not None
    key = [picture.numpy().tobytes() for picture in pairs.pixels()]
    asked = [(query, item) for query in split.query.tolist() for item in split.database.tolist()]
    return {
        (key[query], key[item]): (
            bool((pairs.labels[query] & pairs.labels[item]).any()),
            bool((pairs.junk[query] & pairs.junk[item]).any()),
        )
        for query, item in asked
    }


@pytest.mark.parametrize("layout", REID)
def test_every_layout_of_re_identification_holds_the_same_people(layout: str, tmp_path: Path) -> None:
    """MSMT17's and CUHK03's numbers begin at 0 in training and in the search, where they are other people."""
    pairs, split = Market1501(root=str(reid(tmp_path / layout, layout)), **TINY).load(Silent())
    expected = who_finds_whom(*Market1501(root=str(reid(tmp_path / "first", "Market-1501")), **TINY).load(Silent()))
    assert len(expected) == 18 * 36
    assert who_finds_whom(pairs, split) == expected
    assert (len(split.train), len(split.attacker), len(split.held_back)) == (16, 12, 4)
    trained = set(pairs.groups[torch.cat([split.train, split.attacker, split.held_back])].tolist())
    assert len(trained) == 8
    assert not trained & set(pairs.groups[split.database].tolist())
    overlapping = layout.startswith("MSMT17") or layout == "cuhk03"
    assert any(name.startswith("training person") for name in pairs.label_names) == overlapping
    assert len(set(pairs.label_names)) == 14
    assert dict(pairs.told)["people, cameras, distractors"] == "14, 3, 0"


def test_person_0_is_somebody_where_queries_are_of_person_0(tmp_path: Path) -> None:
    root = market(tmp_path / "market")
    told = dict(Market1501(root=str(root), **TINY).load(Silent())[0].told)
    assert told["people, cameras, distractors"] == "15, 3, 2"
    paint(root / "query" / "0000_c2s1_000001_00.jpg", 0, 7)
    pairs, split = Market1501(root=str(root), **TINY).load(Silent())
    assert dict(pairs.told)["people, cameras, distractors"] == "16, 3, 0"
    assert len(split.query) == 19


@pytest.mark.parametrize(
    ("layout", "file", "content", "said"),
    [
        (
            "MSMT17_V1",
            "list_query.txt",
            "0000/0000_000_01_x.jpg zero\n",
            "list_query.txt, line 1: a path with a camera, and a person wanted",
        ),
        ("MSMT17_V1", "list_query.txt", "../0000_000_01_x.jpg 0\n", r"test/\.\./0000_000_01_x\.jpg, which list_query\.txt lists, wanted"),
        ("MSMT17_V1", "list_query.txt", "", "none of query got"),
        ("MSMT17_V1", "list_gallery.txt", None, r"one list_gallery\.txt wanted, 0 got"),
        ("cuhk03", "splits_new_detected.json", "[{", "as torchreid writes it wanted"),
        ("cuhk03", "splits_new_detected.json", "[" * 200_000, "as torchreid writes it wanted"),
        ("cuhk03", "splits_new_detected.json", '[{"train": [["a.png", 1, true]], "query": [], "gallery": []}]', "that is no number"),
        (
            "cuhk03",
            "splits_new_detected.json",
            '[{"train": [["a.png", 1, 0]], "query": [], "gallery": []}]',
            r"images_detected/a\.png, which",
        ),
    ],
)
def test_lists_that_are_damaged_are_refused_in_a_line(layout: str, file: str, content: str | None, said: str, tmp_path: Path) -> None:
    root = reid(tmp_path / "set", layout)
    (root / file).unlink()
    if content is not None:
        (root / file).write_text(content)
    with pytest.raises(DataError, match=said) as refused:
        Market1501(root=str(root), **TINY).load(Silent())
    assert "\n" not in str(refused.value)


def test_a_picture_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    root = reid(tmp_path / "set", "MSMT17_V2")
    listing = root / "list_gallery.txt"
    listing.write_text(listing.read_text() * 2)
    with pytest.raises(DataError, match=r"every picture once wanted, mask_test_v2/0000/.* got several times"):
        Market1501(root=str(root), **TINY).load(Silent())
