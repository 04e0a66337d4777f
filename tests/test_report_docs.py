"""docs/report.md tells what is true: its commands, its flags, the parts of the page."""

import re
import shlex
from html import unescape
from pathlib import Path

import typer
from example_results import results
from made_sweeps import attacks, budget, set_back, transfer

from crossattack.cli import app
from crossattack.report.examples import BYTES
from crossattack.report.page import page
from crossattack.report.sweep.figure import write_figures
from crossattack.report.sweep.page import sweep_page

TEXT = (Path(__file__).parents[1] / "docs/report.md").read_text(encoding="utf-8")
PART = r"^\| ([A-Z][a-z' ]+) \|"


def test_commands_in_the_docs_and_the_help_are_understood() -> None:
    known = typer.main.get_command(app).commands["report"]  # type: ignore[attr-defined]
    commands = re.findall(r"^ +crossattack report(.*?)(?:  #.*)?$", TEXT + (known.help or ""), re.M)
    assert len(commands) == 11
    for line in commands:
        known.make_context("report", shlex.split(line))
    flags = {flag for option in known.params for flag in (*option.opts, *option.secondary_opts)} - {"--help", "--runs", "run"}
    assert set(re.findall(r"--[a-z][a-z-]*", TEXT)) == flags


def test_parts_of_the_page_are_those_of_the_docs() -> None:
    curved = results()
    curved["directions"]["image_to_text"]["metrics"] = {"pr_curve": {"clean": [0.5] * 10}}
    curved["training"] = {"surrogate": [{"loss": 1.0}]}
    of_a_run, of_a_sweep = TEXT.split("## Of a sweep")
    assert re.findall(PART, of_a_run, re.M) == re.findall(r"<h2[^>]*>(.*?)</h2>", page(curved))
    made = (budget(), transfer(), set_back(attacks(), "failed", 0, reason="no luck"))
    on_pages = [unescape(title) for each in made for title in re.findall(r"<h2[^>]*>(.*?)</h2>", sweep_page(each))]
    assert set(re.findall(PART, of_a_sweep, re.M)) == set(on_pages)


def test_figures_and_tables_of_a_sweep_are_those_of_the_docs(tmp_path: Path) -> None:
    made = (budget(), transfer(), set_back(attacks(), "failed", 0, reason="no luck"))
    names = {Path(name).stem for each in made for name in write_figures(each, tmp_path)}
    (told,) = re.findall(r"^Of a sweep they are (.*?)\n\n", TEXT, re.M | re.S)
    assert set(re.findall(r"`(\w+)`", told)) == names


def test_sizes_in_the_docs_are_those_of_the_code() -> None:
    assert BYTES < 5e6
    assert "beyond 5 MB" in TEXT
    assert "By default 24 attacked items" in TEXT
