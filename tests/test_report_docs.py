"""docs/report.md tells what is true: its commands, its flags, the parts of the page."""

import re
import shlex
from pathlib import Path

import typer
from example_results import results

from crossattack.cli import app
from crossattack.report.examples import BYTES
from crossattack.report.page import page

TEXT = (Path(__file__).parents[1] / "docs/report.md").read_text(encoding="utf-8")


def test_commands_in_the_docs_and_the_help_are_understood() -> None:
    known = typer.main.get_command(app).commands["report"]  # type: ignore[attr-defined]
    commands = re.findall(r"^ +crossattack report(.*?)(?:  #.*)?$", TEXT + (known.help or ""), re.M)
    assert len(commands) == 7
    for line in commands:
        known.make_context("report", shlex.split(line))
    flags = {flag for option in known.params for flag in (*option.opts, *option.secondary_opts)} - {"--help", "--runs", "run"}
    assert set(re.findall(r"--[a-z][a-z-]*", TEXT)) == flags


def test_parts_of_the_page_are_those_of_the_docs() -> None:
    curved = results()
    curved["directions"]["image_to_text"]["metrics"] = {"pr_curve": {"clean": [0.5] * 10}}
    assert re.findall(r"^\| ([A-Z][a-z ]+) \|", TEXT, re.M) == re.findall(r"<h2[^>]*>(.*?)</h2>", page(curved))


def test_sizes_in_the_docs_are_those_of_the_code() -> None:
    assert BYTES < 5e6
    assert "beyond 5 MB" in TEXT
    assert "By default 24 attacked items" in TEXT
