"""Files that mean harm, or are damaged: one line each, nothing run, nothing read beyond what is there."""

import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from field_files import SIDE, SMALL, cifar10, hdf5, layout_b, layout_d, mat5, nuswide, raw, world
from fuzzed import SUBJECTS, fuzz, replace

from crossattack.datasets._data_files import variables
from crossattack.datasets.cifar10 import Cifar10
from crossattack.datasets.mirflickr import Mirflickr
from crossattack.datasets.nuswide import Nuswide
from crossattack.errors import DataError
from crossattack.progress import Silent

HERE = Path(__file__).parent
HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def element(kind: int, content: bytes) -> bytes:
    """A part of a MATLAB 5 file."""
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name: bytes, kind: int, shape: tuple[int, ...], content: bytes) -> bytes:
    """A variable of a MATLAB 5 file."""
    header = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
    return element(14, header + content)


def nested(depth: int) -> bytes:
    """Cells within cells: scipy's reader ends the process at 5,000."""
    parts, size = list[bytes](), 48 * depth
    for level in range(depth):
        inner = struct.pack("<2i", *((1, 1) if level < depth - 1 else (0, 0)))
        parts.append(
            struct.pack("<II", 14, size - 48 * level - 8)
            + element(6, struct.pack("<II", 1, 0))
            + element(5, inner)
            + struct.pack("<II", 1, 0)
        )
    return HEAD + matrix(b"caption", 1, (1, 1), b"".join(parts))


def packed(content: bytes) -> bytes:
    """A variable as MATLAB 7 packs it."""
    squeezed = zlib.compress(content, 9)
    return HEAD + struct.pack("<II", 15, len(squeezed)) + squeezed


def read_all(path: Path) -> None:
    """Every variable, to its last value."""
    for variable in variables(path):
        variable.texts() if variable.holds_texts else variable.whole()


def linked(path: Path, link: object) -> None:
    """Labels that are a link."""
    with h5py.File(path, "a") as file:
        del file["LAll"]
        file["LAll"] = link


def virtual(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["LAll"]
        layout = h5py.VirtualLayout((48, 7), "u1")
        layout[:] = h5py.VirtualSource("/etc/hostname", "LAll", (48, 7))
        file.create_virtual_dataset("LAll", layout)


def external(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["LAll"]
        file.create_dataset("LAll", (48, 7), "u1", external=[("/etc/passwd", 0, 336)])


def terabytes(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["images"]
        file.create_dataset("images", (2**32, 3, 2**10, 2**10), "u1", chunks=(1, 3, 64, 64))


def objects(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["LAll"]
        file.create_dataset("LAll", (48,), h5py.vlen_dtype(np.int32))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: linked(path, h5py.ExternalLink("/etc/passwd", "/x")), "LAll is a link, which is not followed"),
        (lambda path: linked(path, h5py.SoftLink("/YAll")), "LAll is a link, which is not followed"),
        (virtual, "LAll lies outside the file"),
        (external, "LAll lies outside the file"),
        (terabytes, "images declares 13,510,798,882,111,488 bytes in 0"),
        (objects, "LAll holds object, neither numbers nor texts"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "a damaged one got"),
    ],
)
def test_an_hdf5_file_that_points_elsewhere_or_boasts_is_refused(harm: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    root = layout_b(tmp_path / "b", world())
    harm(root / "FLICKR-25K.mat")
    with pytest.raises(DataError, match=said) as refused:
        Mirflickr(root=str(root), pixels=SIDE, **SMALL).load(Silent())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (nested(100_000), "has a cell that is no text"),
        (HEAD + matrix(b"LAll", 6, (2**30, 2**10), element(9, bytes(8))), "LAll declares 1,099,511,627,776 bytes in"),
        (HEAD + matrix(b"caption", 1, (2**30, 2**10), b""), "caption declares"),
        (packed(matrix(b"LAll", 9, (2**15, 2**15), element(2, b"")[:4] + struct.pack("<I", 2**30))), "LAll declares"),
        (HEAD + matrix(b"LAll", 6, (-3, 7), element(9, bytes(8))), "no array of real numbers"),
        (HEAD + matrix(b"LAll", 6, (48, 7), element(9, bytes(80))), "cannot reshape"),
        (HEAD + matrix(b"LAll", 6, (48, 7), element(9, bytes(2688))[:600]), "LAll has 592 of 2,688 bytes"),
        (HEAD + struct.pack("<II", 14, 2**31), "2,147,483,648 bytes of type 14"),
        (HEAD + b"\0" * 3, "damaged one"),
    ],
)
def test_a_matlab_file_that_boasts_or_nests_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(DataError, match=said):
        read_all(path)
    assert time.monotonic() - began < 5


def test_a_packed_variable_with_another_checksum_or_more_behind_it_is_refused(tmp_path: Path) -> None:
    whole = matrix(b"LAll", 9, (48, 7), element(2, bytes(range(168)) * 2))
    content = bytearray(packed(whole))
    path = tmp_path / "x.mat"
    path.write_bytes(content)
    read_all(path)
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="incorrect data check"):
        read_all(path)
    path.write_bytes(packed(whole + bytes(9000)))
    with pytest.raises(DataError, match="more of them than declared"):
        read_all(path)


