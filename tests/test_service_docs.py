"""docs/service.md tells what is true: its commands, its codes, its example."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer
from served import serving

from crossattack.cli import app
from crossattack.serve import images, reading
from crossattack.serve.start import MOST_CONNECTIONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/service.md").read_text(encoding="utf-8")


def codes_in_source() -> set[str]:
    """First words of everything that the service refuses."""
    found = set()
    for path in (ROOT / "crossattack/serve").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Refusal", "ItemRefused"):
                code = node.args[1 if getattr(node.func, "id", "") == "Refusal" else 0]
                found |= {one.value for one in ast.walk(code) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found | {"not_found", "wrong_method"}  # from a table of statuses


def test_every_refusal_is_in_the_table_and_no_other() -> None:
    section = PAGE.partition("## What is refused")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("|")][2:]
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes_in_source()


def test_limits_on_the_page_are_those_of_the_code() -> None:
    assert reading.MOST_BYTES == {"images": 16 << 20, "texts": 1 << 20}
    assert (reading.LONGEST_TEXT, reading.MOST_WORDS, reading.PATIENCE, images.MOST_PIXELS) == (2000, 256, 30, 16_000_000)
    assert f"More than {MOST_CONNECTIONS} connections" in PAGE


def test_commands_on_the_page_and_in_the_help_are_understood() -> None:
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    text = PAGE + (command.help or "")
    commands = re.findall(r"^ +crossattack serve(.*)$", text, re.M)
    assert len(commands) == 6
    for line in commands:
        command.make_context("serve", shlex.split(line))
    flags = {flag for option in command.params for flag in option.opts} - {"--help"}
    assert set(re.findall(r"--[a-z][a-z-]*", PAGE.partition("## Tokens")[0])) == flags


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    with serving(tmp_path / "state.sqlite") as served:
        names: dict[str, object] = {}
        exec(example.replace("http://127.0.0.1:8765", served.url), names)
        names["service"].close()  # type: ignore[attr-defined]
    *hits, stats = capsys.readouterr().out.splitlines()
    assert len(hits) == 3
    assert stats == "{'items': 1, 'images': 0, 'texts': 1, 'replayed': 0}"
