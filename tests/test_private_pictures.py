"""The examples of private pictures, end to end on a few small ones, and what they measure against a count by hand."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
import _private  # noqa: E402
import private_classes  # noqa: E402
import private_pictures  # noqa: E402
from _photographs import Photos, trained  # noqa: E402

from crossattack.attacks import Pictures, unasked  # noqa: E402
from crossattack.errors import DataError  # noqa: E402
from crossattack.metrics.perceptual import linf, psnr  # noqa: E402
from crossattack.progress import Silent  # noqa: E402

COLOURS = {"ann": (110, 115, 145), "bob": (145, 120, 110), "cid": (110, 145, 115)}
ATTACKS = ["mnd", "pgd", "fgsm", "pire", "odfa"]

pytestmark = pytest.mark.usefixtures("empty_cache")


def fill(folder: Path, count: int) -> None:
    """So many pictures of each, 16 x 16, of a colour and some noise."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            values = np.array(colour) + generator.integers(-25, 26, (16, 16, 3))
            Image.fromarray(values.astype(np.uint8)).save(folder / name / f"{number}.png")


def zipped(folder: Path) -> Path:
    """The same in an archive."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder.parent))
    return path


def ran(example: str, *arguments: str) -> str:
    """What an example says, as a person runs it."""
    ended = subprocess.run([sys.executable, str(ROOT / "examples" / example), *arguments], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def check(told: str, found: dict[str, Any], pictures: int) -> None:
    """What either example says and keeps."""
    assert told.endswith(_private.table(found))
    assert list(found["attacks"]) == ATTACKS
    assert found["pictures"] == pictures
    for one in found["attacks"].values():
        assert 1 <= one["linf"][0] <= 64
        assert one["ssim"][0] + one["1 - ssim"][0] == pytest.approx(1)
        assert one["psnr"][1] <= one["psnr"][0] <= one["psnr"][2]
        assert one["ciede2000"][0] > 0
        assert one["ms_ssim"][0] == pytest.approx(one["ssim"][0])  # the window fits on one scale of 16 pixels


def test_faces_are_recognised_before_and_less_after_and_pictures_are_kept_only_where_asked(tmp_path: Path) -> None:
    fill(tmp_path / "people", 8)
    settings = "--people 3 --each 1 --epochs 12 --leave 0.1 --steps 5 --eps 64 --quiet"
    shown, archive = tmp_path / "out", zipped(tmp_path / "people")
    kept = tmp_path / "kept.json"
    said = ran("private_pictures.py", "--root", str(archive), "--out", str(shown), "--json", str(kept), *settings.split())
    assert re.match(r"\d+% of 12 pictures are recognised; 3 of those are changed\.\n", said)
    found = json.loads(kept.read_text(encoding="utf-8"))["faces"]
    check(said, found, 3)
    assert (found["gallery"], found["size"], found["people"]) == (12, [16, 16], 3)
    assert found["rank_1_of_the_chosen"]["the recogniser"] == 1
    assert found["all_succeed"] == 3
    assert len(list(shown.iterdir())) == 3 * 5


def test_the_zip_and_the_folder_hold_the_same_and_halves_are_gallery_and_private(tmp_path: Path) -> None:
    fill(tmp_path / "people", 5)
    pairs = [private_pictures.load(root, most=3) for root in (tmp_path / "people", zipped(tmp_path / "people"))]
    for part in (0, 1):
        assert torch.equal(pairs[0][part].images, pairs[1][part].images)
        assert pairs[0][part].labels.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 2, 2]][part]
    second = np.array(Image.open(tmp_path / "people/bob/4.png"))
    assert torch.equal(pairs[0][1].images[3], torch.from_numpy(second).permute(2, 0, 1))


def test_classes_are_lost_by_all_that_succeed_and_both_tasks_lie_in_one_file(tmp_path: Path) -> None:
    for part, count in (("train", 12), ("test", 4)):
        fill(tmp_path / "photos" / part, count)
    kept = tmp_path / "kept.json"
    kept.write_text('{"faces": {"theirs": 1}}')
    settings = "--pictures 3 --epochs 24 --steps 5 --eps 64 --quiet"
    told = ran("private_classes.py", "--root", str(zipped(tmp_path / "photos")), "--json", str(kept), *settings.split())
    both = json.loads(kept.read_text(encoding="utf-8"))
    assert both["faces"] == {"theirs": 1}
    found = both["classes"]
    check(told, found, 3)
    assert (found["train"], found["accuracy_of_the_chosen"]["the classifier"]) == (36, 1)
    for name, one in found["attacks"].items():
        assert one["succeeded"] == pytest.approx(1 - one["known"]["the classifier"]), name
    assert found["attacks"]["mnd"]["succeeded"] == 1


def test_figures_are_those_of_the_pictures_with_which_all_succeed() -> None:
    """Two attacks that add 4 and 10 levels; the second fails with one picture, and that picture counts for neither."""
    clean = torch.full((3, 3, 16, 16), 100, dtype=torch.uint8)
    clean[2] = 50
    photos = Photos(clean, torch.tensor([0, 1, 1]))

    def adding(levels: int) -> Any:
        return SimpleNamespace(fit=lambda context: lambda items: unasked(Pictures(items.ids, items.values + levels)))

    def succeeded(changed: torch.Tensor) -> torch.Tensor:
        return (changed[:, 0, 0, 0] != 60) & (changed != clean).any((1, 2, 3))

    known = {"it": lambda changed: ~succeeded(changed)}
    found = _private.compared({"four": adding(4), "ten": adding(10)}, None, photos, succeeded, known, Silent(), None)
    assert (found["pictures"], found["all_succeed"]) == (3, 2)
    assert [one["succeeded"] for one in found["attacks"].values()] == pytest.approx([1, 2 / 3])
    assert found["attacks"]["ten"]["known"] == {"it": pytest.approx(1 / 3)}
    for name, levels in (("four", 4), ("ten", 10)):
        assert found["attacks"][name]["linf"] == pytest.approx([levels] * 3)
        assert found["attacks"][name]["psnr"][0] == pytest.approx(float(psnr(clean, clean + levels)[:2].mean()))
    assert float(linf(clean, clean + 4)[0] * 255) == pytest.approx(4)


def test_a_network_is_trained_once_for_the_same_pictures_and_settings(tmp_path: Path, empty_cache: Path) -> None:
    images = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    photos = Photos(images, torch.arange(20) % 2)
    first, again = (trained(photos, 2, 2, 0, Silent()) for _ in range(2))
    kept = list((empty_cache / "examples").glob("*.safetensors"))
    assert len(kept) == 1
    for one, other in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    trained(photos, 2, 2, 1, Silent())
    assert len(list((empty_cache / "examples").glob("*.safetensors"))) == 2
    kept[0].write_bytes(b"torn")
    with pytest.raises(DataError, match="a trained network wanted, a damaged file got; delete it"):
        trained(photos, 2, 2, 0, Silent())


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (private_pictures, r"a folder of two pictures or more .* wanted in .*, 0 folders got\.\n"),
        (private_classes, r"cifar-10-batches-py, or train/<class> and test/<class>, wanted in .*, neither got; see `--help`\.\n"),
    ],
)
def test_a_root_that_holds_nothing_is_refused_in_a_line(
    example: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        example.main(["--root", str(tmp_path), "--quiet"])
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(says, said.err)
