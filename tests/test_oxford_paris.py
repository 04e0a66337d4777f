"""Oxford and Paris: what is right and what is neither at each level, and pickles that would do more than hold data."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_folders import revisited
from PIL import Image

from crossattack.datasets._unpickle import listed, unpickled
from crossattack.datasets.oxford_paris import OxfordParis, buildings
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Silent

TINY = {"height": 24, "width": 24, "attacker": 8, "held_back": 3}


def lists(root: Path, **settings: Any) -> list[tuple[set[int], set[int]]]:
    """For each query that is left, what is right for it and what is neither, as positions in the file's own list."""
    pairs, split = OxfordParis(root=str(root), **{**TINY, **settings}).load(Silent())
    assert pairs.junk is not None
    queries = len(pairs.label_names)
    assert sorted(split.query.tolist()) == list(range(queries))
    database = sorted(split.database.tolist())
    found = []
    for query in range(queries):
        right = {item - queries for item in database if (pairs.labels[query] & pairs.labels[item]).any()}
        found.append((right, {item - queries for item in database if (pairs.junk[query] & pairs.junk[item]).any()}))
    return found


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("easy", [({0, 1}, {2, 3}), ({1, 2}, {3, 4}), ({5, 6}, {7, 8}), ({9}, {10, 11})]),
        ("medium", [({0, 1, 2}, {3}), ({1, 2, 4}, {3}), ({5, 6, 7, 8}, set()), ({9}, {10, 11})]),
        ("hard", [({2}, {0, 1, 3}), ({4}, {1, 2, 3}), ({7, 8}, {5, 6})]),
    ],
)
def test_a_level_says_what_is_right_and_what_is_neither(level: str, told: list[tuple[set[int], set[int]]], tmp_path: Path) -> None:
    assert lists(revisited(tmp_path), level=level) == told


def test_the_first_editions_have_no_levels(tmp_path: Path) -> None:
    told = lists(revisited(tmp_path / "below", "paris6k").parent, which="paris6k", level="hard")
    assert told == [({0, 1, 2}, {3}), ({1, 2, 4}, {3}), ({5, 6, 7, 8}, set()), ({9}, {10, 11})]


def test_the_attacker_gets_half_of_the_pictures_that_no_query_speaks_of_at_most(tmp_path: Path) -> None:
    """40 pictures, 12 of them spoken of: 28 are left, 14 for attacker and referee, of which a quarter may be held back."""
    pairs, split = OxfordParis(root=str(revisited(tmp_path)), **{**TINY, "attacker": 99}).load(Silent())
    assert (len(split.attacker), len(split.held_back), len(split.train)) == (11, 3, 0)
    assert len(split.database) == 40 - 14
    assert pairs.junk is not None
    outside = torch.cat([split.attacker, split.held_back])
    assert not (pairs.labels | pairs.junk)[outside].any()
    assert len(pairs.groups[outside].unique()) == 14


def test_queries_that_share_a_picture_are_of_one_building(tmp_path: Path) -> None:
    pairs, _ = OxfordParis(root=str(revisited(tmp_path)), **TINY).load(Silent())
    groups = pairs.groups[:4].tolist()
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    chain = np.zeros((5, 3), bool)
    chain[[0, 1], 0] = chain[[1, 2], 1] = chain[3, 2] = True
    assert len(set(buildings(chain).tolist()[:3])) == 1
    assert len(set(buildings(chain).tolist())) == 3


def test_a_query_is_the_part_in_its_box(tmp_path: Path) -> None:
    """The box is 2 to 22 by 3 to 20 in a picture of 30 x 24: at that very size its pixels come out unchanged."""
    pairs, _ = OxfordParis(root=str(revisited(tmp_path)), **{**TINY, "height": 17, "width": 20}).load(Silent())
    with Image.open(tmp_path / "jpg" / "asked_000000.jpg") as picture:
        assert np.array_equal(np.asarray(picture)[3:20, 2:22].transpose(2, 0, 1), pairs.images[0].numpy())


