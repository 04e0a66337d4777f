"""docs/mnd.md tells the kept figures of MND, and its commands are right."""

import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crossattack.cli import app
from crossattack.config import load_config

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]
import _private  # noqa: E402
import noticeability  # noqa: E402

PAGE = (ROOT / "docs/mnd.md").read_text(encoding="utf-8")
FOUND = json.loads((ROOT / "docs/results/mnd.json").read_text(encoding="utf-8"))
TASKS = json.loads((ROOT / "docs/results/mnd-tasks.json").read_text(encoding="utf-8"))
COMMANDS = [line.split("#")[0].strip() for line in PAGE.splitlines() if line.startswith("    ")]


def test_the_table_and_the_claims_are_those_of_the_kept_figures() -> None:
    (block,) = re.findall(r"<!-- mnd -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert block == noticeability.table(FOUND) + "\n" + "".join(f"- {claim}\n" for claim in noticeability.claims(FOUND))
    assert f"{FOUND['all_succeed']} of {FOUND['pictures']}" in PAGE
    assert FOUND["command"] in COMMANDS


@pytest.mark.parametrize("task", ["classes", "faces"])
def test_the_table_of_each_task_is_that_of_its_kept_figures(task: str) -> None:
    (block,) = re.findall(rf"<!-- {task} -->\n(.*?)<!-- end {task} -->", PAGE, re.S)
    found = TASKS[task]
    assert block == _private.table(found) + f"\n{told_of(task, found)}\n"
    command = found["command"].split(" --json ")[0]
    assert command in COMMANDS


def told_of(task: str, found: dict[str, Any]) -> str:
    """How many pictures of what, in a sentence."""
    of = f"All succeed with {found['all_succeed']} of {found['pictures']} pictures"
    key = "accuracy" if task == "classes" else "rank_1"
    first, second = (f"{share:.0%}" for share in found[key].values())
    clean = f"clean, the other network knows {found[f'{key}_of_the_chosen']['another']:.0%} of these pictures"
    if task == "classes":
        return f"{of}; {clean}. Of all test pictures the classifier knows {first}, the other one {second}."
    return f"{of} of {found['people']} people; {clean}. Of all private pictures the recogniser knows {first}, the other one {second}."


def test_the_goals_are_held_with_every_seed() -> None:
    for one in FOUND["mnd_of_the_best_other"].values():
        assert max(one["share"], *one["each_seed"], *one["ci95"]) <= one["goal"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("crossattack run")])
def test_every_run_of_the_page_is_a_configuration_that_is_accepted(command: str) -> None:
    _, _, *words = shlex.split(command)
    settings = [word for before, word in pairwise(words) if before == "--set"]
    named = {"--attack": "attack.name", "--eps": "attack.eps"}
    pairs = [(before, word) for before, word in pairwise(words) if before in named]
    assert {word for word in words if word.startswith("--")} <= {*named, "--set"}
    load_config(None, settings, {named[flag]: value for flag, value in pairs})


def test_the_scoring_command_has_the_flags_that_the_page_names() -> None:
    (command,) = [command for command in COMMANDS if command.startswith("crossattack score")]
    told = CliRunner().invoke(app, ["score", "--help"]).output
    assert all(flag in told for flag in re.findall(r"--[a-z]+", command))
