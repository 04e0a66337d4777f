"""The parts that data sets share: the file that keeps them, splits, and the contact sheet."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from crossattack.datasets import Credit, Pairs
from crossattack.datasets._contact_sheet import COLUMNS, PICTURE, contact_sheet
from crossattack.datasets._marks import both, one_hot
from crossattack.datasets._splits import dealt_by_share, split_by_group, split_of_others, turns
from crossattack.datasets._store import digest, read_pairs, write_pairs
from crossattack.errors import DataError


@pytest.fixture
def few() -> Pairs:
    """Six pairs of three groups, with credits and both kinds of text."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (6, 3, 8, 8), dtype=np.uint8))
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [1, 1]], dtype=torch.bool)
    credits = (Credit("ours", "MIT"),) * 3 + (Credit("théirs", "CC-BY-4.0"),) * 3
    texts = ("a cat", ("cat", "paw"), ("dog",), "ein Hünd", "both", ("cat", "dog"))
    return Pairs(images, texts, labels, torch.tensor([0, 0, 1, 1, 2, 2]), ("cat", "dog"), credits)


def test_pairs_written_are_pairs_read(few: Pairs, tmp_path: Path) -> None:
    for pairs in (few, replace(few, credits=())):
        write_pairs(tmp_path / "few.h5", pairs)
        read = read_pairs(tmp_path / "few.h5")
        assert read.texts == pairs.texts
        assert read.credits == pairs.credits
        assert read.label_names == pairs.label_names
        assert torch.equal(read.images, pairs.images)
        assert torch.equal(read.labels, pairs.labels)
        assert torch.equal(read.groups, pairs.groups)
        assert digest(read) == digest(pairs)


def test_pictures_alone_with_marks_are_written_and_read(few: Pairs, tmp_path: Path) -> None:
    alone = replace(few, texts=(), junk=few.labels.flip(0))
    write_pairs(tmp_path / "alone.h5", alone)
    again = read_pairs(tmp_path / "alone.h5").take(torch.tensor([4, 0]))
    assert (len(again), again.texts) == (2, ())
    assert again.junk is not None
    assert torch.equal(again.junk, few.labels.flip(0)[[4, 0]])
    assert len({digest(pairs) for pairs in (few, alone, replace(alone, junk=None))}) == 3


def test_the_digest_sees_every_field(few: Pairs) -> None:
    changed = [
        replace(few, images=few.images.clone().index_fill_(0, torch.tensor([5]), 0)),
        replace(few, texts=("a cut", *few.texts[1:])),
        replace(few, labels=~few.labels),
        replace(few, groups=few.groups + 1),
        replace(few, label_names=("cat", "dig")),
        replace(few, credits=few.credits[::-1]),
    ]
    assert len({digest(pairs) for pairs in (few, *changed)}) == 7


def test_a_truncated_file_is_refused_in_one_line(few: Pairs, tmp_path: Path) -> None:
    path = tmp_path / "few.h5"
    write_pairs(path, few)
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"few\.h5.*wanted.*got.*delete") as refused:
            read_pairs(path)
        assert "\n" not in str(refused.value)


def test_a_file_that_points_elsewhere_or_was_changed_is_refused(few: Pairs, tmp_path: Path) -> None:
    write_pairs(tmp_path / "other.h5", few)

    def external(file: h5py.File) -> None:
        del file["images"]
        file["images"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "images")

    def raw_bytes(file: h5py.File) -> None:
        del file["groups"]
        file.create_dataset("groups", (6,), "i8", external=[(str(tmp_path / "other.h5"), 0, 48)])

    def virtual(file: h5py.File) -> None:
        del file["images"]
        layout = h5py.VirtualLayout((6, 3, 8, 8), "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", (6, 3, 8, 8))
        file.create_virtual_dataset("images", layout)

    def other_type(file: h5py.File) -> None:
        del file["labels"]
        file["labels"] = np.ones((6, 2), np.float32)

    def huge(file: h5py.File) -> None:
        del file["images"]
        file.create_dataset("images", (2**31, 3, 64, 64), "u1", chunks=(1, 3, 64, 64))

    def one_pixel(file: h5py.File) -> None:
        file["images"][3, 1, 4, 4] ^= 1

    for number, tamper in enumerate((external, raw_bytes, virtual, other_type, huge, one_pixel)):
        path = tmp_path / f"{number}.h5"
        write_pairs(path, few)
        with h5py.File(path, "r+") as file:
            tamper(file)
        with pytest.raises(DataError):
            read_pairs(path)


