"""Evidence: what a run knows at its end, and the files of its folder from which the same is known later.

items.h5 holds the items of every condition, codes.h5 all that was made of them and who played which role; with the
configuration and the ledger that is enough for every figure. `keep_codes` writes, `read` reads it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from crossattack.cache import whole_file
from crossattack.config import RunConfig, load_config
from crossattack.datasets import Split
from crossattack.errors import UsageError
from crossattack.evaluation import DIRECTIONS, Compared
from crossattack.ledger import Ledger, Modality
from crossattack.perturbing import Condition, read_back
from crossattack.rankings import Judged, Lists, Ranking, Similar
from crossattack.trials import Trials


@dataclass(frozen=True)
class Evidence:
    """What the figures of a run are computed from."""

    config: RunConfig
    groups: Int64[Tensor, " items"]  # of every pair of the data set
    split: Split
    ledger: Ledger
    conditions: Mapping[str, Condition]
    rankings: Mapping[str, Judged]
    compared: Mapping[str, Compared]
    trials: Trials | None = None  # of a run of before there were any
    apart: Float64[Tensor, " items"] | None = None  # how far edited texts moved, where there is an encoder to tell


def keep_codes(path: Path, evidence: Evidence) -> None:
    """Codes of queries, database and held-back pairs, what is relevant to what, and the split, as one file."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        for direction, ranking in evidence.rankings.items():
            group = file.create_group(direction)
            for name, codes in ranking.queries.items():
                group[f"queries/{name}"] = codes.numpy()
            group["groups"] = ranking.groups
            if not isinstance(ranking, Lists):
                group["database"] = ranking.database.numpy()
            if isinstance(ranking, Ranking) and ranking.keys:
                group["keys"] = _as_rows(ranking.keys)
            if isinstance(ranking, Similar):
                group.attrs["measure"] = ranking.measure
                if ranking.junk is not None:
                    group.create_dataset("junk", data=ranking.junk, compression="gzip")
            group.create_dataset("relevant", data=ranking.relevant, compression="gzip")
            if ranking.wanted is not None:
                group.create_dataset("wanted", data=ranking.wanted, compression="gzip")
            group["chosen"] = np.array(ranking.chosen, np.int64)
        for name, one in evidence.compared.items():
            group = file.create_group(f"agreement/{name}")
            group.attrs["aligned"], group.attrs["image_tower"], group.attrs["text_tower"] = one.aligned, one.image_tower, one.text_tower
            for modality, codes in one.ours.items():
                group[f"{modality}/ours"] = codes.numpy()
            for modality, codes in one.theirs.items():
                group[f"{modality}/theirs"] = codes.numpy()
                group[f"{modality}/keys"] = _as_rows(one.keys[modality])
        if evidence.trials is not None:
            _keep_trials(file.create_group("trials"), evidence.trials)
        if evidence.apart is not None:
            file["apart"] = evidence.apart.numpy()
        for role in fields(Split):
            file[f"split/{role.name}"] = getattr(evidence.split, role.name).numpy()
        file["split/groups"] = evidence.groups.numpy()


def read(folder: Path, ledger: Ledger) -> Evidence:
    """The evidence that lies in a finished run's folder."""
    try:
        conditions = read_back(folder / "items.h5")
        with h5py.File(folder / "codes.h5") as file:
            rankings = {direction: _ranking(file[direction]) for direction in DIRECTIONS if direction in file}
            compared = {name: _compared(group) for name, group in file.get("agreement", {}).items()}
            trials = _trials(file["trials"]) if "trials" in file else None
            apart = _tensor(file["apart"]) if "apart" in file else None
            split = Split(**{role.name: _tensor(file[f"split/{role.name}"]) for role in fields(Split)})
            groups = _tensor(file["split/groups"])
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"items.h5 and codes.h5 of a finished run wanted in {folder}, got: {' '.join(str(error).split())}.") from error
    return Evidence(load_config(folder / "config.yaml"), groups, split, ledger, conditions, rankings, compared, trials, apart)


def _keep_trials(group: Any, trials: Trials) -> None:
    group.attrs["paid"] = trials.paid
    group.create_group("copies").attrs.update(trials.copies)
    for modality, found in trials.found.items():
        for name, values in found.items():
            group[f"{modality}/{name}"] = values.numpy()


def _trials(group: Any) -> Trials:
    both: tuple[Modality, ...] = ("images", "texts")
    found: dict[Modality, dict[str, Tensor]] = {
        modality: {name: _tensor(values) for name, values in group[modality].items()} for modality in both if modality in group
    }
    return Trials(found, bool(group.attrs["paid"]), {role: int(count) for role, count in group["copies"].attrs.items()})


def _ranking(group: Any) -> Judged:
    queries = {name: _tensor(codes) for name, codes in group["queries"].items()}
    relevant, groups = group["relevant"][()], group["groups"][()]
    goal = group["wanted"][()] if "wanted" in group else None, tuple(group["chosen"][()].tolist())
    if "database" not in group:
        return Lists(queries, relevant.shape[1], relevant, groups, *goal)
    if "measure" in group.attrs:
        junk = group["junk"][()] if "junk" in group else None
        return Similar(queries, _tensor(group["database"]), relevant, groups, group.attrs["measure"], junk, *goal)
    return Ranking(queries, _tensor(group["database"]), relevant, groups, *goal, _keys(group) if "keys" in group else [])


def _compared(group: Any) -> Compared:
    both: tuple[Modality, ...] = ("images", "texts")
    modalities = [modality for modality in both if modality in group]
    seen = [modality for modality in modalities if "theirs" in group[modality]]
    ours = {modality: _tensor(group[modality]["ours"]) for modality in modalities}
    theirs = {modality: _tensor(group[modality]["theirs"]) for modality in seen}
    keys: dict[Modality, list[bytes]] = {modality: _keys(group[modality]) for modality in seen}
    return Compared(bool(group.attrs["aligned"]), group.attrs["image_tower"], group.attrs["text_tower"], ours, theirs, keys)


def _as_rows(keys: list[bytes]) -> UInt8[ndarray, "items 16"]:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)


def _keys(group: Any) -> list[bytes]:
    return [key.tobytes() for key in group["keys"][()]]


def _tensor(stored: Any) -> Tensor:
    return torch.from_numpy(stored[()])
