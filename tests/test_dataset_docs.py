"""docs/datasets.md says what the code does: every data set, population and split has its row, every command its flags."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from crossattack.cli import main
from crossattack.datasets import coco, mirflickr, nuswide
from crossattack.datasets._named_splits import OwnOrNamed
from crossattack.registry import DATASETS

PAGE = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text()
COMMANDS = re.findall(r"^ {4}crossattack ((?:data|evaluate)\b.*)$", PAGE, re.M)


def test_every_data_set_has_a_row() -> None:
    rows = "".join(line.split("|")[1] for line in PAGE.split("## ")[0].splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(DATASETS.names())


def test_every_population_and_every_split_has_a_row() -> None:
    told = {int(number.replace(",", "")) for number in re.findall(r"^\| ([\d,]+) \|", PAGE, re.M)}
    assert told == {*mirflickr.POPULATIONS, *nuswide.POPULATIONS, *coco.POPULATIONS}
    splits = PAGE.split("## Which split")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", splits, re.M)) == sorted(get_args(OwnOrNamed))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_flags_that_exist(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Unknown flags are refused before help is shown."""
    assert main([*shlex.split(command), "--help"]) == 0
    assert main([*shlex.split(command), "--no-such-flag", "--help"]) == 2
    if command.startswith("data ") and len(command.split()) > 2:
        assert command.split()[2] in DATASETS.names()
    capfd.readouterr()
