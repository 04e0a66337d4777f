"""`crossattack data check`: what a copy is and what is wrong with it, in a table, whatever the files are."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from field_files import SIDE, SMALL, World, coco, hdf5, layout_a, layout_c, layout_h, nuswide, raw, world
from picture_folders import settings_of

from crossattack.cli import main
from crossattack.datasets import Pairs, Split
from crossattack.datasets._check import findings
from crossattack.progress import Progress, Silent
from crossattack.registry import DATASETS

FLAGS = [part for key, value in {**SMALL, "pixels": SIDE}.items() for part in ("--set", f"data.{key}={value}")]


def checked(name: str, root: Path, capfd: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, str]]:
    """The exit code and the rows."""
    code = main(["data", "check", name, "--root", str(root), *FLAGS, *more, "--json"])
    told = json.loads(capfd.readouterr().out)
    assert told["sound"] == (code == 0)
    return code, dict(told["findings"])


def test_a_sound_copy_is_told_from_its_layout_to_its_floor(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, rows = checked("mirflickr", layout_a(tmp_path / "a", world()), capfd)
    assert code == 0
    held = world()
    shares = (held.labels[:8].astype(int) @ held.labels[8:].T.astype(int) > 0).mean()
    assert rows["layout"] == "A: one file as MATLAB writes it"
    assert rows["population"] == "48: none of 20,015, 24,581, 25,000"
    assert rows["pairs"] == "48"
    assert float(rows["floor (share of relevant pairs, query x database)"]) == pytest.approx(shares, abs=0.1)
    assert rows["most frequent label"].split(": ")[1].startswith(f"{held.labels.sum(0).max()} pairs")
    assert rows["rarest label"].split(": ")[1].startswith(f"{held.labels.sum(0).min()} pairs")
    assert rows["labels a pair"] == "1 to 2, median 1; 0 pairs have none"
    assert rows["texts without a word"] == "0"
    assert rows["different pictures"] == "48"
    assert rows["missing or wrong"] == "nothing: every picture was read"
    assert "press.liacs.nl" in rows["where it is obtained"]


@pytest.mark.parametrize(("population", "told"), [(20_015, "DCMH"), (24_581, "DCHMT"), (25_000, "all pairs")])
def test_populations_are_named_by_how_many_pairs_there_are(
    population: int, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tiny pictures, as many as the field has."""
    rng = np.random.default_rng(0)
    labels, tags = np.eye(5, dtype=np.uint8)[np.arange(population) % 5], rng.integers(0, 2, (population, 6), np.uint8)
    images = np.broadcast_to(rng.integers(0, 255, (population, 1, 1, 1), np.uint8), (population, 3, 8, 8))
    hdf5(tmp_path / "FLICKR-25K.mat", {"images": images, "YAll": tags, "LAll": labels}, compression="gzip")
    code = main(["data", "check", "mirflickr", "--root", str(tmp_path), "--json"])  # the split of DCMH, in its own sizes
    rows = dict(json.loads(capfd.readouterr().out)["findings"])
    assert code == 0
    assert rows["population"].startswith(f"{population:,}: ")
    assert told in rows["population"]
    assert (rows["query"], rows["train"], rows["attacker"]) == ("2,000", "10,000", "2,000")


