"""Pictures of people by camera, as re-identification hands them around: who is seen where stands in names or in lists.

names   bounding_box_train/ query/ bounding_box_test/, names like 0002_c1s1_000451_03.jpg: Market-1501, DukeMTMC-reID, CUHK03-NP
lists   list_train.txt list_query.txt list_gallery.txt beside train/ and test/: MSMT17
splits  splits_new_detected.json beside images_detected/: CUHK03 as torchreid unpacks it
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Int64, Shaped
from numpy import ndarray

from crossattack.datasets._files import Files
from crossattack.datasets._pictures import is_picture
from crossattack.errors import DataError

Boxes: TypeAlias = Literal["detected", "labeled"]
Seen: TypeAlias = tuple[str, str, int, int]  # file, role, person, camera

ROLES = ("train", "query", "gallery")
FOLDERS = (("bounding_box_train", "query", "bounding_box_test"), ("image_train", "image_query", "image_test"), ROLES)
NAME = re.compile(r"(-?\d{1,9})_c(\d{1,9})")  # 0002_c1s1_000451_03.jpg: person 2 on camera 1
LISTED = re.compile(r"(\S*?\d+_\d+_(\d{1,9})_\S*) (\d{1,9})")  # 0000/0000_000_01_0303morning_0015_0.jpg 0: camera 1, person 0
LISTED_FOLDERS = {"train": ("train", "mask_train_v2"), "query": ("test", "mask_test_v2"), "gallery": ("test", "mask_test_v2")}
POOR, NOBODY = -1, -1  # "person" -1 of a name is a cut that nobody can use; here it is somebody of whom nobody asks


@dataclass(frozen=True)
class Cuts:
    """What a copy says of its files: item i is person `people[i]` on camera `cameras[i]`; -1 is a distractor.

    Training has people of its own, whose numbers begin at `trained` where the copy's are used for others in the search too.
    """

    layout: str
    names: Sequence[str]
    roles: Shaped[ndarray, " items"]
    people: Int64[ndarray, " items"]
    cameras: Int64[ndarray, " items"]
    trained: int | None = None

    def take(self, which: Bool[ndarray, " items"]) -> "Cuts":
        """Those that are wanted, in order."""
        names = tuple(name for name, wanted in zip(self.names, which.tolist(), strict=True) if wanted)
        return Cuts(self.layout, names, self.roles[which], self.people[which], self.cameras[which], self.trained)

    def of(self, role: str) -> "Cuts":
        """Those in this role."""
        return self.take(self.roles == role)

    def called(self, person: int) -> str:
        """A person's name."""
        return f"person {person}" if self.trained is None or person < self.trained else f"training person {person - self.trained}"

    def are_searched(self) -> Bool[ndarray, " items"]:
        """The database, and the queries that find their person there on another camera."""
        database = self.of("gallery")
        on = dict[int, set[int]]()
        for person, camera in zip(database.people.tolist(), database.cameras.tolist(), strict=True):
            on.setdefault(person, set()).add(camera)
        seen = zip(self.people.tolist(), self.cameras.tolist(), strict=True)
        found = [bool(on.get(person, set()) - {camera}) for person, camera in seen]
        return np.asarray((self.roles == "gallery") | ((self.roles == "query") & np.array(found, bool)), bool)


def cuts_in(files: Files, boxes: Boxes, instead: str) -> Cuts:
    """All pictures of the three roles but the poor ones. `DataError` where files are missing, doubled or not named as they should be."""
    names = {PurePosixPath(name).name for name in files.names}
    if f"splits_new_{boxes}.json" in names:
        layout, seen = "torchreid's splits of CUHK03", list(from_splits(files, boxes))
    elif "list_query.txt" in names:
        layout, seen = "lists of MSMT17", list(from_lists(files))
    else:
        layout, seen = "names, as of Market-1501", from_names(files, instead)
    listed = [name for name, _, _, _ in seen]
    if len(set(listed)) != len(listed):
        twice, times = np.unique(listed, return_counts=True)
        raise DataError(f"{files.root}: every picture once wanted, {twice[times > 1][0]} got several times; get the lists again.")
    if without := [role for role in ROLES if role not in {role for _, role, _, _ in seen}]:
        raise DataError(f"{files.root}: pictures to train on, to ask with and to search among wanted, none of {without[0]} got.")
    roles, people = np.array([role for _, role, _, _ in seen]), np.array([person for _, _, person, _ in seen], np.int64)
    training, trained = roles == "train", None
    if np.intersect1d(people[training], people[~training]).size:
        trained = int(people.max()) + 1
        people[training] += trained
    return Cuts(layout, tuple(listed), roles, people, np.array([camera for _, _, _, camera in seen], np.int64), trained)


