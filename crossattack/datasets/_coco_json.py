"""COCO's annotations: which picture has which captions and which of 80 categories, out of its JSON files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.errors import DataError

MOST_BYTES = 2**30  # of one file: instances_train2017.json has 448 MB
KEPT = ("images", "annotations", "categories", "id", "image_id", "category_id", "name", "file_name", "caption")
BLOCKS = ("train", "val")


@dataclass(frozen=True)
class Photo:
    """A picture: its file, its captions and its categories, as numbers of the list."""

    name: str
    captions: tuple[str, ...]
    categories: frozenset[int]


def read_photos(root: Path, year: int) -> tuple[list[Photo], tuple[str, ...]]:
    """The pictures of train, then of val, each in the order of their numbers; and the names of the categories in that of the list."""
    photos, names = list[Photo](), tuple[str, ...]()
    for block in BLOCKS:
        instances, captions = (annotation(root, f"{kind}_{block}{year}.json") for kind in ("instances", "captions"))
        if instances is None or captions is None:
            continue
        where = f"{root}: annotations of {block}{year}"
        try:
            names = names or tuple(str(one["name"]) for one in instances["categories"])
            photos += photos_of(instances, captions, where)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            said = " ".join(str(error).split())
            raise DataError(f"{where}: images, annotations and categories as COCO has them wanted, others got ({said:.100}).") from None
    return photos, names


def photos_of(instances: Mapping[str, Any], captions: Mapping[str, Any], where: str) -> list[Photo]:
    """One block's pictures."""
    column = {int(one["id"]): number for number, one in enumerate(instances["categories"])}
    names = {int(one["id"]): str(one["file_name"]) for one in instances["images"]}
    if len(names) != len(instances["images"]) or len(set(names.values())) != len(names) or len(column) != len(instances["categories"]):
        raise DataError(f"{where}: every picture and category once wanted, some got several times; get the file again.")
    said, shown = {photo: list[str]() for photo in names}, {photo: set[int]() for photo in names}
    for one in captions["annotations"]:
        said[int(one["image_id"])].append(" ".join(str(one["caption"]).split()))
    for one in instances["annotations"]:
        shown[int(one["image_id"])].add(column[int(one["category_id"])])
    return [Photo(names[photo], tuple(filter(None, said[photo])), frozenset(shown[photo])) for photo in sorted(names)]


def annotation(root: Path, called: str) -> Mapping[str, Any] | None:
    """One file, without outlines and boxes, which are most of it; None where it is not there."""
    found = sorted(root.rglob(called))
    if not found:
        return None
    if (size := found[0].stat().st_size) > MOST_BYTES:
        raise DataError(f"{called}: at most {MOST_BYTES:,} bytes wanted, {size:,} got; get COCO's own.")
    try:
        with open(found[0], encoding="utf-8") as file:
            whole = json.load(file, object_hook=lambda one: {key: one[key] for key in KEPT if key in one})
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{called}: whole JSON wanted, a damaged file got ({' '.join(str(error).split()):.100}); get it again.") from None
    if not isinstance(whole, dict):
        raise DataError(f"{called}: images, annotations and categories wanted, {type(whole).__name__} got; get COCO's own.")
    return whole
