"""What files hold, read straight on by other people's readers: what a loader's answer to a damaged file is compared with.

Each function knows one layout as `field_files.py` writes it and looks at no more than its files: h5py, scipy, json, csv and Pillow
read them, loops put them together. What cannot be read raises whatever it raises.
"""

import csv
import html
import io
import json
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import h5py
import numpy as np
import scipy.io
from numpy import ndarray
from PIL import Image

Item: TypeAlias = tuple[bytes, tuple[str, ...], frozenset[str]]  # picture, texts or words, labels
SUBJECTS = ("art", "biology", "geography", "history", "literature", "media", "music", "royalty", "sport", "warfare")
KINDS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TC21 = ("animal", "beach", "clouds", "flowers", "grass", "lake", "water")  # of `field_files.nuswide`


def item(picture: ndarray, texts: Sequence[str], labels: Sequence[str]) -> Item:
    """A picture (3, height, width) of whatever numbers, as those numbers; a text as it is, a list of words word by word."""
    return np.asarray(picture, np.float64).tobytes(), tuple(texts), frozenset(labels)


def photograph(path: Path) -> ndarray:
    """The whole picture, at the size that it has."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


def numbered(row: ndarray) -> list[str]:
    return [f"label {column + 1:02d}" for column in np.flatnonzero(row)]


def of_arrays(root: Path, images: ndarray, tags: ndarray, labels: ndarray) -> list[Item]:
    """Rows of three arrays, words out of TagList.txt; numbered where it is that of another set."""
    words = [line.split()[0] for line in lines(root / "TagList.txt") if line.split()]
    if not len(words) == len(set(words)) == tags.shape[1]:
        words = [f"word{number + 1:04d}" for number in range(tags.shape[1])]
    assert len(images) == len(tags) == len(labels)
    return [
        item(picture, [words[column] for column in np.flatnonzero(bag > 0)], numbered(row))
        for picture, bag, row in zip(images, tags, labels, strict=True)
    ]


def layout_a(root: Path) -> list[Item]:
    with h5py.File(root / "FLICKR-25K.mat") as file:
        return of_arrays(root, file["images"][:].transpose(0, 1, 3, 2), file["YAll"][:].T, file["LAll"][:].T)


def layout_c(root: Path) -> list[Item]:
    held = scipy.io.loadmat(root / "FLICKR-25K.mat", variable_names=["YAll", "LAll"])
    with h5py.File(root / "mirflickr25k-iall.mat") as file:
        return of_arrays(root, file["IAll"][:].transpose(0, 1, 3, 2), held["YAll"], held["LAll"])


def layout_d(root: Path) -> list[Item]:
    tags, labels = (scipy.io.loadmat(root / f"mirflickr25k-{key.lower()}.mat")[key] for key in ("YAll", "LAll"))
    with h5py.File(root / "mirflickr25k-iall.mat") as file:
        return of_arrays(root, file["IAll"][:].transpose(0, 1, 3, 2), tags, labels)


def layout_e(root: Path) -> list[Item]:
    with h5py.File(root / "FLICKR-25K.mat") as file:
        return of_arrays(root, file["IAll"][:].transpose(3, 2, 0, 1), file["TAll"][:].T, file["LAll"][:].T)


def layout_h(root: Path) -> list[Item]:
    paths, captions = (scipy.io.loadmat(root / f"{key}.mat")[key].reshape(-1) for key in ("index", "caption"))
    labels = scipy.io.loadmat(root / "label.mat")["category"]
    assert len(paths) == len(captions) == len(labels)
    return [
        item(
            photograph(root / "mirflickr" / PurePosixPath(path.strip().replace("\\", "/")).name),
            [str(said[0]).rstrip() if len(said) else ""],
            numbered(row),
        )
        for path, said, row in zip(paths, captions, labels, strict=True)
    ]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").splitlines()


def raw(root: Path) -> list[Item]:
    words = list(dict.fromkeys(line.split()[0] for line in lines(root / "mirflickr/doc/common_tags.txt") if line.split()))
    columns = [path for path in sorted((root / "mirflickr25k_annotations_v080").glob("*.txt")) if path.stem not in ("README", "sky_r1")]
    marked = {path.stem: {int(line) for line in path.read_text(encoding="utf-8-sig").split()} for path in columns}
    found = []
    for number in range(1, 51):
        own = {line.strip() for line in lines(root / f"mirflickr/meta/tags/tags{number}.txt")}
        labels, tags = [name for name, of in marked.items() if number in of], [word for word in words if word in own]
        found += [item(photograph(root / f"mirflickr/im{number}.jpg"), tags, labels)] if labels and tags else []
    return found


def nuswide(root: Path) -> list[Item]:
    paths = [line.strip().replace("\\", "/") for line in lines(root / "ImageList/Imagelist.txt") if line.strip()]
    words = [word.strip() for word in lines(root / "NUS_WID_Tags/TagList1k.txt")]
    own = {line.split()[0]: set(line.split()[1:]) for line in lines(root / "NUS_WID_Tags/All_Tags.txt") if line.split()}
    marks = {name: (root / f"Groundtruth/AllLabels/Labels_{name}.txt").read_text().split() for name in TC21}
    assert all(len(column) == len(paths) for column in marks.values())
    found = []
    for place, path in enumerate(paths):
        labels = [name for name, column in marks.items() if column[place] == "1"]
        there = root / "Flickr" / path
        there = there if there.exists() else next((root / "Flickr").rglob(PurePosixPath(path).name), there)
        tags = own.get(PurePosixPath(path).stem.rpartition("_")[2], set())
        found += [item(photograph(there), [word for word in dict.fromkeys(words) if word in tags], labels)] if labels else []
    return found


def coco(root: Path) -> list[Item]:
    found = []
    for block in ("train", "val"):
        instances, captions = (
            json.loads((root / f"annotations/{kind}_{block}2017.json").read_bytes()) for kind in ("instances", "captions")
        )
        kinds = {one["id"]: one["name"] for one in instances["categories"]}
        for photo in sorted(instances["images"], key=lambda one: int(one["id"])):
            said = [" ".join(str(one["caption"]).split()) for one in captions["annotations"] if one["image_id"] == photo["id"]]
            labels = [kinds[one["category_id"]] for one in instances["annotations"] if one["image_id"] == photo["id"]]
            path = root / f"{block}2017" / PurePosixPath(photo["file_name"]).name
            found += [item(photograph(path), [text for text in said if text], labels)] if labels and any(said) else []
    return found


def wikipedia(root: Path) -> list[Item]:
    found = []
    for block in ("train", "test"):
        for line in (root / f"{block}set_txt_img_cat.list").read_text().splitlines():
            if line.split():
                text, picture, subject = line.split()
                written = (root / f"texts/{text}.xml").read_text()
                inside = re.search(r"<text>(.*)</text>", written, re.S)
                words = html.unescape(re.sub(r"<[^>]*>", " ", inside[1] if inside else written)).split()
                (path,) = (root / "images").rglob(f"{picture}.jpg")
                found.append(item(photograph(path), [" ".join(words)], [SUBJECTS[int(subject) - 1]]))
    return found


def own_folder(root: Path) -> list[Item]:
    """A row a text; a picture has the labels of all its rows."""
    table = next(root.glob("table.*"))
    text = table.read_bytes().decode("utf-8-sig")
    rows: list[dict[str, Any]]
    if table.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    else:
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    of = dict[str, set[str]]()
    for row in rows:
        row["image"] = str(PurePosixPath(row["image"].strip().replace("\\", "/")))
        labels = row["labels"].split(";") if isinstance(row["labels"], str) else row["labels"]
        labels = ";".join(labels).split(";")
        of.setdefault(row["image"], set()).update(label.strip() for label in labels if label.strip())
    return [item(photograph(root / row["image"]), [row["text"].strip()], sorted(of[row["image"]])) for row in rows]


def cifar10_bytes(root: Path) -> list[Item]:
    found = []
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        rows = np.frombuffer((root / f"cifar-10-batches-bin/{name}.bin").read_bytes(), np.uint8).reshape(-1, 3073)
        found += [item(row[1:].reshape(3, 32, 32), [KINDS[row[0]]], [KINDS[row[0]]]) for row in rows]
    return found


NUMPYS = ("_reconstruct", "_frombuffer", "ndarray", "dtype")


class OnlyNumpys(pickle.Unpickler):
    """Enough for a batch of numbers, and for nothing that could be called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.partition(".")[0], name) not in (
            ("numpy", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        ):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def cifar10_pickles(root: Path) -> list[Item]:
    found = []
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        held = OnlyNumpys(io.BytesIO((root / f"cifar-10-batches-py/{name}").read_bytes()), encoding="latin1").load()
        held = {key.decode() if isinstance(key, bytes) else key: value for key, value in held.items()}
        assert held["data"].dtype == np.uint8
        pictures = held["data"].reshape(-1, 3, 32, 32)
        found += [item(one, [KINDS[kind]], [KINDS[kind]]) for one, kind in zip(pictures, held["labels"], strict=True)]
    return found


def people(root: Path) -> list[Item]:
    """MSMT17's lists, or torchreid's splits; every picture with its person, whether a role has room for it or not."""
    rows = list[tuple[str, str, int]]()
    if (root / "splits_new_detected.json").exists():
        (split,) = json.loads((root / "splits_new_detected.json").read_bytes())
        for role in ("train", "query", "gallery"):
            rows += [(role, f"images_detected/{PurePosixPath(path).name}", person) for path, person, _ in split[role]]
    else:
        for role, folder in (("train", "train"), ("query", "test"), ("gallery", "test")):
            pairs = [line.split() for line in (root / f"list_{role}.txt").read_text().splitlines() if line.strip()]
            rows += [(role, f"{folder}/{path}", int(person)) for path, person in pairs]
    trained, others = ({person for role, _, person in rows if (role == "train") is training} for training in (True, False))
    kind = {True: "training person" if trained & others else "person", False: "person"}
    return [item(photograph(root / path), [], [f"{kind[role == 'train']} {person}"]) for role, path, person in rows]


def buildings(root: Path) -> list[Item]:
    """Revisited Oxford at medium: queries, cut out, then the database; what is easy or hard for a query is right."""
    held = OnlyNumpys(io.BytesIO((root / "gnd_roxford5k.pkl").read_bytes()), encoding="latin1").load()
    right = [[*map(int, told["easy"]), *map(int, told["hard"])] for told in held["gnd"]]
    asked = [(name, told["bbx"], of) for name, told, of in zip(held["qimlist"], held["gnd"], right, strict=True) if of]
    found = []
    for number, (name, (left, top, edge, bottom), _) in enumerate(asked):
        with Image.open(root / f"jpg/{name}.jpg") as picture:
            box = max(0, round(left)), max(0, round(top)), min(picture.width, round(edge)), min(picture.height, round(bottom))
            part = picture.convert("RGB").crop(box).resize((30, 24), Image.Resampling.BILINEAR)
        found.append(item(np.asarray(part).transpose(2, 0, 1), [], [f"query {number}"]))
    for place, name in enumerate(held["imlist"]):
        labels = [f"query {number}" for number, (_, _, of) in enumerate(asked) if place in of]
        found.append(item(photograph(root / f"jpg/{name}.jpg"), [], labels))
    return found


def codes_in(read: Callable[[Path], Any], path: Path) -> Iterator[ndarray]:
    """Bits as whether they are +1, then labels, in the order of kalenforn's keys."""
    held = read(path)
    for key in ("q_img", "q_txt", "r_img", "r_txt", "q_l", "r_l"):
        yield np.asarray(held[key]) > (-0.5 if not key.endswith("_l") else 0)  # a zero among signs counts as +1
