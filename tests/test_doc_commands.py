"""Every `crossattack run` in the docs, the README and the configurations is one that would start."""

import re
import shlex
from pathlib import Path

import pytest

from crossattack import _run_command
from crossattack.cli import main
from crossattack.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "configs").rglob("*.yaml"))]
LINE = re.compile(r"^(?: {4}|# {3,})(?:uv run )?(?:python -m crossattack\.run|crossattack run)(?P<rest>[^#\n]*)", re.M)
COMMANDS = [(page.relative_to(ROOT).as_posix(), found["rest"].strip()) for page in PAGES for found in LINE.finditer(page.read_text())]


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) >= 20
    assert {"docs/threat-models.md", "docs/attacks.md", "configs/uaa_gan/face_search.yaml"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize(("page", "rest"), COMMANDS, ids=[f"{page}: {rest}" for page, rest in COMMANDS])
def test_a_run_of_the_docs_would_start(page: str, rest: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Its flags are flags, and its settings a configuration that is accepted; runs to go on with are not looked for."""
    wishes: list[_run_command.Wish] = []
    monkeypatch.setattr(_run_command, "run", wishes.append)
    monkeypatch.chdir(ROOT)
    assert main(["run", *shlex.split(rest)]) == 0, capfd.readouterr().err
    (wish,) = wishes
    if wish.path is None or wish.path.is_file():  # `mine.yaml` stands for the reader's own
        load_config(wish.path, wish.overrides, wish.flags)
