"""Small folders in the layouts of re-identification, Oxford and Paris, and three sets of faces, with pictures that differ."""

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from field_files import SIDE, SMALL, cifar10, coco, nuswide, own_folder, raw, wikipedia, world
from PIL import Image


def paint(path: Path, person: int, shot: int, size: tuple[int, int] = (16, 32), mode: str = "RGB") -> None:
    """A noisy picture in the person's colour. size: width and height."""
    rng = np.random.default_rng([person + 1, shot])
    shade = np.random.default_rng(person + 1).integers(40, 216, 3)
    pixels = np.clip(shade + rng.normal(0, 20, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def market(root: Path) -> Path:
    """Eight training people; six to search for, on three cameras; two distractors, a poor cut, and a query that finds nobody."""
    for person in range(100, 108):
        for shot in range(4):
            paint(root / "bounding_box_train" / f"{person:04d}_c{shot % 3 + 1}s1_{shot:06d}_00.jpg", person, shot)
    for person in range(1, 7):
        for shot in range(9):
            folder = "query" if shot < 3 else "bounding_box_test"
            paint(root / folder / f"{person:04d}_c{shot % 3 + 1}s1_{shot:06d}_00.jpg", person, shot)
    for shot in range(2):
        paint(root / "bounding_box_test" / f"0000_c1s1_{shot:06d}_00.jpg", 0, shot)
    paint(root / "bounding_box_test" / "-1_c1s1_000009_00.jpg", 50, 0)
    paint(root / "query" / "0009_c2s1_000001_00.jpg", 9, 0)
    paint(root / "bounding_box_test" / "0009_c2s1_000002_00.jpg", 9, 1)
    (root / "bounding_box_test" / "Thumbs.db").write_bytes(b"left behind")
    return root


REID = {  # role, person, shot, camera -> where the picture lies
    "Market-1501": lambda role, person, shot, camera: f"{MARKET[role]}/{person:04d}_c{camera}s1_{shot:06d}_00.jpg",
    "DukeMTMC-reID": lambda role, person, shot, camera: f"{MARKET[role]}/{person:04d}_c{camera}_f{shot:07d}.jpg",
    "CUHK03-NP": lambda role, person, shot, camera: f"{MARKET[role]}/{person:04d}_c{camera}_{shot}.png",
    "VeRi": lambda role, person, shot, camera: f"{VERI[role]}/{person:04d}_c{camera:03d}_{shot:08d}_0.jpg",
    "MSMT17_V1": lambda role, person, shot, camera: f"{'train' if role == 'train' else 'test'}/{listed(person, shot, camera)}",
    "MSMT17_V2": lambda role, person, shot, camera: f"mask_{'train' if role == 'train' else 'test'}_v2/{listed(person, shot, camera)}",
    "cuhk03": lambda role, person, shot, camera: f"images_detected/1_{person:03d}_{camera}_{shot:02d}.png",
}
MARKET = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
VERI = {"train": "image_train", "query": "image_query", "gallery": "image_test"}


def listed(person: int, shot: int, camera: int) -> str:
    """A path in MSMT17's lists; its people begin at 0, in training and in the search."""
    return f"{person % 100 - 1:04d}/{person % 100 - 1:04d}_{shot:03d}_{camera:02d}_0303morning_{shot:04d}_0.jpg"


def reid(root: Path, layout: str) -> Path:
    """Eight people to train on (101 to 108) and six to search for on three cameras, the same ones in every layout."""
    rows = [("train", person, shot, shot % 3 + 1) for person in range(101, 109) for shot in range(4)]
    rows += [("query" if shot < 3 else "gallery", person, shot, shot % 3 + 1) for person in range(1, 7) for shot in range(9)]
    lists, splits = dict[str, list[str]](), dict[str, list[list[Any]]]()
    for role, person, shot, camera in rows:
        path = root / REID[layout](role, person, shot, camera)
        if not path.exists():
            paint(path.with_suffix(".png"), person, shot)  # not JPEG, so that pixels tell who it is
            path.with_suffix(".png").rename(path)
        lists.setdefault(role, []).append(f"{listed(person, shot, camera)} {person % 100 - 1}\n")
        splits.setdefault(role, []).append([f"/home/somebody/cuhk03/images_detected/{path.name}", person % 100 - 1, camera - 1])
    if layout.startswith("MSMT17"):
        for role, lines in lists.items():
            (root / f"list_{role}.txt").write_text("".join(lines))
        (root / "list_val.txt").write_text("")
    if layout == "cuhk03":
        (root / "splits_new_detected.json").write_text(json.dumps([{**splits, "num_train_pids": 8}]))
    return root


def faces(root: Path, layout: str = "att", people: int = 12, pictures: int = 6) -> Path:
    """People by folder, as AT&T, LFW or CFP have them."""
    for person in range(people):
        for shot in range(pictures):
            paths = {
                "att": f"att_faces/s{person + 1}/{shot + 1}.pgm",
                "lfw": f"lfw/Name_{person}/Name_{person}_{shot + 1:04d}.jpg",
                "cfp": f"cfp/Data/Images/{person + 1:03d}/{'frontal' if shot < 4 else 'profile'}/{shot % 4 + 1:02d}.jpg",
            }
            paint(root / paths[layout], person, shot, (23, 28), "L" if layout == "att" else "RGB")
    (root / "README").write_text("not a picture")
    return root


def revisited(root: Path, kind: str = "roxford5k", pictures: int = 40) -> Path:
    """Five queries of three buildings. Query q: easy 3q..., hard after it, junk next to that; the last has nothing but junk."""
    names = [f"photo_{number:06d}" for number in range(pictures)]
    asked = [f"asked_{number:06d}" for number in range(5)]
    for number, name in enumerate((*names, *asked)):
        paint(root / "jpg" / f"{name}.jpg", number, 0, (30, 24))
    lists: list[tuple[Iterable[int], Iterable[int], Iterable[int]]] = [
        ([0, 1], [2], [3]), ([1, 2], [4], [3]), ([5, 6], [7, 8], []), ([9], [], [10, 11]), ([], [], [12]),
    ]  # fmt: skip
    gnd: list[dict[str, Any]] = [
        {"bbx": [2.0, 3.0, 22.4, 20.0], "easy": np.array(easy, int), "hard": list(hard), "junk": np.array(junk, int)}
        for easy, hard, junk in lists
    ]
    if not kind.startswith("r"):
        gnd = [{"bbx": told["bbx"], "ok": [*told["easy"].tolist(), *told["hard"]], "junk": told["junk"]} for told in gnd]
    with open(root / f"gnd_{kind}.pkl", "wb") as file:
        pickle.dump({"imlist": names, "qimlist": asked, "gnd": gnd}, file)
    return root


def settings_of(name: str, root: Path) -> dict[str, Any]:
    """Settings under which a data set of this name is small; its files, where it wants any, are written to `root`."""
    small = {
        "scenes": {"pairs": 600, "pixels": 32},
        "avatars": {"people": 14, "pixels": 32},
        "market1501": {"height": 32, "width": 16, "attacker": 12, "held_back": 4},
        "faces": {"height": 28, "width": 24},
        "oxford_paris": {"height": 24, "width": 24, "attacker": 8, "held_back": 3},
        "mirflickr": {"pixels": SIDE, **SMALL},
        "folder": {"height": SIDE, "width": SIDE},
        "nuswide": {"pixels": SIDE, **SMALL},
        "coco": {"pixels": SIDE, **SMALL},
        "wikipedia": {"pixels": SIDE, "attacker": 6, "held_back": 3, "split": "own"},
        "cifar10": {**SMALL, "query": 10, "train": 40},
    }
    written = {"market1501": market, "faces": faces, "oxford_paris": revisited}
    from_world = {"mirflickr": raw, "folder": own_folder, "nuswide": nuswide, "coco": coco, "wikipedia": wikipedia}
    written |= {called: lambda folder, write=write: write(folder, world()) for called, write in from_world.items()}  # type: ignore[misc]
    written |= {"cifar10": cifar10}
    found = written[name](root / name) if name in written else None
    return {**small.get(name, {}), **({"root": str(found)} if found else {})}
