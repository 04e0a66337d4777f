"""MIRFlickr in every layout that circulates is one set: the same pixels, words, labels and split."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from field_files import LABEL_NAMES, LAYOUTS, SIDE, SMALL, VOCABULARY, World, cells, hdf5, layout_a, layout_b, mat5, raw, world
from PIL import Image

from crossattack.datasets import Pairs
from crossattack.datasets._data_files import variables
from crossattack.datasets.mirflickr import Mirflickr
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Silent
from crossattack.stored import StoredImages, in_memory
from surrogates.texts import words_of


def loaded(root: Path, **settings: object) -> Pairs:
    return Mirflickr(root=str(root), **{"pixels": SIDE, **SMALL, **settings}).load(Silent())[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_pairs(layout: str, tmp_path: Path) -> None:
    held = world()
    pairs, split = Mirflickr(root=str(LAYOUTS[layout](tmp_path / "set", held)), pixels=SIDE, **SMALL).load(Silent())
    assert np.array_equal(pairs.pixels().numpy(), held.images)
    assert np.array_equal(pairs.labels.numpy(), held.labels > 0)
    assert [words_of(text) for text in pairs.texts] == [list(held.words(item)) for item in range(len(held.images))]
    assert dict(pairs.told)["layout"].startswith(layout)
    assert split.digest() == "032b29b03a0d2896"  # of positions alone: also equal from release to release


def test_only_the_authors_folder_knows_what_its_labels_are_called(tmp_path: Path) -> None:
    assert loaded(raw(tmp_path / "raw", world())).label_names == LABEL_NAMES
    assert loaded(layout_a(tmp_path / "a", world())).label_names[:2] == ("label 01", "label 02")


def test_words_without_a_list_are_numbered_in_the_order_of_the_columns(tmp_path: Path) -> None:
    root = layout_a(tmp_path / "a", world())
    (root / "TagList.txt").unlink()
    pairs = loaded(root)
    assert pairs.texts[5] == tuple(f"word{VOCABULARY.index(word) + 1:04d}" for word in world().words(5))
    assert "not known" in dict(pairs.told)["texts"]


@pytest.mark.parametrize(("population", "pairs"), [("tagged", 48), ("labelled", 49), ("all", 50)])
def test_the_authors_folder_has_three_populations(population: str, pairs: int, tmp_path: Path) -> None:
    held = loaded(raw(tmp_path / "raw", world()), population=population)
    assert len(held) == pairs
    assert dict(held.told)["population"].startswith(f"{pairs}: none of 20,015, 24,581, 25,000")
    assert ("1 without a label" in dict(held.told)["population"]) == (population == "all")


def test_the_sizes_are_those_of_the_file(tmp_path: Path) -> None:
    held = world(40, 20, 28)
    assert in_memory(loaded(layout_a(tmp_path / "a", held), pixels=None).images).shape == (40, 3, 20, 28)
    assert loaded(raw(tmp_path / "raw", held), pixels=None).images.shape == (40, 3, 224, 224)


def test_matlabs_turned_pictures_are_set_upright_and_the_setting_has_the_last_word(tmp_path: Path) -> None:
    """The world's pictures get redder to the right and brighter downwards; a turned one does the opposite."""
    held = world(40, 20, 28)
    root = layout_a(tmp_path / "a", held)
    assert np.array_equal(loaded(root, pixels=None, axes="auto").pixels().numpy(), held.images)
    assert np.array_equal(loaded(root, pixels=None, axes="matlab").pixels().numpy(), held.images)
    assert np.array_equal(loaded(root, pixels=None, axes="python").pixels().numpy(), held.images.transpose(0, 1, 3, 2))
    upright = loaded(
        layout_b(tmp_path / "b", World(held.images.transpose(0, 1, 3, 2), held.tags, held.labels, ())), pixels=None, axes="python"
    )
    assert np.array_equal(upright.pixels().numpy(), held.images)
    assert "height before width" in dict(upright.told)["axes of the pictures"]