def test_numpy_files_are_no_pickles_and_hold_what_they_declare(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "boast.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 70) + b"{'descr': '<f8', 'fortran_order': False, 'shape': (4096, 4096, 4096)}\n".ljust(70)
    )
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("LAll.npy", (tmp_path / "boast.npy").read_bytes())
    for name, said in (("objects.npy", "object, neither"), ("boast.npy", "declares float64"), ("bomb.npz", "declares float64")):
        with pytest.raises(DataError, match=said):
            variables(tmp_path / name)


class Harm:
    """What a hostile pickle holds."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch was-run",)


def test_a_hostile_batch_of_cifar_is_refused_and_nothing_of_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = cifar10(tmp_path / "cifar")
    (root / "cifar-10-batches-py/data_batch_2").write_bytes(pickle.dumps({"data": Harm(), "labels": [1]}))
    with pytest.raises(DataError, match=r"a call of (posix|nt)\.system, which is not run"):
        Cifar10(root=str(root)).load(Silent())
    assert not (tmp_path / "was-run").exists()


def test_tags_that_are_not_utf8_and_numbers_that_are_none_are_named(tmp_path: Path) -> None:
    root = raw(tmp_path / "raw", world())
    tags = root / "mirflickr/meta/tags/tags3.txt"
    held = tags.read_bytes()
    tags.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"meta/tags/tags3\.txt in UTF-8 wanted"):
        Mirflickr(root=str(root)).load(Silent())
    tags.write_bytes(held)
    (root / "mirflickr25k_annotations_v080/sky.txt").write_text("1\n２\n-3")
    with pytest.raises(DataError, match="numbers of pictures wanted"):
        Mirflickr(root=str(root)).load(Silent())


def test_a_picture_that_is_listed_twice_and_labels_of_another_length_are_named(tmp_path: Path) -> None:
    root = nuswide(tmp_path / "nus", world())
    truth = root / "Groundtruth/AllLabels/Labels_lake.txt"
    truth.write_text(truth.read_text() + "1\n")
    with pytest.raises(DataError, match=r"49 lines of 0 or 1 wanted in .*Labels_lake\.txt, 50 got"):
        Nuswide(root=str(root), **SMALL).load(Silent())
    pictures = root / "ImageList/Imagelist.txt"
    pictures.write_text(pictures.read_text() + "\nactor\\0000_1000.jpg")
    with pytest.raises(DataError, match=r"every picture once wanted in Imagelist\.txt, 1 again got"):
        Nuswide(root=str(root), **SMALL).load(Silent())


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    held = world()
    root = hdf5(tmp_path / "x.mat", {"images": held.images, "YAll": held.tags, "LAll": held.labels * 0})
    with pytest.raises(DataError, match=r"48 pairs got, 0 of them with labels; set `query`"):
        Mirflickr(root=str(root), **SMALL).load(Silent())
    mat5(layout_d(tmp_path / "d", held) / "mirflickr25k-lall.mat", {"LAll": np.zeros((0, 7))})
    with pytest.raises(DataError, match="no common length"):
        Mirflickr(root=str(tmp_path / "d"), **SMALL).load(Silent())


@pytest.mark.parametrize("kind", SUBJECTS)
def test_mutated_files_are_refused_in_a_line_or_load_as_what_others_find_in_them(kind: str, tmp_path: Path) -> None:
    """A handful of each kind; wrong silent loads show as a difference from a naive reading by h5py, scipy, json, csv or Pillow."""
    tally = fuzz(kind, 8, tmp_path)
    assert tally.total() == 8


@pytest.mark.slow
def test_two_thousand_mutated_files_end_no_process_and_load_as_nothing_else() -> None:
    """In a process of its own with limited memory, so that a crash or a wish for all memory is one failure."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
    command = [sys.executable, str(HERE / "fuzzed.py"), "2000"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-1500:]}"
    said, _, tally = done.stdout.splitlines()[-1].partition(" ")
    assert int(said) >= 2000
    assert "refused" in tally
    assert "loaded as what is in it" in tally


FORMATS = {"A": "HDF5", "C": "MATLAB 5", "jpeg": "JPEG", "coco": "JSON", "pickles": "pickle", "codes.mat": "MATLAB 5", "codes.npz": "zip"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    """A twelfth of it, two twelfths, ..., and all but its last hundred bytes: these formats know where they end."""
    subject = SUBJECTS[kind](tmp_path)
    path = next(path for path in subject.files if path.suffix != ".txt")
    whole = path.read_bytes()
    subject.load()
    for size in (*(part * len(whole) // 12 for part in range(12)), len(whole) - 100):
        replace(path, whole[:size])
        with pytest.raises(DataError) as refused:
            subject.load()
        assert "\n" not in str(refused.value), size


def test_deep_json_is_refused(tmp_path: Path) -> None:
    from crossattack.datasets.coco import Coco

    (tmp_path / "instances_train2017.json").write_text("[" * 200_000)
    (tmp_path / "captions_train2017.json").write_text(json.dumps([1]))
    with pytest.raises(DataError, match=r"instances_train2017\.json: whole JSON wanted"):
        Coco(root=str(tmp_path)).load(Silent())
