"""Codes that somebody else's program made, and codes for somebody else's program: files of codes and labels.

    q_img q_txt r_img r_txt q_l r_l                  DCHMT, MITH and their kin: .mat
    qBX qBY rBX rBY query_L retrieval_L              DCMH and its kin

Either set of keys, in MATLAB 5 to 7.3, HDF5 or .npz; torchcmh leaves the labels out, so they come from a second file. Bits are -1 and
+1 or 0 and 1; where a file of the former holds zeros (the sign of 0) they count as +1, as everywhere here, and it is said how many.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import scipy.io
import torch
from jaxtyping import Bool, Int8
from numpy import ndarray
from torch import Tensor

from crossattack.cache import whole_file
from crossattack.datasets._data_files import variables
from crossattack.datasets._variable import Variable
from crossattack.errors import DataError, UsageError

SomeCodes: TypeAlias = Int8[Tensor, "_ bits"]  # of queries or of a database
Side: TypeAlias = Literal["query_images", "query_texts", "database_images", "database_texts"]
SIDES: tuple[Side, ...] = ("query_images", "query_texts", "database_images", "database_texts")
KEYS: dict[str, tuple[str, ...]] = {  # ours, then what others call it, in lower case; the first is what is written to .mat
    "query_images": ("q_img", "qbx", "qb_img", "query_images"),
    "query_texts": ("q_txt", "qby", "qb_txt", "query_texts"),
    "database_images": ("r_img", "rbx", "rb_img", "db_img", "database_images"),
    "database_texts": ("r_txt", "rby", "rb_txt", "db_txt", "database_texts"),
    "query_labels": ("q_l", "query_l", "ql", "qlx", "query_labels"),
    "database_labels": ("r_l", "retrieval_l", "rl", "rlx", "db_l", "database_labels"),
}
DCMH = {"query_images": "qBX", "query_texts": "qBY", "database_images": "rBX", "database_texts": "rBY",
        "query_labels": "query_L", "database_labels": "retrieval_L"}  # fmt: skip


@dataclass(frozen=True)
class CodeSet:
    """Codes of queries and database by modality, as far as there are any, and what they are relevant by.

    zeros: bits that were neither -1 nor +1 in the file.
    """

    codes: Mapping[Side, SomeCodes]
    query_labels: Bool[Tensor, "queries labels"]
    database_labels: Bool[Tensor, "items labels"]
    zeros: int = 0

    def directions(self) -> list[tuple[str, SomeCodes, SomeCodes]]:
        """(name, queries, database) of each direction that the file holds, across modalities first."""
        pairs = (("image", "text"), ("text", "image"), ("image", "image"), ("text", "text"))
        named = [(f"{asks}_to_{found}", f"query_{asks}s", f"database_{found}s") for asks, found in pairs]
        known: dict[str, SomeCodes] = dict(self.codes.items())
        return [(name, known[asks], known[found]) for name, asks, found in named if asks in known and found in known]


def read_codes(path: Path, labels: Path | None = None) -> CodeSet:
    """The codes and labels of a file, labels of another file if given. `DataError` says what is missing or wrong."""
    found = arrays_in(path)
    if labels is not None:
        found |= {role: one for role, one in arrays_in(labels).items() if role.endswith("labels")}
    sides = [side for side in SIDES if side in found]
    if {side.split("_")[0] for side in sides} != {"query", "database"}:
        got = ", ".join(variable.name for variable in found.values()) or "none of them"
        raise DataError(f"{path}: codes of queries and of a database wanted (q_img, q_txt, r_img, r_txt, or qBX, ...), {got} got.")
    if missing := [KEYS[role][0] for role in ("query_labels", "database_labels") if role not in found]:
        raise DataError(f"{path}: labels {' and '.join(missing)} wanted, not there; a file that has them can be given with --labels.")
    upright = rows_first({role: variable.whole() for role, variable in found.items()}, path)
    raw = {side: upright[side] for side in sides}
    codes, zeros = as_codes(raw, path)
    marks = [as_labels(upright[role], found[role]) for role in ("query_labels", "database_labels")]
    for side in sides:
        own = marks[0] if side.startswith("query") else marks[1]
        if len(own) != len(codes[side]):
            raise DataError(f"{path}: a row of labels a code wanted, {len(own):,} for {len(codes[side]):,} of {found[side].name} got.")
    return CodeSet(codes, torch.from_numpy(marks[0]), torch.from_numpy(marks[1]), zeros)


def write_codes(path: Path, held: CodeSet, *, dcmh: bool = False) -> None:
    """Write a .mat or an .npz that others read, and `read_codes` too; whole or absent. dcmh: under DCMH's keys."""
    names = DCMH if dcmh else {role: names[0] for role, names in KEYS.items()}
    arrays: dict[str, ndarray] = {names[side]: codes.numpy() for side, codes in held.codes.items()}
    arrays |= {names["query_labels"]: held.query_labels.numpy().astype(np.uint8)}
    arrays |= {names["database_labels"]: held.database_labels.numpy().astype(np.uint8)}
    if path.suffix not in (".mat", ".npz"):
        raise UsageError(f"out: a name that ends in .mat or .npz wanted, {path.name} got.")
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        if path.suffix == ".mat":
            scipy.io.savemat(file, arrays, do_compression=True)
        else:
            np.savez_compressed(file, allow_pickle=False, **arrays)


