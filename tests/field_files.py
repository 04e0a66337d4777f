"""A few dozen pictures with tags and labels, written in every layout in which the field hands its sets around."""

import csv
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy import ndarray
from PIL import Image

PAIRS, SIDE, LABELS, WORDS = 48, 24, 7, 12
LABEL_NAMES = ("animals", "clouds", "flower", "night", "people", "sea", "sky")  # in alphabetical order, as loaders sort them
VOCABULARY = ("explore", "sky", "nikon", "2007", "blue", "canon", "water", "red", "beach", "portrait", "sunset", "cat")
SMALL: Mapping[str, Any] = {"query": 8, "train": 12, "attacker": 8, "held_back": 4}


@dataclass(frozen=True)
class World:
    """What every layout holds: pictures (items, 3, SIDE, SIDE), 0/1 tags and labels, and the pictures as JPEG files."""

    images: ndarray
    tags: ndarray
    labels: ndarray
    files: tuple[bytes, ...]

    def words(self, item: int) -> tuple[str, ...]:
        """An item's tags in the order of the vocabulary."""
        return tuple(np.array(VOCABULARY)[self.tags[item] > 0].tolist())


@cache
def world(pairs: int = PAIRS, height: int = SIDE, width: int = SIDE) -> World:
    """Label i % 7, a second one for every third item; pictures get brighter from top to bottom and redder from left to right."""
    rng = np.random.default_rng(7)
    labels, tags = np.zeros((pairs, LABELS), np.uint8), np.zeros((pairs, WORDS), np.uint8)
    labels[np.arange(pairs), np.arange(pairs) % LABELS] = 1
    labels[np.arange(0, pairs, 3), (np.arange(0, pairs, 3) // LABELS) % LABELS] = 1
    for item in range(pairs):
        tags[item, rng.permutation(WORDS)[: 1 + item % 4]] = 1
    files = tuple(jpeg(rng, height, width) for _ in range(pairs))
    images = np.stack([np.asarray(Image.open(io.BytesIO(file))).transpose(2, 0, 1) for file in files])
    return World(images, tags, labels, files)


def jpeg(rng: np.random.Generator, height: int, width: int) -> bytes:
    """A photograph's stand-in."""
    down, across = np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")
    red, other = np.stack([80 * down + 150 * across, 80 * down]), rng.integers(20, 90, (3, 1, 1))
    pixels = np.stack([red[0], red[1], red[1]]) + other + rng.normal(0, 8, (3, height, width))
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0)).save(file, "JPEG", quality=95)
    return file.getvalue()


def hdf5(path: Path, arrays: Mapping[str, ndarray], *, matlab: bool = False, **packing: Any) -> Path:
    """An HDF5 file; with `matlab`, behind MATLAB's own 512 bytes and as its axes come out there: in reverse."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512 if matlab else 0) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.transpose() if matlab else array, **packing)
    if matlab:
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return path


def mat5(path: Path, arrays: Mapping[str, Any], *, packed: bool = True) -> Path:
    """A MATLAB 5 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, dict(arrays), do_compression=packed)
    return path


def named(root: Path) -> Path:
    """The vocabulary, under the name that MITH gives it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "TagList.txt").write_text("\n".join(VOCABULARY))
    return root


def photographs(root: Path, held: World) -> list[str]:
    """Pictures as files; the paths that they had on somebody else's machine."""
    for item, file in enumerate(held.files):
        path = root / "mirflickr" / f"im{item + 1}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    return [f"/home/somebody/mirflickr25k/mirflickr/im{item + 1}.jpg" for item in range(len(held.files))]


def cells(texts: list[str]) -> ndarray:
    """MATLAB's column of strings."""
    column = np.empty((len(texts), 1), object)
    column[:, 0] = texts
    return column


def layout_a(root: Path, held: World) -> Path:
    """MATLAB's height x width x 3 x N, N x words, N x labels."""
    arrays = {"images": held.images.transpose(2, 3, 1, 0), "YAll": held.tags, "LAll": held.labels}
    hdf5(named(root) / "FLICKR-25K.mat", arrays, matlab=True, compression="gzip", chunks=True)
    return root


def layout_b(root: Path, held: World) -> Path:
    arrays = {"images": held.images.transpose(0, 1, 3, 2), "YAll": held.tags.astype(float), "LAll": held.labels.astype(float)}
    hdf5(named(root) / "FLICKR-25K.mat", arrays)
    return root


def layout_c(root: Path, held: World) -> Path:
    """Features; the pixels of layout D beside them."""
    features = np.random.default_rng(0).random((len(held.images), 32), np.float32)
    mat5(named(root) / "FLICKR-25K.mat", {"images": features, "YAll": held.tags, "LAll": held.labels})
    hdf5(root / "mirflickr25k-iall.mat", {"IAll": held.images.transpose(2, 3, 1, 0)}, matlab=True)
    return root


