"""The docs' table of attacks: a row for each file, from what the plugin says of itself and from what was measured."""

import json
import re
from pathlib import Path

import pytest

from crossattack.registry import ATTACKS, OBJECTIVES
from crossattack.report.attacks import facts, table

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "attacks.md").read_text(encoding="utf-8")
MEASURED = json.loads((DOCS / "results/attacks.json").read_text(encoding="utf-8"))["attacks"]


def test_the_table_is_the_one_of_the_plugins_and_the_kept_figures() -> None:
    (block,) = re.findall(r"<!-- attacks -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert block == table(MEASURED)
    assert [re.findall(r"`(\w+)`", line)[0] for line in block.splitlines()[2:]] == list(ATTACKS.names())


def test_every_kept_figure_is_of_an_attack_that_is_there_and_names_its_command() -> None:
    assert set(MEASURED) <= set(ATTACKS.names())
    for name, one in MEASURED.items():
        assert re.search(rf"--attack {name}\b", one["command"])


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_every_objective_is_told_of(name: str) -> None:
    assert f"`{name}`" in PAGE.partition("## Objectives")[2] or f"name: {name}," in PAGE


@pytest.mark.parametrize("name", [name for name in ATTACKS.names() if name != "noise"])
def test_every_attack_names_its_paper_and_its_year(name: str) -> None:
    assert re.search(r"\d{4}$", facts(name).paper), facts(name).paper
