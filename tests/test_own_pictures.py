"""One's own folders: Market-1501, faces of three layouts, and everything that may be wrong with them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_folders import REID, faces, market, paint, reid
from PIL import Image

from crossattack.cli import main
from crossattack.datasets import Pairs, Split, _files, _shelves
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


# Market-1501


def test_market_has_the_counts_that_its_names_tell(tmp_path: Path) -> None:
    pairs, split = Market1501(root=str(market(tmp_path / "deep" / "Market-1501-v15.09.15").parent), **TINY).load(Silent())
    assert (len(split.query), len(split.database)) == (18, 6 * 6 + 2 + 1)  # six people; two distractors; one that nobody finds
    assert (len(split.train), len(split.attacker), len(split.held_back)) == (4 * 4, 3 * 4, 1 * 4)
    distractors = [item for item in split.database.tolist() if not pairs.labels[item].any()]
    assert len(distractors) == len({int(pairs.groups[item]) for item in distractors}) == 2
    named = {pairs.label_names[int(torch.nonzero(pairs.labels[item]))] for item in split.query.tolist()}
    assert named == {f"person {person}" for person in range(1, 7)}


def test_market_ranks_a_query_without_its_person_on_its_camera(tmp_path: Path) -> None:
    """By hand: persons 1 to 6 have queries 0, 1, 2 on cameras 1, 2, 3 and in the database shots 3 to 8, two a camera."""
    pairs, split = Market1501(root=str(market(tmp_path / "market")), **TINY).load(Silent())
    assert pairs.junk is not None
    for query in split.query.tolist():
        same = [item for item in split.database.tolist() if (pairs.labels[query] & pairs.labels[item]).any()]
        junk = [item for item in split.database.tolist() if (pairs.junk[query] & pairs.junk[item]).any()]
        assert (len(same), len(junk)) == (6, 2)
        assert set(junk) < set(same)


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


def test_market_refuses_what_it_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Market-1501 .*wanted, no `root` got; .*--root, or take the stand-in `--data avatars`"):
        Market1501().load(Silent())
    with pytest.raises(DataError, match="nothing got there"):
        Market1501(root=str(tmp_path / "nowhere")).load(Silent())
    root = market(tmp_path / "market")
    paint(root / "query" / "holiday.jpg", 3, 0)
    with pytest.raises(DataError, match=r"names like 0002_c1s1_000451_03\.jpg wanted.*query/holiday\.jpg got"):
        Market1501(root=str(root), **TINY).load(Silent())
    (root / "query" / "holiday.jpg").unlink()
    (root / "query" / "0001_c1s1_000000_00.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a picture wanted at query/0001_c1s1_000000_00\.jpg, none got"):
        Market1501(root=str(root), **TINY).load(Silent())[0].pixels()
    market(tmp_path / "second" / "market")
    market(tmp_path / "second" / "duke")
    with pytest.raises(DataError, match=r"of one folder wanted, duke/bounding_box_test, .*market/query got"):
        Market1501(root=str(tmp_path / "second"), **TINY).load(Silent())


def who_finds_whom(pairs: Pairs, split: Split) -> dict[tuple[bytes, bytes], tuple[bool, bool]]:
    """By the pictures' own bytes: whether each query and each item of the database share a label, and a mark."""
    assert pairs.junk is not None
    key = [picture.numpy().tobytes() for picture in pairs.pixels()]
    asked = [(query, item) for query in split.query.tolist() for item in split.database.tolist()]
    return {
        (key[query], key[item]): (
            bool((pairs.labels[query] & pairs.labels[item]).any()),
            bool((pairs.junk[query] & pairs.junk[item]).any()),
        )
        for query, item in asked
    }


@pytest.mark.parametrize("layout", REID)
def test_every_layout_of_re_identification_holds_the_same_people(layout: str, tmp_path: Path) -> None:
    """MSMT17's and CUHK03's numbers begin at 0 in training and in the search, where they are other people."""
    pairs, split = Market1501(root=str(reid(tmp_path / layout, layout)), **TINY).load(Silent())
    expected = who_finds_whom(*Market1501(root=str(reid(tmp_path / "first", "Market-1501")), **TINY).load(Silent()))
    assert len(expected) == 18 * 36
    assert who_finds_whom(pairs, split) == expected
    assert (len(split.train), len(split.attacker), len(split.held_back)) == (16, 12, 4)
    trained = set(pairs.groups[torch.cat([split.train, split.attacker, split.held_back])].tolist())
    assert len(trained) == 8
    assert not trained & set(pairs.groups[split.database].tolist())
    overlapping = layout.startswith("MSMT17") or layout == "cuhk03"
    assert any(name.startswith("training person") for name in pairs.label_names) == overlapping
    assert len(set(pairs.label_names)) == 14
    assert dict(pairs.told)["people, cameras, distractors"] == "14, 3, 0"


def test_person_0_is_somebody_where_queries_are_of_person_0(tmp_path: Path) -> None:
    root = market(tmp_path / "market")
    told = dict(Market1501(root=str(root), **TINY).load(Silent())[0].told)
    assert told["people, cameras, distractors"] == "15, 3, 2"
    paint(root / "query" / "0000_c2s1_000001_00.jpg", 0, 7)
    pairs, split = Market1501(root=str(root), **TINY).load(Silent())
    assert dict(pairs.told)["people, cameras, distractors"] == "16, 3, 0"
    assert len(split.query) == 19


@pytest.mark.parametrize(
    ("layout", "file", "content", "said"),
    [
        (
            "MSMT17_V1",
            "list_query.txt",
            "0000/0000_000_01_x.jpg zero\n",
            "list_query.txt, line 1: a path with a camera, and a person wanted",
        ),
        ("MSMT17_V1", "list_query.txt", "../0000_000_01_x.jpg 0\n", r"test/\.\./0000_000_01_x\.jpg, which list_query\.txt lists, wanted"),
        ("MSMT17_V1", "list_query.txt", "", "none of query got"),
        ("MSMT17_V1", "list_gallery.txt", None, r"one list_gallery\.txt wanted, 0 got"),
        ("cuhk03", "splits_new_detected.json", "[{", "as torchreid writes it wanted"),
        ("cuhk03", "splits_new_detected.json", "[" * 200_000, "as torchreid writes it wanted"),
        ("cuhk03", "splits_new_detected.json", '[{"train": [["a.png", 1, true]], "query": [], "gallery": []}]', "that is no number"),
        (
            "cuhk03",
            "splits_new_detected.json",
            '[{"train": [["a.png", 1, 0]], "query": [], "gallery": []}]',
            r"images_detected/a\.png, which",
        ),
    ],
)
def test_lists_that_are_damaged_are_refused_in_a_line(layout: str, file: str, content: str | None, said: str, tmp_path: Path) -> None:
    root = reid(tmp_path / "set", layout)
    (root / file).unlink()
    if content is not None:
        (root / file).write_text(content)
    with pytest.raises(DataError, match=said) as refused:
        Market1501(root=str(root), **TINY).load(Silent())
    assert "\n" not in str(refused.value)


def test_a_picture_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    root = reid(tmp_path / "set", "MSMT17_V2")
    listing = root / "list_gallery.txt"
    listing.write_text(listing.read_text() * 2)
    with pytest.raises(DataError, match=r"every picture once wanted, mask_test_v2/0000/.* got several times"):
        Market1501(root=str(root), **TINY).load(Silent())


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