def layout_d(root: Path, held: World) -> Path:
    hdf5(named(root) / "mirflickr25k-iall.mat", {"IAll": held.images.transpose(2, 3, 1, 0)}, matlab=True)
    mat5(root / "mirflickr25k-yall.mat", {"YAll": held.tags.astype(float)})
    mat5(root / "mirflickr25k-lall.mat", {"LAll": held.labels}, packed=False)
    return root


def layout_e(root: Path, held: World) -> Path:
    """As Python wrote it: height, width, channel, N."""
    hdf5(named(root) / "FLICKR-25K.mat", {"IAll": held.images.transpose(2, 3, 1, 0), "TAll": held.tags.T, "LAll": held.labels.T})
    return root


def layout_f(root: Path, held: World) -> Path:
    mat5(named(root) / "imgList.mat", {"FAll": cells([Path(path).name for path in photographs(root, held)])})
    mat5(root / "tagList.mat", {"YAll": held.tags})
    mat5(root / "labelList.mat", {"LAll": held.labels})
    return root


def layout_h(root: Path, held: World) -> Path:
    """A padded array of characters for the paths, cells for the captions."""
    mat5(named(root) / "index.mat", {"index": np.array(photographs(root, held))})
    mat5(root / "caption.mat", {"caption": cells([" ".join(held.words(item)) for item in range(len(held.images))])})
    mat5(root / "label.mat", {"category": held.labels.astype(np.int64)})
    return root


def layout_i(root: Path, held: World) -> Path:
    mat5(named(root) / "index.mat", {"index": np.array(photographs(root, held))})
    mat5(root / "caption.mat", {"caption": np.array([" ".join(held.words(item)) for item in range(len(held.images))])})
    mat5(root / "label.mat", {"label": held.labels.astype(float)})
    mat5(root / "caption_one_hot.mat", {"one_hot": held.tags})
    return root


def raw(root: Path, held: World) -> Path:
    """The authors' folder, with one picture that has no label and one that has no common tag."""
    extra = [jpeg(np.random.default_rng(99), SIDE, SIDE)] * 2
    photographs(root, World(held.images, held.tags, held.labels, (*held.files, *extra)))
    tags = [held.words(item) for item in range(len(held.files))] + [VOCABULARY[:1], ("neverseen",)]
    labels = np.vstack([held.labels, np.zeros((1, LABELS), np.uint8), np.eye(LABELS, dtype=np.uint8)[:1]])
    (root / "mirflickr/doc").mkdir()
    (root / "mirflickr/doc/common_tags.txt").write_text("".join(f"{word} {100 - place}\n" for place, word in enumerate(VOCABULARY)))
    (root / "mirflickr/meta/tags").mkdir(parents=True)
    (root / "mirflickr/meta/tags_raw").mkdir()
    for item, words in enumerate(tags):
        (root / f"mirflickr/meta/tags/tags{item + 1}.txt").write_text("".join(f"{word}\r\n" for word in words))
        (root / f"mirflickr/meta/tags_raw/tags{item + 1}.txt").write_text("Tags As Typed")
    folder = root / "mirflickr25k_annotations_v080"
    folder.mkdir()
    (folder / "README.txt").write_text("not a label")
    for column, name in enumerate(LABEL_NAMES):
        (folder / f"{name}.txt").write_text("".join(f"{item + 1}\n" for item in np.flatnonzero(labels[:, column])))
    (folder / "sky_r1.txt").write_text("1\n")
    return root


LAYOUTS = {
    "raw": raw, "A": layout_a, "B": layout_b, "C": layout_c, "D": layout_d, "E": layout_e, "F": layout_f, "H": layout_h, "I": layout_i,
}  # fmt: skip


def own_folder(root: Path, held: World, *, lines: bool = False) -> Path:
    """Pictures with two texts each, in a CSV or a JSONL."""
    rows = []
    for item, file in enumerate(held.files):
        path = root / f"pictures/{item % 3}/photo {item}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        labels = ";".join(np.array(LABEL_NAMES)[held.labels[item] > 0])
        name = path.relative_to(root).as_posix()
        rows += [(name, f"a photo, with {held.words(item)[0]}", labels), (name, f"number {item} says “{held.words(item)[-1]}”", labels)]
    if lines:
        text = "\n".join(json.dumps({"image": image, "text": text, "labels": labels.split(";")}) for image, text, labels in rows)
    else:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerows([("image", "text", "labels"), *rows])
        text = "\ufeff" + file.getvalue()
    (root / f"table.{'jsonl' if lines else 'csv'}").write_text(text, encoding="utf-8", newline="")
    return root


