"""One's own folders of pictures: faces of three layouts, archives, and everything that may be wrong with them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_folders import faces, market, paint
from PIL import Image

from crossattack.cli import main
from crossattack.datasets import Pairs, _files, _shelves
from crossattack.datasets._files import Files, opened
from crossattack.datasets._pictures import inside, read_picture
from crossattack.datasets.faces import Faces, person_of
from crossattack.datasets.market1501 import Market1501
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Silent

REAL_FACES = Path(__file__).parents[2] / "shared" / "data" / "att_faces.zip"
TINY: dict[str, Any] = {"height": 32, "width": 16, "attacker": 12, "held_back": 4}


def zipped(folder: Path) -> Path:
    """The same files in an archive, and what a file manager adds."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
        archive.writestr("__MACOSX/s1/._1.pgm", b"not a picture")
    return path


def shades(pairs: Pairs, items: torch.Tensor) -> torch.Tensor:
    """The mean colour of pictures: `paint` gives each person one."""
    return pairs.pixels()[items].float().mean((2, 3))


def test_people_of_one_colour_are_one_group(tmp_path: Path) -> None:
    """Names and pixels stay together: `paint` gives each person a colour, and groups must agree with it."""
    for pairs, split in (
        Market1501(root=str(market(tmp_path / "market")), **TINY).load(Silent()),
        Faces(root=str(faces(tmp_path / "faces", "lfw"))).load(Silent()),
    ):
        items = torch.cat([split.query, split.train, split.attacker])
        distances = torch.cdist(shades(pairs, items), shades(pairs, items))
        alike = pairs.groups[items][:, None] == pairs.groups[items][None, :]
        assert distances[alike].max() < 15
        assert (distances.fill_diagonal_(float("inf")).argmin(1)[:, None] == torch.nonzero(alike)[:, 1][None, :]).any(1).all()
        assert alike[torch.arange(len(items)), distances.argmin(1)].float().mean() > 0.9


# Faces


@pytest.mark.parametrize("layout", ["att", "lfw", "cfp"])
def test_each_layout_of_faces_has_twelve_people(layout: str, tmp_path: Path) -> None:
    folder = faces(tmp_path / "mine", layout)
    pairs, split = Faces(root=str(folder), gallery=4).load(Silent())
    assert torch.bincount(pairs.groups).tolist() == [6] * 12
    assert pairs.images.shape == (72, 3, 112, 96)
    searched = 12 - 5 - 2 - 1
    assert (len(split.query), len(split.database)) == (2 * searched, 4 * searched)
    assert (len(split.train), len(split.attacker), len(split.held_back)) == (30, 12, 6)
    assert sorted(pairs.label_names)[0] in ("s1", "Name_0", "001")
    archived, same = Faces(root=str(zipped(folder)), gallery=4).load(Silent())
    assert torch.equal(archived.pixels(), pairs.pixels())
    assert same.digest() == split.digest()


def test_grey_faces_have_three_equal_channels_and_keep_their_shades(tmp_path: Path) -> None:
    pairs, _ = Faces(root=str(faces(tmp_path / "mine", "att")), height=28, width=23).load(Silent())
    pixels = pairs.pixels()
    assert torch.equal(pixels[:, 0], pixels[:, 1])
    assert torch.equal(pixels[:, 0], pixels[:, 2])
    with Image.open(tmp_path / "mine/att_faces/s1/1.pgm") as picture:
        assert np.array_equal(np.asarray(picture), pixels[0, 0].numpy())


def test_one_picture_of_a_person_is_searched_in_but_asks_nothing(tmp_path: Path) -> None:
    root = faces(tmp_path / "mine", "lfw", people=20, pictures=1)
    for person in range(20):
        if person % 2:
            paint(root / f"lfw/Name_{person}/Name_{person}_0002.jpg", person, 2)
    pairs, split = Faces(root=str(root), gallery=5).load(Silent())
    pictures = torch.bincount(pairs.groups)
    assert (pictures[pairs.groups[split.query]] == 2).all()
    assert set(pictures[pairs.groups[split.database]].tolist()) == {1, 2}
    assert len(set(pairs.groups[split.query].tolist())) == len(split.query)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("s7/3.pgm", "s7"),
        ("a/b/Ada/Ada_0001.jpg", "a/b/Ada"),
        ("Data/Images/007/profile/02.jpg", "Data/Images/007"),
        ("loose.jpg", ""),
    ],
)
def test_a_person_is_the_folder_around_a_picture(name: str, person: str) -> None:
    assert person_of(name) == person


def test_faces_refuses_what_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"AT&T.*wanted, no `root` got; .*--root, or take the stand-in `--data avatars`") as refused:
        Faces().load(Silent())
    assert "\n" not in str(refused.value)
    for settings, said in (
        ({"gallery": 0}, "`gallery`"),
        ({"train": 1.0}, "shares of the people below 1"),
        ({"height": 4000}, "`height` of faces: 8 to 2048"),
    ):
        with pytest.raises(ConfigError, match=said):
            Faces(**settings)
    paint(tmp_path / "few" / "one" / "1.jpg", 0, 0)
    with pytest.raises(DataError, match="1 pictures of 1 people got; check --root"):
        Faces(root=str(tmp_path / "few")).load(Silent())
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(DataError, match="a folder or a zip archive wanted, neither got"):
        Faces(root=str(tmp_path / "text.zip")).load(Silent())


