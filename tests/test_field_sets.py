"""NUS-WIDE, COCO, Wikipedia and CIFAR-10 as their authors publish them: what is taken, in which order, with which words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from field_files import LABEL_NAMES, SIDE, SMALL, cifar10, coco, layout_a, layout_h, mat5, nuswide, wikipedia, world
from test_own_pictures import zipped

from crossattack.datasets.cifar10 import CLASSES, Cifar10
from crossattack.datasets.coco import Coco
from crossattack.datasets.mirflickr import Mirflickr
from crossattack.datasets.nuswide import TC21, Nuswide
from crossattack.datasets.wikipedia import SUBJECTS, Wikipedia
from crossattack.errors import DataError
from crossattack.progress import Silent

PIXELS = {**SMALL, "pixels": SIDE}


def test_nuswide_takes_the_concepts_that_are_asked_for(tmp_path: Path) -> None:
    """Eight concepts, seven of them of the 21; the last picture has the eighth alone, and is not there as a file."""
    held, root = world(), str(nuswide(tmp_path / "nus", world()))
    pairs, _ = Nuswide(root=root, **PIXELS).load(Silent())
    assert len(TC21) == 21
    assert pairs.label_names == ("animal", "beach", "clouds", "flowers", "grass", "lake", "water")
    assert np.array_equal(pairs.labels.numpy(), held.labels > 0)
    assert np.array_equal(pairs.pixels().numpy(), held.images)
    assert [tuple(text) for text in pairs.texts] == [held.words(item) for item in range(48)]
    with pytest.raises(DataError, match=r"1048\.jpg and 0 more of 49 pictures wanted, not there; ask the authors"):
        Nuswide(root=root, concepts="all", **PIXELS).load(Silent())
    with pytest.raises(DataError, match="not there"):  # eight concepts are fewer than ten
        Nuswide(root=root, concepts="tc10", **PIXELS).load(Silent())


def test_nuswide_can_do_without_pairs_that_have_no_tag(tmp_path: Path) -> None:
    root = nuswide(tmp_path / "nus", world())
    tags = root / "NUS_WID_Tags/All_Tags.txt"
    lines = tags.read_text().splitlines()
    tags.write_text("\n".join(["1000 neverseen", *lines[1:7], *lines[8:]]))  # photos 1000 and 1007 have none
    assert len(Nuswide(root=str(root), **PIXELS).load(Silent())[0]) == 48
    pairs, _ = Nuswide(root=str(root), tagged=True, **PIXELS).load(Silent())
    assert len(pairs) == 46
    assert np.array_equal(pairs.images[0].numpy(), world().images[1])


def test_nuswide_and_coco_read_processed_layouts_too(tmp_path: Path) -> None:
    root = layout_a(tmp_path / "a", world())
    one, other = (made(root=str(root), **PIXELS).load(Silent()) for made in (Nuswide, Mirflickr))
    assert torch.equal(one[0].labels, other[0].labels)
    assert one[1].digest() == other[1].digest()
    captioned, _ = Coco(root=str(layout_h(tmp_path / "h", world())), **PIXELS).load(Silent())
    assert np.array_equal(captioned.pixels().numpy(), world().images)


@pytest.mark.parametrize("year", [2014, 2017])
def test_coco_is_train_then_val_by_number_and_keeps_one_caption_by_its_seed(year: int, tmp_path: Path) -> None:
    held, root = world(), str(coco(tmp_path / "coco", world(), year))
    pairs, _ = Coco(root=root, year=year, **PIXELS).load(Silent())  # type: ignore[arg-type]
    assert len(pairs) == 47, "the last has no category"
    assert pairs.label_names == LABEL_NAMES
    assert np.array_equal(pairs.labels.numpy(), held.labels[:47] > 0)
    assert np.array_equal(pairs.pixels().numpy(), held.images[:47])
    turns = [int(str(text).split()[1]) for text in pairs.texts]
    assert [str(text).split()[3] for text in pairs.texts] == [str(item) for item in range(47)]
    assert set(turns) == set(range(5))
    assert pairs.captions == tuple(tuple(f"caption {turn} of {item}" for turn in range(5)) for item in range(47))
    assert dict(pairs.told)["texts"] == "235 captions, 5 a picture, one drawn by `data.caption_seed`"
    again, _ = Coco(root=root, year=year, **PIXELS).load(Silent())  # type: ignore[arg-type]
    assert again.texts == pairs.texts
    other, _ = Coco(root=root, year=year, caption_seed=1, **PIXELS).load(Silent())  # type: ignore[arg-type]
    assert other.texts != pairs.texts
    assert other.captions == pairs.captions
    whole, _ = Coco(root=root, year=year, text="all", unlabelled=True, **PIXELS).load(Silent())  # type: ignore[arg-type]
    assert len(whole) == 48
    assert whole.texts[3] == " ".join(f"caption {turn} of 3" for turn in range(5))
    assert not whole.labels[47].any()
    assert whole.take(torch.tensor([9, 3])).captions[1] == pairs.captions[3]
    with pytest.raises(DataError, match=f"of {4031 - year}, wanted, none got; check --root and `data.year`"):
        Coco(root=root, year=4031 - year, **PIXELS).load(Silent())  # type: ignore[arg-type]


def test_several_captions_in_a_processed_layout_are_kept_and_one_is_drawn(tmp_path: Path) -> None:
    """COCO's caption.mat: a row of cells, each an array of strings."""
    held, root = world(), layout_h(tmp_path / "h", world())
    rows = [[f"one of {item}", f"another of {item}"][: 1 + item % 2] for item in range(48)]
    column = np.empty((1, 48), object)
    for item, row in enumerate(rows):
        column[0, item] = np.array(row)
    mat5(root / "caption.mat", {"caption": column})
    pairs, _ = Coco(root=str(root), **PIXELS).load(Silent())
    assert pairs.captions == tuple(map(tuple, rows))
    assert {str(text).split()[0] for text in pairs.texts} == {"one", "another"}
    assert [str(text).split()[2] for text in pairs.texts] == [str(item) for item in range(48)]
    assert np.array_equal(pairs.pixels().numpy(), held.images)