def nuswide(root: Path, held: World) -> Path:
    """Lists, truth and tags; 8 concepts of which `dust` is none of the 21, with one picture that has it alone."""
    concepts = ("animal", "beach", "clouds", "flowers", "grass", "lake", "water", "dust")
    labels = np.vstack([np.pad(held.labels, ((0, 0), (0, 1))), np.eye(8, dtype=np.uint8)[-1:]])
    order = [3, 0, 7, 5, 1, 2, 6, 4]  # the concepts' files lie in any order
    paths = [f"actor\\{item % 4:04d}_{1000 + item}.jpg" for item in range(len(labels))]
    (root / "ImageList").mkdir(parents=True)
    (root / "ImageList/Imagelist.txt").write_text("\n".join(paths))
    (root / "Groundtruth/AllLabels").mkdir(parents=True)
    for column in order:
        (root / f"Groundtruth/AllLabels/Labels_{concepts[column]}.txt").write_text("".join(f"{mark}\n" for mark in labels[:, column]))
    (root / "NUS_WID_Tags").mkdir()
    (root / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(VOCABULARY))
    tags = [" ".join((*held.words(item), "neverseen")) for item in range(len(held.images))] + [""]
    (root / "NUS_WID_Tags/All_Tags.txt").write_text("\n".join(f"{1000 + item} {words}" for item, words in enumerate(tags)))
    for path, file in zip(paths, held.files, strict=False):
        (root / "Flickr" / path.replace("\\", "/")).parent.mkdir(parents=True, exist_ok=True)
        (root / "Flickr" / path.replace("\\", "/")).write_bytes(file)
    return root


def coco(root: Path, held: World, year: int = 2017) -> Path:
    """Two blocks, sparse category numbers, five captions a picture; the last picture has no category."""
    numbers = [3, 10, 18, 44, 62, 70, 90]
    (root / "annotations").mkdir(parents=True)
    for block, items in (("train", range(30)), ("val", range(30, len(held.files)))):
        images, instances, captions = [], [], []
        for item in reversed(items):
            name = f"COCO_{block}{year}_{item + 500:012d}.jpg"
            (root / f"{block}{year}").mkdir(exist_ok=True)
            (root / f"{block}{year}" / name).write_bytes(held.files[item])
            images.append({"id": item + 500, "file_name": name, "license": 1})
            captions += [{"image_id": item + 500, "id": 10 * item + turn, "caption": f"caption {turn}\n of {item}"} for turn in range(5)]
            found = np.flatnonzero(held.labels[item]) if item < len(held.files) - 1 else []
            outline = {"segmentation": [[0.5, 1.5]], "bbox": [0, 0, 1, 1]}
            instances += [{"image_id": item + 500, "category_id": numbers[label], **outline} for label in found]
        categories = [{"id": number, "name": name} for number, name in zip(numbers, LABEL_NAMES, strict=True)]
        for kind, annotations in (("instances", instances), ("captions", captions)):
            whole = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
            (root / f"annotations/{kind}_{block}{year}.json").write_text(json.dumps(whole))
    return root


def wikipedia(root: Path, held: World) -> Path:
    """Two lists, a text and a picture an article; subject i % 10."""
    for item, file in enumerate(held.files):
        path = root / f"images/subject{item % 10}/{item:032x}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        (root / "texts").mkdir(exist_ok=True)
        text = f"<document><name>x</name><text>Article {item} &amp; its <b>words</b>\n on {held.words(item)[0]}</text></document>"
        (root / f"texts/{item:08x}-1.xml").write_text(text)
    rows = [f"{item:08x}-1\t{item:032x}\t{item % 10 + 1}" for item in range(len(held.files))]
    (root / "trainset_txt_img_cat.list").write_text("\n".join(rows[:-10]))
    (root / "testset_txt_img_cat.list").write_text("\n".join(rows[-10:]) + "\n")
    return root


def cifar10(root: Path, *, pickled: bool = True, pictures: int = 20) -> Path:
    """Six batches of noise in each kind's shade, as pickles or as plain bytes."""
    folder = root / f"cifar-10-batches-{'py' if pickled else 'bin'}"
    folder.mkdir(parents=True)
    for number, name in enumerate((*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch")):
        rng = np.random.default_rng(number)
        kinds = (np.arange(pictures) + number) % 10
        pixels = np.clip(25 * kinds[:, None] + rng.normal(0, 10, (pictures, 3 * 32 * 32)), 0, 255).astype(np.uint8)
        if pickled:
            (folder / name).write_bytes(pickle.dumps({b"data": pixels, b"labels": kinds.tolist(), b"batch_label": name.encode()}, 2))
        else:
            (folder / f"{name}.bin").write_bytes(np.hstack([kinds[:, None].astype(np.uint8), pixels]).tobytes())
    return root