def test_sizes_are_met_exactly_where_groups_are_small() -> None:
    groups = torch.from_numpy(np.repeat(np.arange(400), np.random.default_rng(1).integers(1, 10, 400)))
    split = split_by_group(groups, query=200, attacker=500, held_back=40, train=700, seed=3)
    assert [len(split.query), len(split.attacker), len(split.held_back), len(split.train)] == [200, 500, 40, 700]
    other = split_by_group(groups, query=200, attacker=500, held_back=40, train=700, seed=4)
    assert split.digest() != other.digest()
    assert len(split_by_group(groups, query=200, attacker=0, held_back=0, train=700, seed=3).attacker) == 0


def test_roles_that_leave_no_database_are_refused() -> None:
    with pytest.raises(DataError, match="60 pairs of 12 groups got"):
        split_by_group(torch.arange(60) // 5, query=30, attacker=30, held_back=5, train=1, seed=0)


def test_a_contact_sheet_shows_only_the_licences_asked_for(few: Pairs, tmp_path: Path) -> None:
    red, blue = (torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, 8, 8) for colour in ((255, 0, 0), (0, 0, 255)))
    few = replace(few, images=torch.stack([red] * 3 + [blue] * 3))
    contact_sheet(few, tmp_path / "all.png", count=6)
    contact_sheet(few, tmp_path / "free.png", count=6, licences=("MIT",))
    colours = {}
    for sheet in ("all", "free"):
        with Image.open(tmp_path / f"{sheet}.png") as picture:
            colours[sheet] = {colour for _, colour in picture.getcolors(2**16)}
    assert {(255, 0, 0), (0, 0, 255)} <= colours["all"]
    assert (255, 0, 0) in colours["free"]
    assert (0, 0, 255) not in colours["free"]
    with pytest.raises(DataError, match=r"GPL wanted, CC-BY-4\.0, MIT got"):
        contact_sheet(few, tmp_path / "none.png", licences=("GPL",))
    assert not (tmp_path / "none.png").exists()


def test_a_contact_sheet_of_pictures_alone_has_a_row_for_each_group(few: Pairs, tmp_path: Path) -> None:
    """Three groups of two tall pictures: two columns of three rows, each picture in its own shape."""
    reds = torch.tensor([[40 * group + 20, 0, 0] for group in range(3)], dtype=torch.uint8).repeat_interleave(2, 0)
    alone = replace(few, texts=(), images=reds[:, :, None, None].expand(6, 3, 16, 8).contiguous())
    contact_sheet(alone, tmp_path / "alone.png", count=3 * COLUMNS)
    with Image.open(tmp_path / "alone.png") as picture:
        sheet = np.asarray(picture)
    shown = [[sheet[20 + 208 * row, 20 + 152 * column].tolist() for column in range(3)] for row in range(3)]
    assert sorted(row[0][0] for row in shown) == [20, 60, 100]
    assert all(row[0] == row[1] and row[2] == [255, 255, 255] for row in shown)
    first = sheet[12 : 12 + PICTURE, 12 : 12 + PICTURE, 1] == 0
    assert (first.any(0).sum(), first.any(1).sum()) == (PICTURE // 2, PICTURE)


def test_shares_of_people_are_dealt_whole_and_to_one_role_each() -> None:
    groups = np.repeat(np.arange(40), 10)
    taken = dealt_by_share(groups, {"train": 0.4, "attacker": 0.2, "held_back": 0.001}, seed=0)
    assert {role: len(people) for role, people in taken.items()} == {"train": 16, "attacker": 8, "held_back": 1, "search": 15}
    assert sorted(person for people in taken.values() for person in people) == list(range(40))
    queries = np.arange(400) % 10 < 3
    split = split_of_others(groups, taken, queries, seed=0)
    assert {len(split.query), len(split.database)} == {45, 105}
    assert set(groups[split.query.numpy()].tolist()) == set(taken["search"])
    with pytest.raises(DataError, match=r"1 for train, 1 for attacker and others to search among wanted, 2 people got"):
        dealt_by_share(np.arange(2), {"train": 0.4, "attacker": 0.2}, seed=0)


def test_turns_count_those_of_a_group_that_come_before() -> None:
    groups = np.array([7, 3, 7, 3, 7, 5])
    turn, of = turns(groups, np.random.default_rng(0))
    assert of.tolist() == [3, 2, 3, 2, 3, 1]
    assert [sorted(turn[groups == group].tolist()) for group in (7, 3, 5)] == [[0, 1, 2], [0, 1], [0]]


def test_marks_are_columns_of_numbers_and_of_pairs_of_numbers() -> None:
    marks, found = one_hot(np.array([4, -1, 2, 4]))
    assert (marks.int().tolist(), found) == ([[0, 1], [0, 0], [1, 0], [0, 1]], [2, 4])
    pairs = both(np.array([1, 1, 2, 1]), np.array([0, 1, 0, 1]), np.array([True, True, False, True]))
    assert pairs.int().tolist() == [[1, 0], [0, 1], [0, 0], [0, 1]]
