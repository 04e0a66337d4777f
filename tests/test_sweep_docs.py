"""docs/sweeps.md tells what is true: its commands, its files, its example."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from crossattack.cli import app
from crossattack.sweep.grid import load_sweep
from crossattack.sweep.outcome import headline, summary
from crossattack.sweep.table import STATES, Row

PAGE = (Path(__file__).parents[1] / "docs/sweeps.md").read_text(encoding="utf-8")


def test_commands_on_the_page_and_in_the_help_are_understood() -> None:
    command = typer.main.get_command(app).commands["sweep"]  # type: ignore[attr-defined]
    commands = re.findall(r"^ +crossattack sweep(.*)$", PAGE + (command.help or ""), re.M)
    assert len(commands) == 10
    for line in commands:
        command.make_context("sweep", shlex.split(line.partition(">")[0], comments=True))
    flags = {flag for option in command.params for flag in option.opts if flag.startswith("--")} - {"--help"}
    assert set(re.findall(r"--[a-z][a-z-]*", PAGE)) - {"--config", "--keep"} == flags


def test_files_on_the_page_are_sweeps_of_as_many_cells_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for text, cells in zip(re.findall(r"```yaml\n(.*?)```", PAGE, re.S), (4, 5), strict=True):
        path.write_text(text)
        assert len(load_sweep(path).cells) == cells


def test_the_example_reads_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = {"directions": {"image_to_text": {"map": {"attacked": 0.224}}}, "budget": {"spent": 100}, "surrogates": [{}]}
    known = {"attempts": 1, "started": 1.0, "seconds": 2.0, "reason": None, "owner": None, "expires": None}
    rows = [
        Row(digest="a", values={"seed": 0}, state="done", headline=headline(results), **known),  # type: ignore[arg-type]
        Row(digest="b", values={"seed": 1}, state="pending", headline=None, **known),  # type: ignore[arg-type]
    ]
    told = summary("mine", ["seed"], rows)
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/sweep.json").write_text(json.dumps(told))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(example, {})
    assert capsys.readouterr().out == "{'seed': 0} 0.224\n"
    section = PAGE.partition("## Read it")[2]
    kept = ("shared", "file", "intervals", *told["cells"][0]["surrogates"][0])
    towers = ("image_tower", "text_tower")
    keys = {*told, *told["cells"][0], *told["cells"][0]["directions"]["image_to_text"], *kept} - {"schema", "cells", *towers}
    for key in keys:
        assert re.search(rf"`[\w.\[\]]*\b{key}\b", section), key


def test_states_on_the_page_are_those_of_the_record() -> None:
    assert "`pending`, `running`, `done` or `failed`" in PAGE
    assert STATES == ("pending", "running", "done", "failed")
