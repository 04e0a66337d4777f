"""What every data set owes, asked of every file of the folder; and the parts that data sets share."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from crossattack.datasets import Credit, Pairs, Split
from crossattack.datasets._contact_sheet import contact_sheet
from crossattack.datasets._splits import split_by_group
from crossattack.datasets._store import digest, read_pairs, write_pairs
from crossattack.datasets._summary import floor, summary
from crossattack.errors import DataError
from crossattack.progress import Silent
from crossattack.registry import DATASETS

SMALL = {"scenes": {"pairs": 600, "pixels": 32}}  # settings for those that come in any size
DISJOINT = ("query", "database", "attacker", "held_back")


@cache
def loaded(name: str) -> tuple[Pairs, Split]:
    return DATASETS.load(name)(**SMALL.get(name, {})).load(Silent())


@pytest.fixture(params=DATASETS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def few() -> Pairs:
    """Six pairs of three groups, with credits and both kinds of text."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (6, 3, 8, 8), dtype=np.uint8))
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [1, 1]], dtype=torch.bool)
    credits = (Credit("ours", "MIT"),) * 3 + (Credit("théirs", "CC-BY-4.0"),) * 3
    texts = ("a cat", ("cat", "paw"), ("dog",), "ein Hünd", "both", ("cat", "dog"))
    return Pairs(images, texts, labels, torch.tensor([0, 0, 1, 1, 2, 2]), ("cat", "dog"), credits)


def test_items_agree_in_number_type_and_size(name: str) -> None:
    pairs, _ = loaded(name)
    assert pairs.images.dtype == torch.uint8
    assert pairs.images.shape[1] == 3
    assert pairs.images.shape[2] == pairs.images.shape[3]
    assert {len(pairs.images), len(pairs.texts), len(pairs.labels), len(pairs.groups)} == {len(pairs)}
    assert len(pairs.credits) in (0, len(pairs))
    assert pairs.labels.shape[1] == len(pairs.label_names) == len(set(pairs.label_names))


def test_every_text_says_something(name: str) -> None:
    pairs, _ = loaded(name)
    for text in pairs.texts:
        assert isinstance(text, str | tuple)
        assert len(text) > 0
        assert isinstance(text, str) or (all(isinstance(word, str) and word for word in text) and len(set(text)) == len(text))


def test_every_picture_shows_something(name: str) -> None:
    pairs, _ = loaded(name)
    shades = pairs.images.flatten(1).float().std(1)
    assert shades.min() > 1, f"item {int(shades.argmin())} is blank"


def test_every_item_has_a_label_and_every_label_an_item(name: str) -> None:
    pairs, _ = loaded(name)
    assert pairs.labels.any(1).all()
    assert pairs.labels.any(0).all()


def test_items_of_one_group_have_the_same_labels(name: str) -> None:
    pairs, _ = loaded(name)
    first = {}
    for group, labels in zip(pairs.groups.tolist(), pairs.labels.tolist(), strict=True):
        assert first.setdefault(group, labels) == labels
    assert len(first) < len(pairs) / 2, "several items a group wanted"


def test_roles_share_no_item_and_leave_none_out(name: str) -> None:
    pairs, split = loaded(name)
    items = torch.cat([getattr(split, role) for role in DISJOINT])
    assert items.sort().values.tolist() == list(range(len(pairs)))
    assert set(split.train.tolist()) < set(split.database.tolist())
    assert all(len(getattr(split, role)) for role in (*DISJOINT, "train"))


def test_roles_share_no_group(name: str) -> None:
    pairs, split = loaded(name)
    groups = {role: set(pairs.groups[getattr(split, role)].tolist()) for role in DISJOINT}
    for role in DISJOINT:
        for other in DISJOINT[: DISJOINT.index(role)]:
            assert not groups[role] & groups[other], f"{role} and {other}"


def test_a_role_begins_with_a_fair_sample_of_it(name: str) -> None:
    pairs, split = loaded(name)
    for role in ("query", "attacker", "database"):
        items = getattr(split, role)
        labels = pairs.labels[items].float()
        assert (labels[: len(items) // 2].mean(0) - labels.mean(0)).abs().max() < 0.2, role


def test_loading_twice_gives_the_same_pairs_and_split(name: str) -> None:
    pairs, split = loaded(name)
    again, split_again = DATASETS.load(name)(**SMALL.get(name, {})).load(Silent())
    assert digest(again) == digest(pairs)
    assert split_again.digest() == split.digest()


def test_the_floor_is_the_share_of_relevant_pairs(name: str) -> None:
    pairs, split = loaded(name)
    few_queries = replace(split, query=split.query[:5])
    relevant = total = 0
    for query in few_queries.query.tolist():
        wanted = set(torch.nonzero(pairs.labels[query]).flatten().tolist())
        for item in split.database.tolist():
            relevant += bool(wanted & set(np.flatnonzero(pairs.labels[item].numpy()).tolist()))
            total += 1
    assert floor(pairs, few_queries) == pytest.approx(relevant / total, abs=1e-12)
    assert 0.05 < floor(pairs, split) < 0.25  # relevance that says something


def test_the_summary_counts_right(name: str) -> None:
    pairs, split = loaded(name)
    rows = dict(summary(pairs, split))
    assert rows["pairs"] == f"{len(pairs):,}"
    assert rows["held back"] == f"{len(split.held_back):,}"
    credited = sum(int(value.split()[0].replace(",", "")) for what, value in rows.items() if what.startswith("source"))
    assert credited == len(pairs.credits)


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