def test_other_pixels_than_the_files_are_asked_for_with_all_of_them_counted(tmp_path: Path) -> None:
    held = world()
    small = loaded(layout_a(tmp_path / "a", held), pixels=12).pixels()[7].permute(1, 2, 0).numpy()
    expected = Image.fromarray(held.images[7].transpose(1, 2, 0)).resize((12, 12), Image.Resampling.BILINEAR)
    assert np.array_equal(small, np.asarray(expected))


@pytest.mark.parametrize("layout", ["A", "E", "H"])
def test_pictures_are_read_in_any_order_and_as_often_as_asked(layout: str, tmp_path: Path) -> None:
    images = loaded(LAYOUTS[layout](tmp_path / "set", world())).images
    whole = torch.from_numpy(world().images)
    assert isinstance(images, StoredImages)
    for which in ([5, 6, 7, 30, 2, 2], [47], [], list(range(48))[::-1]):
        assert torch.equal(images[torch.tensor(which, dtype=torch.int64)], whole[which])
    assert torch.equal(images[3:9], whole[3:9])
    assert torch.equal(images[-1], whole[-1])
    taken = images.take(torch.tensor([40, 3, 9])).take(torch.tensor([2, 0]))
    assert torch.equal(taken[:], whole[[9, 40]])
    assert torch.equal(taken[torch.tensor([True, False])], whole[[9]])


def test_what_does_not_belong_together_is_refused_in_a_line(tmp_path: Path) -> None:
    held = world()
    features = {"images": np.ones((48, 32), np.float32), "YAll": held.tags, "LAll": held.labels}
    cases: dict[str, tuple[Callable[[Path], object], str]] = {
        "features alone": (lambda root: mat5(root / "FLICKR-25K.mat", features), r"\(48, 32\), features of pictures got \(layout C\)"),
        "no tags": (lambda root: hdf5(root / "x.mat", {"images": held.images, "LAll": held.labels}), "tags or captions wanted"),
        "no labels": (
            lambda root: (LAYOUTS["D"](root, held), (root / "mirflickr25k-lall.mat").unlink()),
            r"labels .* wanted beside mirflickr25k-iall\.mat: IAll and mirflickr25k-yall\.mat: YAll, none got",
        ),
        "half a zip": (lambda root: (root.mkdir(), (root / "x.npz").write_bytes(b"PK\3\4" + bytes(90))), "a whole zip file wanted"),
        "other lengths": (
            lambda root: hdf5(root / "x.mat", {"images": held.images[:40], "YAll": held.tags, "LAll": held.labels}),
            r"no common length got: .*images \(40, 3, 24, 24\)",
        ),
        "two of a kind": (lambda root: (layout_a(root / "one", held), layout_a(root / "two", held)), "one array of .* wanted, .*LAll and"),
        "0 to 1": (
            lambda root: hdf5(root / "x.mat", {"images": held.images / 255, "YAll": held.tags, "LAll": held.labels}),
            "whole numbers of 0 to 255 wanted, float64 of 0",
        ),
        "a mean taken off": (
            lambda root: hdf5(root / "x.mat", {"images": held.images - 120.0, "YAll": held.tags, "LAll": held.labels}),
            "whole numbers of 0 to 255 wanted",
        ),
        "features of texts": (
            lambda root: hdf5(root / "x.mat", {"images": held.images, "YAll": held.tags - 0.5, "LAll": held.labels}),
            "features of texts cannot be typed",
        ),
        "labels of -1": (
            lambda root: hdf5(root / "x.mat", {"images": held.images, "YAll": held.tags, "LAll": held.labels * 2.0 - 1}),
            "0 and 1 wanted, -1 got",
        ),
        "no number": (
            lambda root: hdf5(root / "x.mat", {"images": held.images, "YAll": held.tags * np.nan, "LAll": held.labels}),
            "numbers wanted, 576 that are none",
        ),
        "a web page": (lambda root: (root.mkdir(), (root / "FLICKR-25K.mat").write_text("<!DOCTYPE html>login")), "a web page got"),
        "nothing": (lambda root: root.mkdir(), "neither got; check --root"),
    }
    for number, (write, said) in enumerate(cases.values()):
        root = tmp_path / str(number)
        write(root)
        with pytest.raises(DataError, match=said) as refused:
            loaded(root)
        assert "\n" not in str(refused.value)
    for settings, said in (
        ({"pixels": 4}, "`pixels` of mirflickr: 8 to 2048"),
        ({"query": 0}, "1 or more"),
        ({"attacker": -1}, "0 or more"),
    ):
        with pytest.raises(ConfigError, match=said):
            Mirflickr(**settings)  # type: ignore[arg-type]


