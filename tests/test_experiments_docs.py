"""docs/experiments.md tells and draws the kept sweeps."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log10
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs/experiments.md").read_text(encoding="utf-8").split())
KEPT = json.loads((ROOT / "docs/results/budget.json").read_text(encoding="utf-8"))
BUDGETS = (100, 200, 300, 400, 500, 1000, 2000, 5000)


def cells(attack: str, budget: int) -> list[dict[str, Any]]:
    """The three seeds of a point."""
    found = [cell for cell in KEPT["cells"] if (cell["values"]["attack"], cell["values"]["oracle.budget"]) == (attack, budget)]
    assert [(cell["values"]["seed"], cell["state"]) for cell in found] == [(seed, "done") for seed in (0, 1, 2)]
    return found


def recovered(attack: str, budget: int, direction: str = "image_to_text") -> str:
    return f"{100 * mean(cell['directions'][direction]['recovered'] for cell in cells(attack, budget)):.0f} %"


def interval(attack: str, budget: int) -> str:
    wanted = [cell["digest"] for cell in cells(attack, budget)]
    (pooled,) = [one for one in KEPT["intervals"] if one["cells"] == wanted]
    return "[{:.0f}, {:.0f}]".format(*(100 * bound for bound in pooled["directions"]["image_to_text"]["recovered_ci95"]))


def area(attack: str) -> float:
    """Mean height of recovered over log10 of the queries spent, by trapezoids; mean over the seeds."""

    def of(points: Sequence[tuple[float, float]]) -> float:
        return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points)) / (points[-1][0] - points[0][0])

    by_seed = zip(*(cells(attack, budget) for budget in BUDGETS), strict=True)
    return mean(
        of([(log10(cell["budget"]["spent"]), cell["directions"]["image_to_text"]["recovered"]) for cell in line]) for line in by_seed
    )


def test_what_a_query_buys_is_told_as_it_was_measured() -> None:
    assert len(KEPT["cells"]) == 48
    clean, attacked = (
        mean(cell["directions"]["image_to_text"]["map"][name] for cell in cells("aach", 100)) for name in ("clean", "attacked")
    )
    told = [f"{recovered('aach', budget)} {interval('aach', budget)}" for budget in (100, 1000, 5000)]
    assert f"from {clean:.3f} to {attacked:.3f}, {told[0]} of what a white box takes; 1,000 take {told[1]}, and all" in PAGE
    assert f"could ask, {told[2]}." in PAGE
    texts = [recovered("aach", budget, "text_to_image") for budget in (100, 500, 1000, 2000)]
    assert "100 queries recover {}, 500 recover {}, 1,000 recover {}, 2,000 recover {};".format(*texts) in PAGE
    (spent,) = {cell["budget"]["spent"] for cell in cells("aach", 5000)}
    assert f"came to {spent:,} different items" in PAGE
    assert (
        f"`mi_fgsm` recovers {recovered('mi_fgsm', 500)} of pictures after 500 queries, AACH {recovered('aach', 1000)} after 1,000;" in PAGE
    )
    assert f"they recover {100 * area('mi_fgsm'):.0f} % and {100 * area('aach'):.0f} %" in PAGE
    bits = [f"{100 * mean(cell['surrogates'][0]['bit_agreement'] for cell in cells('aach', budget)):.0f} %" for budget in (100, 1000, 5000)]
    assert "{} after 100 queries, {} after 1,000, {} at the end".format(*bits) in PAGE


@pytest.mark.parametrize("name", ["budget", "transfer", "eps", "bits", "iterations", "leaderboard"])
def test_the_figure_is_drawn_from_the_kept_sweep(name: str, tmp_path: Path) -> None:
    drawn = tmp_path / f"{name}.svg"
    subprocess.run([sys.executable, "-m", "crossattack.report.sweep", str(ROOT / f"docs/results/{name}.json"), str(drawn)], check=True)
    told = [re.findall(r"<!-- ([^>]*) -->", path.read_text(encoding="utf-8")) for path in (drawn, ROOT / f"docs/{name}.svg")]
    assert told[0] == told[1]
    assert len(told[0]) > 10


class TestTransfer:
    KEPT = json.loads((ROOT / "docs/results/transfer.json").read_text(encoding="utf-8"))
    TOWERS = ("efficientnet_lite0", "mobilenet_v2", "convnet")

    def mean(self, target: str, surrogate: str, of: Callable[[dict[str, Any]], float]) -> float:
        wanted = {"target.image_tower": target, "surrogate.image_tower": surrogate}
        return mean(of(cell) for cell in self.KEPT["cells"] if cell["state"] == "done" and wanted.items() <= cell["values"].items())

    def recovered(self, target: str, surrogate: str, direction: str = "image_to_text") -> float:
        return 100 * self.mean(target, surrogate, lambda cell: cell["directions"][direction]["recovered"])

    def test_who_knows_the_family_is_told_as_it_was_measured(self) -> None:
        assert [cell["state"] for cell in self.KEPT["cells"]] == ["done"] * 27
        own = mean(self.recovered(tower, tower) for tower in self.TOWERS)
        other = mean(self.recovered(target, surrogate) for target in self.TOWERS for surrogate in self.TOWERS if target != surrogate)
        assert (
            f"own network recovers {own:.0f} % of what a white box takes, one with another {other:.0f} %, a gap of {own - other:.0f} points"
            in PAGE
        )
        lite, mobile = "efficientnet_lite0", "mobilenet_v2"
        shares = [self.recovered(*pair) for pair in ((lite, lite), (mobile, mobile), (lite, mobile), (mobile, lite))]
        assert (
            "{:.0f} % for `efficientnet_lite0`, {:.0f} % for `mobilenet_v2`, and of those two on each other {:.0f} % and {:.0f} %.".format(
                *shares
            )
            in PAGE
        )
        bits = [100 * self.mean(target, lite, lambda cell: cell["surrogates"][0]["bit_agreement"]) for target in (mobile, lite)]
        assert "has {:.0f} % of the bits of a `mobilenet_v2` target it never harms, and {:.0f} % of those".format(*bits) in PAGE
        texts = [self.recovered(target, surrogate, "text_to_image") for target in self.TOWERS for surrogate in self.TOWERS]
        assert f"and {min(texts):.0f} % to {max(texts):.0f} % are recovered" in PAGE
        scores = [self.mean("convnet", "convnet", lambda cell: cell["directions"]["image_to_text"]["map"]["clean"])]
        scores += [self.mean("convnet", "convnet", lambda cell: cell["directions"]["image_to_text"]["map"]["ceiling"])]
        assert "only from {:.3f} to {:.3f}".format(*scores) in PAGE