def test_pictures_on_their_side_are_noticed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = world(60)
    grey = np.repeat(np.arange(SIDE, dtype=np.uint8)[:, None] * 4, SIDE, 1)[None, None].repeat(60, 0).repeat(3, 1)
    root = layout_a(tmp_path / "a", World(grey + held.images // 8, held.tags, held.labels, ()))
    assert checked("mirflickr", root, capfd)[1]["which way is up"].endswith("upright")
    assert checked("mirflickr", root, capfd, "--set", "data.axes=python")[1]["which way is up"].endswith("try `data.axes`")


def test_damaged_pictures_are_named_and_counted_and_the_others_are_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = raw(tmp_path / "raw", world())
    for number in range(3, 10):
        path = root / f"mirflickr/im{number}.jpg"
        path.write_bytes(path.read_bytes()[:300])
    code = main(["data", "check", "mirflickr", "--root", str(root), *FLAGS])
    out = capfd.readouterr().out
    assert code == 1
    assert out.count("damaged picture") == 5
    assert "7 of 48 pictures cannot be read" in out
    assert "different pictures" in out


@pytest.mark.parametrize("damage", ["empty", "cut", "page", "bytes", "links", "folder"])
def test_a_bad_file_is_a_row_and_no_traceback(damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = layout_a(tmp_path / "a", world())
    path = root / "FLICKR-25K.mat"
    whole = path.read_bytes()
    if damage == "links":
        with h5py.File(path, "a") as file:
            del file["LAll"]
            file["LAll"] = h5py.ExternalLink("/etc/passwd", "/LAll")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "page": b"<html>", "bytes": bytes(5000)}[damage])
    code, rows = checked("mirflickr", root, capfd)
    assert code == 1
    assert rows["missing or wrong"]
    assert "press.liacs.nl" in rows["where it is obtained"]


def test_what_a_copy_lacks_is_said_with_where_it_is_obtained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = layout_h(tmp_path / "h", world())
    (root / "mirflickr/im9.jpg").unlink()
    assert "im9.jpg and 0 more of 48 pictures wanted, not there" in checked("mirflickr", root, capfd)[1]["missing or wrong"]
    alone = layout_c(tmp_path / "c", world())
    (alone / "mirflickr25k-iall.mat").unlink()
    said = checked("mirflickr", alone, capfd)[1]["missing or wrong"]
    assert "images (48, 32), features of pictures got (layout C), and an attack changes pixels; put beside it" in said
    root = coco(tmp_path / "coco", world())
    (root / "annotations/captions_val2017.json").write_text('{"images": [')
    assert "captions_val2017.json: whole JSON wanted" in checked("coco", root, capfd)[1]["missing or wrong"]
    assert main(["data", "check", "mirflickr"]) == 1
    assert "no `root` got" in capfd.readouterr().out
    assert main(["data", "check", "mirflicker"]) == 2
    assert "did you mean 'mirflickr'?" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "write"), [("mirflickr", layout_c), ("mirflickr", layout_h), ("nuswide", nuswide), ("coco", coco)])
def test_a_copy_without_pictures_is_still_told_by_its_texts_and_labels(
    name: str, write: Callable[[Path, World], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Layout C holds none, and NUS-WIDE's are given on request only."""
    held, root = world(), write(tmp_path / "set", world())
    whole = checked(name, root, capfd)[1]
    for path in [*root.rglob("*.jpg"), *root.glob("*iall.mat")]:
        path.unlink()
    code, rows = checked(name, root, capfd)
    assert code == 1
    assert "wanted" in rows["missing or wrong"]
    same = [
        "pairs",
        "population",
        "vocabulary",
        "words per text",
        "most frequent label",
        "rarest label",
        "labels a pair",
        "different texts",
    ]
    assert [rows[what] for what in same] == [whole[what] for what in same]
    marks = held.labels[: int(rows["pairs"])].astype(int)
    assert float(rows["floor, about (share of relevant pairs)"]) == pytest.approx((marks @ marks.T > 0).mean(), abs=1e-4)


def test_even_a_reader_that_breaks_is_a_row() -> None:
    class Broken:
        def load(self, progress: Progress) -> tuple[Pairs, Split]:
            raise ZeroDivisionError("of\nours")

    found = findings(Broken(), Silent())
    assert not found.sound
    assert found.rows[0] == ("damaged", "ZeroDivisionError: of ours")


@pytest.mark.parametrize("name", sorted(set(DATASETS.names()) - {"pictograms", "instances", "avatars"}))
def test_every_data_set_can_be_checked(name: str, tmp_path: Path) -> None:
    found = findings(DATASETS.load(name)(**settings_of(name, tmp_path)), Silent())
    assert found.sound, found.rows