def arrays_in(path: Path) -> dict[str, Variable]:
    """The arrays of a file by what they are; `DataError` where two are the same."""
    found = dict[str, Variable]()
    for variable in variables(path):
        for role, names in KEYS.items():
            if variable.name.lower() in names and not variable.holds_texts:
                if role in found:
                    raise DataError(f"{path}: one of {found[role].name} and {variable.name} wanted, both got; remove one.")
                if len(variable.shape) != 2:
                    raise DataError(f"{variable.where}: rows of bits or labels wanted, an array of shape {variable.shape} got.")
                found[role] = variable
    return found


def rows_first(arrays: Mapping[str, ndarray], path: Path) -> dict[str, ndarray]:
    """The same with an item a row: MATLAB 7.3 lies on its side in Python. Queries and database agree in what a column is."""
    codes, labels = ([role for role in arrays if role.endswith("labels") is ends] for ends in (False, True))

    def agree(roles: list[str], axis: int) -> bool:
        return len({arrays[role].shape[axis] for role in roles}) == 1

    if not codes or not (agree(codes, 1) or agree(codes, 0)):
        raise DataError(f"{path}: codes of one length wanted, {', '.join(str(arrays[role].shape) for role in codes)} got.")
    turned = not agree(codes, 1) or (agree(codes, 0) and agree(labels, 0) and not agree(labels, 1))
    upright = {role: array.T if turned else array for role, array in arrays.items()}
    if len({upright[role].shape[1] for role in labels}) > 1:
        raise DataError(f"{path}: labels of one set of concepts wanted, {', '.join(str(upright[role].shape) for role in labels)} got.")
    return upright


def as_codes(raw: Mapping[Side, ndarray], path: Path) -> tuple[dict[Side, SomeCodes], int]:
    """Bits as -1 and +1, and how many zeros became +1. `DataError` where a value is no bit."""
    for side, values in raw.items():
        if not values.size or not np.isin(values, (-1, 0, 1)).all():
            odd = f"{values[~np.isin(values, (-1, 0, 1))].flat[0]:.4g}" if values.size else f"an array of shape {values.shape}"
            raise DataError(f"{path}: bits of -1 and 1, or of 0 and 1, wanted, {odd} got in {KEYS[side][0]}; take their sign first.")
    signed = any((values == -1).any() for values in raw.values())
    zeros = sum(int((values == 0).sum()) for values in raw.values()) if signed else 0

    def bits(values: ndarray) -> SomeCodes:
        return torch.from_numpy(np.where(values >= 0 if signed else values > 0, 1, -1).astype(np.int8))

    return {side: bits(values) for side, values in raw.items()}, zeros


def as_labels(values: ndarray, variable: Variable) -> Bool[ndarray, "items labels"]:
    """Labels as claims. `DataError` where a value is neither 0 nor 1."""
    if not values.size or not np.isin(values, (0, 1)).all():
        raise DataError(f"{variable.where}: labels of 0 and 1 wanted, others got; a column a concept.")
    return np.ascontiguousarray(values.astype(bool))
