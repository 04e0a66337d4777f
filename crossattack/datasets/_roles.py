"""Which array of somebody's files is what: pictures, their features, their names, tags, captions, labels.

The layouts in which the field hands its sets around differ in keys, in axes and in how many files they are; what an array is
follows from its key and its shape, and how many pairs there are from the one length that all of them share.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from crossattack.datasets._data_files import ENDINGS, variables
from crossattack.datasets._shelves import Axes
from crossattack.datasets._variable import Variable
from crossattack.errors import DataError

KEYS = {
    "pictures": "images image imgs img iall i_all xall index fall imglist",
    "tags": "yall tall tags tag text texts taglist caption captions",
    "labels": "lall labels label category labellist",
}
MOST_FILES = 200  # of arrays in a folder: more is somebody's home

Roles = dict[str, Variable]  # pictures, features, names, tags, captions, labels


def data_files(root: Path) -> list[Path]:
    """The file, or those of a folder whose endings are those of arrays."""
    if root.is_file():
        return [root]
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file() and path.name[0] != ".")
    if len(found) > MOST_FILES:
        raise DataError(f"{root}: a folder with one set wanted, {len(found)} files of arrays got; point --root at the set itself.")
    return found


def roles_in(files: Sequence[Path]) -> Roles:
    """What these files hold. `DataError` where two arrays play one role, or where a file is damaged and something is missing."""
    found, broken = dict[str, Variable](), list[DataError]()
    for path in files:
        try:
            held = variables(path)
        except DataError as error:
            broken.append(error)
            continue
        for variable in held:
            role = role_of(variable)
            if role in found:
                one, other = found[role].where, variable.where
                raise DataError(f"one array of {role} wanted, {one} and {other} got; point --root at one of the files, or remove one.")
            if role:
                found[role] = variable
    if broken and not ({"pictures", "names"} & found.keys() and {"tags", "captions"} & found.keys() and "labels" in found):
        raise broken[0]
    return found


def role_of(variable: Variable) -> str:
    """By key and shape; "" for what is none of them."""
    roles = [role for role, keys in KEYS.items() if variable.name.lower() in keys.split()]
    if not roles:
        return ""
    if variable.holds_texts:
        return {"pictures": "names", "tags": "captions", "labels": ""}[roles[0]]
    if roles[0] == "pictures":
        return {4: "pictures", 2: "features"}.get(len(variable.shape), "")
    return roles[0] if len(variable.shape) in (1, 2) else ""


def common_length(roles: Roles) -> int:
    """How many items there are: the length that all arrays share."""
    shared = set.intersection(*({*variable.shape} for variable in roles.values()))
    told = ", ".join(f"{variable.where} {variable.shape}" for variable in roles.values())
    if not shared - {1}:
        raise DataError(f"as many pictures as texts and labels wanted, arrays of no common length got: {told}; get matching files.")
    return max(shared)


def rows_of(variable: Variable, items: int) -> ndarray:
    """An array of numbers as (items, columns), whichever way it lies; `DataError` where both ways fit or a value is no number."""
    values = variable.whole()
    if values.ndim == 1:
        return checked(values[:, None], variable)
    if values.shape == (items, items):
        raise DataError(f"{variable.where}: rows or columns of {items} items wanted, {values.shape} got, which may be either.")
    return checked(values if values.shape[0] == items else values.T, variable)


def checked(values: ndarray, variable: Variable) -> ndarray:
    """The same; `DataError` where one is not finite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{variable.where}: numbers wanted, {int((~np.isfinite(values)).sum()):,} that are none got; get the file again.")
    return values


def label_matrix(variable: Variable, items: int) -> Bool[ndarray, "items labels"]:
    """Labels as a column each; numbers of classes, one an item, become such columns too."""
    values = rows_of(variable, items)
    if values.shape[1] == 1 and values.dtype.kind in "iuf" and not np.isin(values, (0, 1)).all():
        if (values != np.floor(values)).any() or len(np.unique(values)) > items // 2 + 1:
            raise DataError(f"{variable.where}: 0 and 1, or a whole number a class, wanted, others got; get the file again.")
        return np.asarray(values == np.unique(values)[None, :], bool)
    if not np.isin(values, (0, 1)).all():
        odd = values[~np.isin(values, (0, 1))]
        raise DataError(f"{variable.where}: 0 and 1 wanted, {odd.flat[0]:.4g} got; get the file again.")
    return np.asarray(values, bool)


def axes_of(variable: Variable, items: int, order: str) -> Axes:
    """Which axis of an array of pictures is which.

    order: `python` takes height before width as they lie, `matlab` width before height; `auto` is `matlab` for HDF5 with the items
    first and the channel second, which is what an array of height x width x channel x items becomes there, else `python`.
    """
    shape = variable.shape
    first = [axis for axis in (0, 3, 1, 2) if shape[axis] == items]
    channel = [axis for axis in (1, 2, 3, 0) if first and axis != first[0] and shape[axis] == 3]
    if not channel:
        raise DataError(f"{variable.where}: an axis of {items} items and one of 3 channels wanted, {shape} got; get the file again.")
    if first[0] == 0 and shape[1] != 3:
        channel = [3]  # (items, height, width, channel)
    one, other = (axis for axis in range(4) if axis not in (first[0], channel[0]))
    turned = order == "matlab" or (order == "auto" and variable.format == "HDF5" and first[0] == 0 and channel[0] == 1)
    return Axes(first[0], channel[0], *((other, one) if turned else (one, other)))