def test_what_is_missing_or_odd_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Oxford5k or Paris6k.*wanted, no `root` got; .*take the stand-in `--data instances`"):
        OxfordParis().load(Silent())
    root = revisited(tmp_path / "some")
    with pytest.raises(DataError, match=r"one gnd_paris6k\.pkl wanted, 0 got; check --root and `which`"):
        OxfordParis(root=str(root), which="paris6k").load(Silent())
    (root / "jpg" / "photo_000003.jpg").unlink()
    with pytest.raises(DataError, match=r"jpg/photo_000003\.jpg and 0 more pictures wanted, not there"):
        OxfordParis(root=str(root)).load(Silent())
    told = {"bbx": [0, 0, 9, 9], "easy": [77], "hard": [], "junk": []}
    for gnd, said in (
        ([told], "points outside 1 pictures"),
        ([{"bbx": []}], "'easy'"),
        ([{**told, "easy": [0], "bbx": [0, 0, np.nan, 9]}], r"has the box \(0\.0, 0\.0, nan, 9\.0\)"),
        ([{**told, "easy": [np.inf]}], "cannot convert float infinity"),
        ("text", "a list wanted, str got"),
        ([{**told, "easy": [0]}] * 2, "argument 2 is longer"),
    ):
        truth = {"imlist": ["a"], "qimlist": ["b"], "gnd": gnd}
        (root / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(truth))
        with pytest.raises(DataError, match=said) as refused:
            OxfordParis(root=str(root)).load(Silent())
        assert "\n" not in str(refused.value)


# Pickles


class Hostile:
    """Reads as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(protocol: int, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for function, *arguments in (
        (os.system, f"touch {witness}"),
        (exec, f"open({str(witness)!r}, 'w')"),
        (os.mkdir, str(witness)),
        (getattr, "text", "upper"),
        (np.fromfile, "/dev/null", "u1"),
    ):
        content = pickle.dumps({"imlist": ["a"], "gnd": Hostile(function, *arguments)}, protocol)
        with pytest.raises(DataError, match="which is not run") as refused:
            unpickled(content, "gnd.pkl")
        assert "\n" not in str(refused.value)
    assert not witness.exists()
    pickle.loads(pickle.dumps(Hostile(os.mkdir, str(witness))))
    assert witness.exists(), "an ordinary reader would have run it"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_comes_back_as_it_was(protocol: int) -> None:
    arrays = [np.arange(5), np.array([1.5, -2.0], ">f4"), np.array(["ab", "c"]), np.array([], int), np.array([[1, 2], [3, 4]], np.uint8)]
    arrays += [np.array([True, False]), np.array([b"x", b"yz"]), np.array(["a", 3, None], object)]
    told = {"list": [1, 2.5, "three", b"4", None, (True,)], "arrays": arrays, "number": np.float64(0.1), "whole": np.int32(-7)}
    read = unpickled(pickle.dumps(told, protocol), "gnd.pkl")
    assert read["list"] == told["list"]
    assert [listed(array) for array in read["arrays"]] == [array.ravel().tolist() for array in arrays]
    assert (read["number"], read["whole"]) == (0.1, -7)


def test_a_pickle_of_python_2_is_read() -> None:
    """Bytes of Python 2's pickle of {"ok": numpy.array([3, 500], "<i4")} at protocol 0: raw bytes are a string there."""
    content = (
        b"(dp0\nS'ok'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
        b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'i4'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        b"S'\\x03\\x00\\x00\\x00\\xf4\\x01\\x00\\x00'\np15\ntp16\nbs."
    )
    assert listed(unpickled(content, "gnd.pkl")["ok"]) == [3, 500]


def test_a_broken_pickle_is_refused_in_one_line() -> None:
    whole = pickle.dumps({"a": np.arange(100), "b": ["text"] * 5})
    for content in (b"", b"no pickle", whole[: len(whole) // 2], whole[:-20], b"\x80\x04]" + b"]" * 10):
        with pytest.raises(DataError, match=r"gnd\.pkl: a pickle of lists, numbers, strings and arrays wanted") as refused:
            unpickled(content, "gnd.pkl")
        assert "\n" not in str(refused.value)
