"""The docs' table of targets: a row for each file, from what the plugin says of itself and from what was measured."""

import json
import re
from pathlib import Path

import pytest

from crossattack.registry import TARGETS
from crossattack.report.quality import HEADER, table

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "targets.md").read_text(encoding="utf-8")
MEASURED = json.loads((DOCS / "results/targets.json").read_text(encoding="utf-8"))["targets"]
TRAINED = [name for name in TARGETS.names() if not {"remote", "brought"} & set(vars(TARGETS.load(name)))]


def test_the_table_is_the_one_of_the_plugins_and_the_kept_figures() -> None:
    (block,) = re.findall(r"<!-- targets -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert block == table(MEASURED)
    assert [re.findall(r"`(\w+)`", line)[0] for line in block.splitlines()[2:]] == TRAINED


def test_a_row_has_means_over_seeds_and_dashes_where_nothing_was_measured() -> None:
    one = {"map": {"image_to_text": 0.5, "text_to_image": 0.25}, "floor": 0.1, "seconds": 100.0, "parameters": 1_500_000}
    two = {"map": {"image_to_text": 0.7, "text_to_image": 0.75}, "floor": 0.1, "seconds": 200.0, "parameters": 1_500_000}
    lines = {re.findall(r"`(\w+)`", line)[0]: line for line in table({"ucch": {"0": one, "1": two}}).splitlines()[2:]}
    assert lines["ucch"].endswith("| 2 | 0.600 | 0.500 | 0.100 | 150 | 1.5 M |")
    assert lines["ucch"].split(" | ")[1] == "pairs alone"
    assert lines["dcmh"].split(" | ")[1] == "labels"
    assert lines["dadh"].count("–") == len(HEADER) - 3


@pytest.mark.parametrize("name", [name for name, seeds in MEASURED.items() if seeds])
def test_every_measured_target_finds_far_more_than_a_random_ranking(name: str) -> None:
    for one in MEASURED[name].values():
        assert min(one["map"].values()) >= one["floor"] + 0.2


@pytest.mark.parametrize("name", TRAINED)
def test_every_target_is_told_of_and_names_its_paper(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert re.search(r"Paper: .*\d{4}\.", " ".join(str(TARGETS.load(name).__doc__).split()))