def test_real_faces_are_forty_people_of_whom_pixels_alone_find_most() -> None:
    if not REAL_FACES.is_file():
        pytest.skip("allowed: the AT&T Database of Faces is not beside this repository")
    pairs, split = Faces(root=str(REAL_FACES)).load(Silent())
    assert torch.bincount(pairs.groups).tolist() == [10] * 40
    assert (len(split.query), len(split.database)) == (70, 70)
    small = torch.nn.functional.avg_pool2d(pairs.pixels()[:, :1].float(), 8).flatten(1)
    found = pairs.groups[split.database[torch.cdist(small[split.query], small[split.database]).argmin(1)]]
    assert (found == pairs.groups[split.query]).float().mean() > 0.8


# Files and pictures


def test_small_sets_decode_a_picture_once_and_large_ones_whenever_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = faces(tmp_path / "mine")
    reads = list[str]()

    def counted(files: Files, name: str, *rest: Any) -> Any:
        reads.append(name)
        return read_picture(files, name, *rest)

    monkeypatch.setattr(_shelves, "read_picture", counted)
    pixels = list[torch.Tensor]()
    for most, expected in ((2**29, 72), (0, 2 * 72 + 3)):
        monkeypatch.setattr(_shelves, "MOST_KEPT", most)
        reads.clear()
        pairs, _ = Faces(root=str(root)).load(Silent())
        assert not reads, "nothing is read before it is asked for"
        pixels += [pairs.images[torch.tensor([5, 9, 5])], pairs.pixels(), pairs.pixels()]
        assert len(reads) == expected
    assert torch.equal(pixels[0], pixels[1][[5, 9, 5]])
    assert all(torch.equal(one, other) for one, other in zip(pixels[:3], pixels[3:], strict=True))


def test_a_picture_is_shrunk_with_all_its_pixels_and_a_box_is_cut_out_first(tmp_path: Path) -> None:
    """Stripes one pixel wide become even grey where every pixel counts; a nearest pixel would stay black or white."""
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2], stripes[:32] = 200, 40
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    with opened(tmp_path) as files:
        whole = read_picture(files, "stripes.png", 8, 8)
        cut = read_picture(files, "stripes.png", 8, 8, (-5.0, 31.6, 200.0, 64.2))
    assert np.abs(whole[:, 5:].astype(int) - 100).max() <= 8
    assert np.abs(whole[:, :3].astype(int) - 40).max() <= 1
    assert np.abs(cut.astype(int) - 100).max() <= 8
    with pytest.raises(DataError, match=r"a box inside the picture of 10 x 10 pixels wanted"):
        inside((12.0, 0.0, 15.0, 5.0), (10, 10), "there")


def test_a_damaged_or_locked_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    path = zipped(faces(tmp_path / "mine"))
    content = bytearray(path.read_bytes())
    start = content.index(b"P5")
    content[start : start + 600] = bytes(600)
    path.write_bytes(content)
    with pytest.raises(DataError, match="wanted whole, a damaged or locked one got") as refused:
        Faces(root=str(path)).load(Silent())[0].pixels()
    assert "\n" not in str(refused.value)


def test_a_member_of_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the archive declares of it, before anything is unpacked; 20 kB that are 20 MB."""
    path = zipped(faces(tmp_path / "mine"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine/att_faces/s1/99.pgm", bytes(20 * 2**20))
    monkeypatch.setattr(_files, "MEMBER_BYTES", 2**20)
    with pytest.raises(DataError, match=r"at most 1,048,576 bytes wanted at mine/att_faces/s1/99\.pgm, 20,971,520 got; remove it"):
        Faces(root=str(path)).load(Silent())[0].pixels()


def test_the_command_line_shows_pictures_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "show", "faces", "--root", str(faces(tmp_path / "mine"))]) == 0
    out = capfd.readouterr().out
    assert out.startswith("pairs ")
    assert "72 pictures without texts" in out
    assert (tmp_path / "faces.png").read_bytes().startswith(b"\x89PNG")
    assert main(["data", "show", "market1501"]) == 2
    refused = capfd.readouterr()
    assert refused.err.startswith("error: market1501: Market-1501 (Zheng")
    assert (refused.out, refused.err.count("\n")) == ("", 1)
    assert not (tmp_path / "market1501.png").exists()


def test_a_target_that_learns_from_texts_refuses_pictures_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--target", "dcmh", "--data", "faces", "--root", str(faces(tmp_path / "mine")), "--quiet"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("error: data: pictures with texts wanted by dcmh, faces has pictures alone; or `--target gem`.")
    assert said.count("\n") == 1
