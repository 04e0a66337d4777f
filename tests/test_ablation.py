"""The report of an ablation: pieces that were measured on several days become one table."""

from pathlib import Path
from typing import Any

import pytest

from crossattack.errors import UsageError
from crossattack.report.ablation import filled, measured, merged


def row(settings: dict[str, Any], attacked: float, **more: Any) -> dict[str, Any]:
    return {"settings": settings, "map": {"attacked": attacked}, "recovered": 0.5, "recovered_ci95": [0.4, 0.6], **more}


def ablation(*rows: dict[str, Any], family: str | None = None, done: int = 0) -> dict[str, Any]:
    return {
        "sweep": "ablation",
        "done": done,
        "cells": 9,
        "tables": [{"shared": {"attack.families": family, "attack.queries": 0}, "rows": list(rows)}],
    }


CHANGE = {"difference": 0.1, "significant": True}


def test_new_rows_join_their_table_and_the_first_row_stays() -> None:
    kept = ablation(row({}, 0.3), row({"attack.copies": 2}, 0.2, **CHANGE), row({"attack.late": 5}, 0.29, **CHANGE), done=3)
    found = ablation(row({}, 0.31), row({"attack.late": 5}, 0.28, **CHANGE), row({"attack.affine": 1}, 0.1, **CHANGE), done=3)
    whole = merged(kept, found)
    (table,) = whole["tables"]
    assert [(one["settings"], one["map"]["attacked"]) for one in table["rows"]] == [
        ({}, 0.3),
        ({"attack.copies": 2}, 0.2),
        ({"attack.late": 5}, 0.28),
        ({"attack.affine": 1}, 0.1),
    ]
    assert (whole["done"], whole["cells"]) == (4, 9)
    assert merged(whole, found) == whole


def test_a_table_that_is_new_comes_last_with_its_own_first_row() -> None:
    kept, found = ablation(row({}, 0.3)), ablation(row({}, 0.6), row({"attack.affine": 1}, 0.4, **CHANGE), family="mobilenet_v2")
    whole = merged(kept, found)
    assert whole["tables"] == [*kept["tables"], *found["tables"]]
    page = filled("<!-- ablation -->\n<!-- end -->\n", whole)
    assert "| `affine=1` | 0.400 | 50 % [40, 60] | +0.100 * |" in page
    assert page.index("the target's own family") < page.index("Surrogates of `mobilenet_v2`")


def test_a_folder_that_is_no_sweep_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a sweep's folder with its sweep.json wanted"):
        measured(tmp_path)
