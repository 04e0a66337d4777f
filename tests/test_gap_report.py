"""The report of the gap: which cell answers to which goal, and what noise would have recovered."""

from pathlib import Path
from typing import Any

from crossattack.report.gap import GOALS, TEXTS, draw, filled, rows_of, tables


def cell(attack: Any, budget: int, *, attacked: float = 0.3, done: bool = True, **values: Any) -> dict[str, Any]:
    scores = {"clean": 0.7, "noise": 0.6, "attacked": attacked, "ceiling": 0.2, "floor": 0.1}
    taken = (0.7 - attacked) / 0.5
    side = {"map": scores, "recovered": taken, "recovered_ci95": [taken - 0.1, taken + 0.1]}
    other = {"map": {**scores, "attacked": 0.7}, "recovered": 0.0, "recovered_ci95": [0.0, 0.0]}
    sides = {"text_to_image": side, "image_to_text": other} if values.get("ceiling") == "tags" else {"image_to_text": side}
    return {
        "values": {"attack": attack, "oracle.budget": budget, **values},
        "state": "done" if done else "pending",
        "directions": sides if done else None,
        "budget": {"spent": budget - 1} if done else None,
    }


def ours(*families: str, **settings: Any) -> dict[str, Any]:
    return {"name": "understudy", "families": list(families), **settings}


KEPT = {
    "cells": [
        cell("aach", 2000, attacked=0.5),
        cell(ours("efficientnet_lite0", "mobilenet_v2:default"), 2000, attacked=0.25),
        cell(ours("efficientnet_lite0", "mobilenet_v2:default"), 500),
        cell(ours("mobilenet_v2:default"), 2000),
        cell(ours("mobilenet_v2:default", queries=100), 52000, done=False),
        cell(ours("convnet"), 2000, attacked=0.75, **{"target.image_tower": "convnet"}),
        cell(ours("convnet", queries=100), 52000, **{"target.image_tower": "convnet"}),
        cell({"name": "understudy", "texts": 0.75}, 2000, ceiling="tags"),
    ]
}


def test_each_cell_answers_to_its_goal_and_goals_come_in_their_order() -> None:
    rows = rows_of(KEPT)
    assert [row.goal for row in rows if row.goal] == list(GOALS)
    assert [row.target for row in rows if row.goal] == ["efficientnet_lite0"] * 4 + ["convnet"] * 2 + [TEXTS]
    assert [row.who for row in rows if not row.goal] == ["aach", "noise", "noise", "noise"]


def test_figures_are_those_of_the_direction_that_is_attacked_and_what_was_not_run_says_so() -> None:
    goals, others = tables(KEPT)
    assert (
        "| family not told, 2,000 queries | `efficientnet_lite0` | 85 % | 90 % [80, 100] | 0.700 → 0.250, white box 0.200 | 1,999 |"
        in goals
    )
    assert "| family excluded, 100 more a picture | `efficientnet_lite0` | 80 % | not run yet | – | – |" in goals
    assert "| two edited words | texts | 60 % | 80 % [70, 90] | 0.700 → 0.300, white box 0.200 | 1,999 |" in goals
    assert "| `aach` | `efficientnet_lite0` | 40 % [30, 50] | 0.700 → 0.500, white box 0.200 | 1,999 |" in others
    assert "| `noise` | `convnet` | 20 % | 0.700 → 0.600, white box 0.200 | 0 |" in others
    page = filled("<!-- goals -->\nold\n<!-- end -->\n<!-- others -->\n<!-- end -->\n", KEPT)
    assert page == f"<!-- goals -->\n{goals}<!-- end -->\n<!-- others -->\n{others}<!-- end -->\n"


def test_the_figure_has_a_bar_for_each_that_was_run(tmp_path: Path) -> None:
    draw(KEPT, tmp_path / "gap.svg")
    drawn = (tmp_path / "gap.svg").read_text(encoding="utf-8")
    for words in ("understudy: family not told, 500 queries", "aach, 1,999 queries", "90 % [80, 100]", "texts, two edited words"):
        assert f"<!-- {words} -->" in drawn
    assert "family excluded, 100 more" not in drawn
