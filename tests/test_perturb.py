"""`crossattack perturb`: real folders of real files, through the real command line, once in a process of its own."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import untrained
from PIL import Image, ImageCms

from crossattack._perturb_tiles import in_tiles
from crossattack.cli import main
from crossattack.config import load_config

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a generator and an empty folder of pictures."""
    monkeypatch.chdir(tmp_path)
    untrained(tmp_path / "g.safetensors")
    (tmp_path / "in").mkdir()
    return tmp_path


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze()


@pytest.fixture
def perturb(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The command: its arguments -> what it said."""

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = main(["perturb", "--generator", "g.safetensors", *arguments])
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return ran


def perturb_elsewhere(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, as a person runs it."""
    command = [sys.executable, "-c", "import sys; from crossattack._cli_start import main; sys.exit(main())", "perturb"]
    return subprocess.run([*command, "--generator", "g.safetensors", *arguments], capture_output=True, text=True)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB")).astype(int)


def told_by(path: Path) -> Any:
    """What the file says beside its pixels."""
    with Image.open(path) as image:
        return image.info


def test_a_folder_of_every_kind_of_picture_is_changed_inside_its_radius(here: Path) -> None:
    sources = {
        "odd.png": Image.fromarray(noise(37, 51)),
        "tiny.bmp": Image.fromarray(noise(1, 3)),
        "photo.jpg": Image.fromarray(noise(64, 48)),
        "grey.png": Image.fromarray(noise(20, 20, 1)),
        "palette.gif": Image.fromarray(noise(24, 40)).quantize(16),
        "bits.tiff": Image.fromarray(noise(24, 24, 1) > 128),
        "print.tif": Image.fromarray(noise(33, 20, 4), mode="CMYK"),
        "web.webp": Image.fromarray(noise(18, 18)),
    }
    for name, image in sources.items():
        image.save(here / "in" / name)
    (here / "in/notes.txt").write_text("no picture")
    (here / "in/more").mkdir()
    before = {path.name: path.read_bytes() for path in (here / "in").iterdir() if path.is_file()}
    ended = perturb_elsewhere("in", "out", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert {one["name"] for one in told["pictures"]} == set(sources)
    assert told["skipped"] == {"notes.txt": "no picture", "more": "a folder, which is not looked into"}
    assert {path.name for path in (here / "out").iterdir()} == {f"{Path(name).stem}.png" for name in sources}
    assert {path.name: path.read_bytes() for path in (here / "in").iterdir() if path.is_file()} == before
    for one in told["pictures"]:
        clean, changed = pixels(here / "in" / one["name"]), pixels(here / "out" / one["written"])
        change = clean - changed
        assert (one["height"], one["width"], 3) == clean.shape == changed.shape
        assert 0 < np.abs(change).max() <= 8, one["name"]
        assert one["linf"] == pytest.approx(np.abs(change).max() / 255)
        assert one["psnr"] == pytest.approx(10 * np.log10(255**2 / np.mean(change**2)))
    notes = {one["name"]: one["notes"] for one in told["pictures"]}
    assert (notes["grey.png"], notes["print.tif"], notes["odd.png"]) == (["grey made RGB"], ["CMYK made RGB"], [])
    assert told["eps"] == pytest.approx(8 / 255)
    assert told["generator"]["pixels"] == [64, 64]


def test_a_picture_is_turned_as_its_camera_says_and_what_is_transparent_lies_on_white(here: Path, perturb: Callable[..., Any]) -> None:
    exif, photo = Image.Exif(), Image.fromarray(noise(20, 32))
    exif[0x0112] = 6
    photo.save(here / "in/camera.png", exif=exif)
    sheer = noise(24, 24, 4)
    sheer[:12, :, 3], sheer[12:, :, 3] = 0, 255
    Image.fromarray(sheer).save(here / "in/sheer.png")
    told = {one["name"]: one for one in json.loads(perturb("in", "out", "--json").stdout)["pictures"]}
    assert (told["camera.png"]["height"], told["camera.png"]["width"]) == (32, 20)
    assert told["camera.png"]["notes"] == ["turned upright"]
    assert "exif" not in told_by(here / "out/camera.png")
    assert np.abs(pixels(here / "out/camera.png") - np.array(photo).astype(int).transpose(1, 0, 2)[:, ::-1]).max() <= 8
    assert told["sheer.png"]["notes"] == ["laid on white"]
    changed = pixels(here / "out/sheer.png")
    assert np.abs(changed[:12] - 255).max() <= 8
    assert np.abs(changed[12:] - sheer[12:, :, :3]).max() <= 8


def test_a_colour_profile_stays_with_colours_and_goes_with_greys(here: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(noise(16, 16)).save(here / "in/colour.png", icc_profile=profile)
    Image.fromarray(noise(16, 16, 1)).save(here / "in/grey.png", icc_profile=profile)
    assert main(["perturb", "--generator", "g.safetensors", "in", "out"]) == 0
    assert told_by(here / "out/colour.png")["icc_profile"] == profile
    assert "icc_profile" not in told_by(here / "out/grey.png")


def png(width: int, height: int, depth: int, content: bytes) -> bytes:
    """A PNG file of colours, whatever its content really has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


def test_pictures_that_cannot_be_taken_are_a_line_each_and_the_rest_is_written(here: Path, perturb: Callable[..., Any]) -> None:
    Image.fromarray(noise(16, 16)).save(here / "in/good.png")
    Image.fromarray(noise(16, 16, 1).astype(np.uint16) * 257).save(here / "in/deep-grey.png")
    (here / "in/deep.png").write_bytes(png(2, 2, 16, bytes(26)))
    (here / "in/deep-too.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
    (here / "in/bomb.png").write_bytes(png(12_000, 12_000, 8, bytes(1000)))
    (here / "in/large-bomb.png").write_bytes(png(60_000, 60_000, 8, bytes(1000)))
    (here / "in/torn.png").write_bytes((here / "in/good.png").read_bytes()[:200])
    frames = [Image.fromarray(noise(16, 16, 1)) for _ in range(2)]
    frames[0].save(here / "in/moving.gif", save_all=True, append_images=frames[1:])
    ended = perturb("in", "out")
    assert ended.returncode == 1
    lines = sorted(line for line in ended.stderr.splitlines() if line.startswith("refused: "))
    depth, size = "8 bits a channel wanted, more got; save the picture with 8.", "at most 100 million pixels wanted, more got"
    assert lines[0].startswith(f"refused: bomb.png: {size}")
    assert lines[1] == f"refused: deep-grey.png: {depth}"
    assert lines[2] == f"refused: deep-too.ppm: {depth}"
    assert lines[3] == f"refused: deep.png: {depth}"
    assert lines[4].startswith(f"refused: large-bomb.png: {size}")
    assert lines[5].startswith("refused: moving.gif: one picture wanted")
    assert lines[6].startswith("refused: torn.png: a whole picture wanted")
    assert "Traceback" not in ended.stderr
    assert [path.name for path in (here / "out").iterdir()] == ["good.png"]
    header, row = ended.stdout.splitlines()
    assert header.split()[:5] == ["picture", "written", "size", "linf", "psnr"]
    assert row.split()[:3] == ["good.png", "good.png", "16x16"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["in", "in"], "error: OUT_DIR: another folder than IN_DIR wanted, in got"),
        (["in", "./in/../in", "--force"], "error: OUT_DIR: another folder than IN_DIR wanted"),
        (["in", "full"], "error: OUT_DIR: an empty folder wanted, full holds something; name another, or add `--force`."),
        (["in", "g.safetensors"], "error: OUT_DIR: a folder wanted, the file g.safetensors got."),
        (["none", "out"], "error: IN_DIR: a folder of pictures wanted, none got (No such file or directory)."),
        (["full", "out"], "error: IN_DIR: a folder of pictures wanted, full got, where none of 1 files is one."),
        (["in", "out", "--eps", "8"], "error: eps: 0 to 1 wanted, 8 got. Pixels are in [0, 1]: write 8/255."),
        (["twice", "out"], "error: IN_DIR: names that differ wanted, a.bmp and a.png would both be a.png; rename one."),
        (["in", "out", "--generator", "full/x.txt"], "error: a generator that `--attack uaa_gan` made wanted, full/x.txt holds none"),
        (
            ["in", "out", "--generator", "no.safetensors"],
            "error: a generator that `--attack uaa_gan` made wanted, no.safetensors holds none",
        ),
        (["in", "g.safetensors/out"], "error: OUT_DIR: room to write a.png wanted, none got in g.safetensors/out (Not a directory)."),
    ],
)
def test_bad_usage_is_one_line_and_nothing_written(arguments: list[str], line: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noise(16, 16)).save(here / "in/a.png")
    for name in ("full", "twice"):
        (here / name).mkdir()
    (here / "full/x.txt").write_text("x")
    for name in ("a.png", "a.bmp"):
        Image.fromarray(noise(16, 16)).save(here / "twice" / name)
    before = sorted(path.relative_to(here) for path in here.rglob("*"))
    assert main(["perturb", "--generator", "g.safetensors", *arguments]) in (1, 2)
    out, err = capfd.readouterr()
    said = [each for each in err.splitlines() if not each.startswith("perturbing")]
    assert out == ""
    assert len(said) == 1
    assert said[0].startswith(line)
    assert sorted(path.relative_to(here) for path in here.rglob("*")) == before


def test_with_force_it_writes_beside_what_is_there_and_a_link_to_an_original_is_not_followed(here: Path) -> None:
    Image.fromarray(noise(16, 16)).save(here / "in/a.png")
    original = (here / "in/a.png").read_bytes()
    (here / "out").mkdir()
    (here / "out/mine.txt").write_text("mine")
    (here / "out/a.png").symlink_to(here / "in/a.png")
    assert main(["perturb", "--generator", "g.safetensors", "in", "out", "--force"]) == 0
    assert (here / "in/a.png").read_bytes() == original
    assert not (here / "out/a.png").is_symlink()
    assert (here / "out/mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("eps", "levels"), [("4/255", 4), ("0", 0)])
def test_a_radius_of_its_own_is_kept(eps: str, levels: int, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(noise(32, 32)).save(here / "in/a.png")
    assert main(["perturb", "--generator", "g.safetensors", "in", "out", "--eps", eps, "--json"]) == 0
    (one,) = json.loads(capfd.readouterr().out)["pictures"]
    assert levels / 2 <= round(one["linf"] * 255) <= levels
    assert (one["psnr"] is None) == (levels == 0)


def test_tiles_are_the_naive_crops_and_leave_no_pixel_out() -> None:
    picture = torch.randint(0, 256, (1, 3, 70, 45), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen: list[Any] = []

    def change(crop: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(crop.shape[2:]))
        return 255 - crop

    assert torch.equal(in_tiles(change, picture, tile=32, around=4), 255 - picture)
    assert seen == [(36, 36), (36, 17), (40, 36), (40, 17), (10, 36), (10, 17)]
    seen.clear()
    assert torch.equal(in_tiles(change, picture, tile=62, around=4), 255 - picture)
    assert seen == [(70, 45)]


def test_the_generator_that_a_run_leaves_is_taken(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny = {"data.pairs": 240, "data.pixels": 16, "target.image_tower": "convnet", "target.epochs": 1, "evaluation.resamples": 20}
    tiny |= {"attack.steps": 4, "attack.batch": 4, "attack.width": 4, "ceiling.steps": 1, "oracle.white_box": "true"}
    settings = [part for key, value in tiny.items() for part in ("--set", f"{key}={value}")]
    run = [
        "run",
        "--attack",
        "uaa_gan",
        "--data",
        "scenes",
        "--attacked",
        "6",
        "--bits",
        "16",
        "--device",
        "cpu",
        "--name",
        "mine",
        "--quiet",
    ]
    assert main([*run, *settings]) == 0
    capfd.readouterr()
    Image.fromarray(noise(16, 16)).save(here / "in/a.png")
    assert main(["perturb", "--generator", "runs/mine/generator.safetensors", "in", "out", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    results = json.loads((here / "runs/mine/results.json").read_text())
    assert told["generator"]["target"] == results["target"]["digest"]
    assert told["eps"] == pytest.approx(8 / 255)
    assert 0 < told["pictures"][0]["linf"] <= 8 / 255


def test_the_configuration_of_the_docs_is_a_valid_run_and_names_its_own_command() -> None:
    path = "configs/uaa_gan/hashing.yaml"
    config = load_config(ROOT / path)
    assert (config.name, config.attack.plugin.eps, config.oracle.white_box) == ("uaa_gan-hashing", pytest.approx(10 / 255), True)
    page = (ROOT / "docs/uaa_gan.md").read_text(encoding="utf-8")
    for text in ((ROOT / path).read_text(encoding="utf-8"), page):
        assert f"crossattack run --config {path}" in text
    assert f"crossattack perturb --generator runs/{config.name}/generator.safetensors" in page