def test_coco_says_which_annotations_are_wrong(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco", world())
    path = root / "annotations/instances_val2017.json"
    held = path.read_text()
    for change, said in (
        (held.replace('"category_id": 3', '"category_id": 4'), "images, annotations and categories as COCO has them wanted"),
        (held.replace('"id": 531', '"id": 530'), "every picture and category once wanted"),
        (held.replace('"categories"', '"kinds"'), "as COCO has them wanted"),
        (held.replace('"id": 531', '"id": 1e999'), "as COCO has them wanted, others got .cannot convert float infinity"),
        ("[]", "images, annotations and categories wanted, list got"),
    ):
        assert change != held
        path.write_text(change)
        with pytest.raises(DataError, match=said) as refused:
            Coco(root=str(root), **PIXELS).load(Silent())
        assert "\n" not in str(refused.value)


def test_wikipedia_has_its_own_queries_and_the_words_of_its_articles(tmp_path: Path) -> None:
    held = world()
    pairs, split = Wikipedia(root=str(wikipedia(tmp_path / "wiki", held)), pixels=SIDE, attacker=6, held_back=3).load(Silent())
    assert pairs.label_names == SUBJECTS
    assert pairs.labels.int().argmax(1).tolist() == [item % 10 for item in range(48)]
    assert pairs.texts[7] == f"Article 7 & its words on {held.words(7)[0]}"
    assert np.array_equal(pairs.pixels().numpy(), held.images)
    assert sorted(split.query.tolist()) == list(range(38, 48))
    assert (len(split.database), len(split.attacker), len(split.held_back)) == (29, 6, 3)
    named, by_name = Wikipedia(root=str(tmp_path / "wiki"), pixels=SIDE, split="dcmh", **SMALL).load(Silent())
    assert len(named) == 48
    assert sorted(by_name.query.tolist()) == list(range(8))
    for subject in ("11", "00010000", "ten"):
        (tmp_path / "wiki/testset_txt_img_cat.list").write_text(f"a b {subject}\n")
        with pytest.raises(DataError, match=r"testset_txt_img_cat\.list, line 1: a text, a picture and a subject of 1 to 10 wanted"):
            Wikipedia(root=str(tmp_path / "wiki")).load(Silent())


def test_cifar10_is_the_same_as_pickles_and_as_bytes_in_a_folder_or_a_zip(tmp_path: Path) -> None:
    sizes = {"query": 20, "train": 50, "attacker": 20, "held_back": 5}
    folders = [cifar10(tmp_path / str(pickled), pickled=pickled) for pickled in (True, False)]
    one, other, archived = (Cifar10(root=str(root), **sizes).load(Silent()) for root in (*folders, zipped(folders[0])))
    for pairs, split in (other, archived):
        assert torch.equal(one[0].pixels(), pairs.pixels())
        assert torch.equal(one[0].labels, pairs.labels)
        assert split.digest() == one[1].digest()
    kinds = one[0].labels.int().argmax(1)
    assert [text[0] for text in one[0].texts] == [CLASSES[kind] for kind in kinds.tolist()]
    shades = torch.stack([one[0].pixels()[kinds == kind].float().mean() for kind in range(10)])
    assert (shades - torch.arange(0, 250, 25)).abs().max() < 6, "the fixture's kind k has the shade 25 k"
    assert torch.bincount(kinds[one[1].query]).tolist() == [2] * 10
    _, own = Cifar10(root=str(folders[0]), split="own", attacker=20, held_back=5).load(Silent())
    assert sorted(own.query.tolist()) == list(range(100, 120))
    (folders[1] / "cifar-10-batches-bin/data_batch_3.bin").write_bytes(bytes(4000))
    with pytest.raises(DataError, match=r"rows of 3,073 bytes wanted, 4,000 bytes got"):
        Cifar10(root=str(folders[1])).load(Silent())


@pytest.mark.parametrize("plugin", [Mirflickr, Nuswide, Coco, Wikipedia])
def test_photographs_of_real_people_are_shown_only_where_asked(plugin: type) -> None:
    assert plugin.real_people is True  # type: ignore[attr-defined]
