"""Every example of the folder runs, in a process of its own, and prints what the suite says elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossattack.config import load_config

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TESTED_ELSEWHERE = {"cifar10_epsilon": "test_cifar10_example", "private_classes": "test_private_pictures"}
TESTED_ELSEWHERE |= {"private_pictures": "test_private_pictures"}
HERE = {"my_own_model", "new_attack", "http_service", "aach_protocol"}


def printed(cache: Path, name: str, *arguments: str) -> str:
    """What an example prints to stdout; whatever goes wrong is shown."""
    environment = {**os.environ, "CROSSATTACK_CACHE": str(cache), "COLUMNS": "200"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def rows(table: str) -> dict[str, list[str]]:
    """Lines of the examples' own table, by name: queries, mAP clean, noise, attacked, ceiling, floor, recovered."""
    found = [re.split(r" {2,}", line.strip()) for line in table.splitlines()]
    return {row[0]: row[1:] for row in found if len(row) == 8}


def test_each_example_is_listed_and_tested() -> None:
    names = {file.stem for file in EXAMPLES.glob("*.py") if not file.stem.startswith("_")}
    assert names == HERE | set(TESTED_ELSEWHERE)
    assert set(re.findall(r"examples/(\w+)\.py", (EXAMPLES / "README.md").read_text(encoding="utf-8"))) == names
    for name, test in TESTED_ELSEWHERE.items():
        assert name in (ROOT / f"tests/{test}.py").read_text(encoding="utf-8")


def test_my_own_model_is_perfect_at_first_and_the_white_box_breaks_it(tmp_path: Path) -> None:
    shown = {row[0]: row[1] for line in printed(tmp_path, "my_own_model").splitlines() if len(row := re.split(r" {2,}", line)) >= 2}
    scores = {
        name: float(shown[f"mAP, {name}"].split()[0]) for name in ("clean", "attacked", "ceiling (white box)", "floor (random ranking)")
    }
    assert scores["clean"] > 0.99
    assert scores["clean"] > scores["attacked"] > scores["ceiling (white box)"] > scores["floor (random ranking)"]


def test_a_new_attack_stands_beside_noise_and_aach_and_pays_for_what_it_asks(tmp_path: Path) -> None:
    found = rows(printed(tmp_path, "new_attack", "--attacked", "40"))
    assert list(found) == ["Noise", "Blend", "Aach"]
    assert (found["Noise"][0], found["Blend"][0]) == ("0", "140"), "100 own pictures and 40 attacked ones"
    assert float(found["Blend"][3]) < float(found["Noise"][3]) - 0.1
    assert found["Noise"][4] == found["Blend"][4], "one ceiling for all"


def test_an_http_service_is_started_attacked_and_counts_what_the_ledger_does(tmp_path: Path) -> None:
    sizes = ("--set", "data.pairs=240", "--set", "data.pixels=16", "--attacked", "10", "--budget", "60", "--epochs", "1")
    said = printed(tmp_path, "http_service", *sizes, "--folder", str(tmp_path / "run"))
    (row,) = rows(said).values()
    assert row[4] == "-", "there is no white box of a service"
    spent, evaluation, counted = (
        int(number) for number in re.findall(r": (\d+)|and (\d+)|, (\d+) of", said) for number in number if number
    )
    assert spent == int(row[0]) <= 60
    assert spent + evaluation == counted
    assert (tmp_path / "run/results.json").is_file()


def test_aach_protocol_runs_the_files_of_the_paper_and_shows_a_finished_run_again(tmp_path: Path) -> None:
    asked = ("--quick", "--pairs", "400", "--only", "iterations-0", "queries-200", "--runs", str(tmp_path / "runs"))
    found = rows(printed(tmp_path, "aach_protocol", *asked))
    assert list(found) == ["iterations-0", "queries-200"]
    assert found["iterations-0"][1] == found["iterations-0"][3], "no step, no change"
    assert 0 < int(found["queries-200"][0]) <= 200
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == {"iterations-0-quick", "queries-200-quick"}


def test_the_new_attack_is_a_setting_of_the_command_line_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    ((name, setting),) = re.findall(r"crossattack run --attack (\S+) --set (\S+)", page)
    attack = load_config(overrides=[f"attack={name}", setting]).attack
    assert (type(attack.plugin).__name__, attack.plugin.pairs) == ("Blend", 100)


@pytest.mark.usefixtures("empty_cache")
def test_the_code_of_the_api_s_page_runs_and_says_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "api_page"}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(compile(block, "docs/api.md", "exec"), names)
    scores, losses, left, refused = capsys.readouterr().out.splitlines()
    assert set(eval(scores)) >= {"clean", "noise", "attacked", "ceiling", "floor"}
    assert len(eval(losses)) == 3
    assert left == "40"
    assert refused.startswith("60 queries wanted, 40 of 100 left; nothing was sent.")
