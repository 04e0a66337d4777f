"""The example of private pictures, end to end on a few small ones."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]

PEOPLE = {"ann": (60, 90, 200), "bob": (200, 120, 60), "cid": (60, 180, 80)}


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The example as a person runs it."""
    command = [sys.executable, str(ROOT / "examples/private_pictures.py"), *arguments, "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures each, 16 x 16, of a colour and some noise."""
    generator = np.random.default_rng(0)
    for name, colour in PEOPLE.items():
        (tmp_path / "people" / name).mkdir(parents=True)
        for number in range(8):
            values = np.array(colour) + generator.integers(-40, 41, (16, 16, 3))
            Image.fromarray(values.astype(np.uint8)).save(tmp_path / "people" / name / f"{number}.png")
    return tmp_path


def test_it_says_who_is_recognised_before_and_after_and_keeps_pictures_only_where_asked(folder: Path) -> None:
    settings = f"--root {folder / 'people'} --pictures 4 --epochs 12 --leave 0.05 --out {folder / 'out'}"
    ended = ran(*settings.split())
    assert (ended.returncode, ended.stderr) == (0, "")
    said = ended.stdout
    assert re.match(r"\d+% of 12 pictures are recognised; 4 of those are changed\.\n", said)
    rows = {line.split()[0]: [float(cell.strip("%")) for cell in line.split()[1:]] for line in said.splitlines()[2:]}
    assert set(rows) == {"mnd", "pgd"}
    for still, largest, noise, similar, _, colour in rows.values():
        assert 0 <= still <= 100
        assert 1 <= largest <= 32
        assert noise > 20
        assert 0 < similar < 1
        assert colour > 0
    assert len(list((folder / "out").iterdir())) == 8


def test_a_folder_without_people_is_refused_in_a_line(tmp_path: Path) -> None:
    ended = ran("--root", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"a folder of two pictures or more .* wanted in .*, 0 folders got\.\n", ended.stderr)