def test_listed_pictures_are_looked_for_below_the_root_and_nowhere_else(tmp_path: Path) -> None:
    held = world()
    root = LAYOUTS["H"](tmp_path / "set", held)
    outside = tmp_path / "im1.jpg"
    (root / "mirflickr/im1.jpg").rename(outside)
    with pytest.raises(DataError, match=r"im1\.jpg and 0 more of 48 pictures wanted, not there"):
        loaded(root)
    outside.rename(root / "mirflickr/im1.jpg")
    paths = [f"mirflickr/im{item + 1}.jpg" for item in range(47)]
    mat5(root / "index.mat", {"index": cells([*paths, paths[0]])})
    with pytest.raises(DataError, match="every picture once wanted"):
        loaded(root)


def test_our_reader_of_matlab_files_agrees_with_scipys(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "bytes": rng.integers(0, 255, (3, 4, 5)).astype(np.uint8), "floats": rng.normal(size=(6, 2)), "small": np.arange(7.0)[None],
        "single": rng.normal(size=(2, 3)).astype(np.float32), "flags": rng.random((4, 4)) > 0.5, "wide": np.array([[2**40, -5]]),
        "nothing": np.zeros((0, 3)), "name": np.array(["three", "of", "these"]), "cells": cells(["größer", "", "a b  c"]),
    }  # fmt: skip
    for packed in (False, True):
        path = mat5(tmp_path / f"{packed}.mat", arrays, packed=packed)
        theirs, ours = scipy.io.loadmat(path, chars_as_strings=True), {variable.name: variable for variable in variables(path)}
        assert ours.keys() == arrays.keys()
        for name, array in theirs.items():
            if name.startswith("__"):
                continue
            if ours[name].holds_texts:
                strings = [str(one[0]) if isinstance(one, np.ndarray) and len(one) else "" if isinstance(one, np.ndarray) else one
                           for one in array.reshape(-1)]  # fmt: skip
                assert [" ".join(text) for text in ours[name].texts()] == [text.rstrip() for text in strings]
            else:
                assert ours[name].shape == array.shape
                assert np.array_equal(ours[name].whole(), array)


def test_a_zip_of_the_authors_folder_is_as_good_as_the_folder(tmp_path: Path) -> None:
    from test_own_pictures import zipped

    pairs = loaded(zipped(raw(tmp_path / "mine", world())))
    assert np.array_equal(pairs.pixels().numpy(), world().images)


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    root = raw(tmp_path / "raw", world())
    path = root / "mirflickr/im30.jpg"
    path.write_bytes(path.read_bytes()[:400])
    images = loaded(root).images
    assert images[:20].shape == (20, 3, SIDE, SIDE)
    with pytest.raises(DataError, match=r"a picture wanted at mirflickr/im30\.jpg, none got"):
        images[:]


def boasting(kind: str) -> bytes:
    """A small picture that says it has 60,000 x 60,000 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, kind)
    content, side = bytearray(file.getvalue()), 60_000
    if kind == "JPEG":
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = side.to_bytes(2, "big") * 2
    else:
        content[16:24] = side.to_bytes(4, "big") * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(kind: str, tmp_path: Path) -> None:
    root = raw(tmp_path / "raw", world())
    (root / "mirflickr/im7.jpg").write_bytes(boasting(kind))
    with pytest.raises(DataError, match=r"a picture wanted at mirflickr/im7\.jpg, none got .*3600000000 pixels"):
        loaded(root).images[:]