def from_names(files: Files, instead: str) -> list[Seen]:
    """Three folders. Person 0 of the database is a distractor where no query is of person 0."""
    pictures = [PurePosixPath(name) for name in files.names if is_picture(name)]
    folders = next((known for known in FOLDERS if {*known} <= {path.parent.name for path in pictures}), FOLDERS[0])
    role_of = dict(zip(folders, ROLES, strict=True))
    paths = [path for path in pictures if path.parent.name in role_of]
    if {path.parent.name for path in paths} != {*folders} or len({path.parent.parent for path in paths}) > 1:
        got = ", ".join(sorted({str(path.parent) for path in paths})) or "none of them"
        raise DataError(f"{files.root}: pictures in {', '.join(folders)} of one folder wanted, {got} got; check --root, or {instead}.")
    seen = list[Seen]()
    for path in paths:
        if not (read := NAME.match(path.name)):
            raise DataError(
                f"{files.root}: names like 0002_c1s1_000451_03.jpg wanted (person 2, camera 1), {path} got; rename or remove it."
            )
        if int(read[1]) > POOR:
            seen.append((str(path), role_of[path.parent.name], int(read[1]), int(read[2])))
    if any(role == "query" and not person for _, role, person, _ in seen):
        return seen
    return [(name, role, NOBODY if role == "gallery" and not person else person, camera) for name, role, person, camera in seen]


def from_lists(files: Files) -> Iterator[Seen]:
    """MSMT17's lists: a path below train or test (version 2 has other names for these) and a person's number a line."""
    known = set(files.names)
    for role in ROLES:
        found = the_one(files, f"list_{role}.txt")
        above = PurePosixPath(found).parent
        for number, line in enumerate(files.read(found).decode("utf-8", "replace").splitlines(), 1):
            if not line.strip():
                continue
            if not (read := LISTED.fullmatch(line.strip())):
                raise DataError(f"{files.root}: {found}, line {number}: a path with a camera, and a person wanted, {line:.60} got.")
            paths = [str(above / folder / read[1]) for folder in LISTED_FOLDERS[role]]
            if not (there := next((path for path in paths if path in known), "")):
                raise DataError(f"{files.root}: {paths[0]}, which {found} lists, wanted, not there; get the pictures again.")
            yield there, role, int(read[3]), int(read[2])


def from_splits(files: Files, boxes: Boxes) -> Iterator[Seen]:
    """torchreid's JSON: lists of [path on somebody's machine, person, camera]; pictures are looked for by name in images_<boxes>."""
    found = the_one(files, f"splits_new_{boxes}.json")
    folder = PurePosixPath(found).parent / f"images_{boxes}"
    known = set(files.names)
    try:
        (split,) = json.loads(files.read(found))
        told = [(role, str(path), person, camera) for role in ROLES for path, person, camera in split[role]]
        if any(type(number) is not int or not 0 <= number < 10**9 for _, _, *numbers in told for number in numbers):
            raise ValueError("a person or a camera that is no number")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{files.root}: {found} as torchreid writes it wanted, another got ({said:.100}); get it again.") from None
    for role, path, person, camera in told:
        name = str(folder / PurePosixPath(path.replace("\\", "/")).name)
        if name not in known:
            raise DataError(f"{files.root}: {name}, which {found} lists, wanted, not there; get the pictures again.")
        yield name, role, person, camera


def the_one(files: Files, called: str) -> str:
    """The one file of this name."""
    found = [name for name in files.names if PurePosixPath(name).name == called]
    if len(found) != 1:
        raise DataError(f"{files.root}: one {called} wanted, {len(found)} got; point --root at the set itself.")
    return found[0]
