"""The report of an ablation: pieces that were measured on several days become one table."""

from pathlib import Path
from typing import Any

import pytest

from crossattack.errors import UsageError
from crossattack.report.ablation import filled, measured, merged


def row(settings: dict[str, Any], attacked: float, **more: Any) -> dict[str, Any]:
    return {"settings": settings, "map": {"attacked": attacked}, "recovered": 0.5, "recovered_ci95": [0.4, 0.6], **more}


def ablation(*rows: dict[str, Any], family: str | None = None, target: str = "first") -> dict[str, Any]:
    table = {"shared": {"attack.families": family, "attack.queries": 0}, "target": target, "rows": list(rows)}
    return {"sweep": "ablation", "done": len(rows), "cells": 9, "tables": [table]}


CHANGE = {"difference": 0.1, "significant": True}


def test_another_training_of_the_target_has_a_table_of_its_own() -> None:
    kept = ablation(row({}, 0.3), row({"attack.copies": 2}, 0.2, **CHANGE))
    found = ablation(row({}, 0.5), row({"attack.affine": 1}, 0.4, **CHANGE), target="second")
    whole = merged(kept, found)
    assert whole["tables"] == [*kept["tables"], *found["tables"]]
    assert (whole["done"], whole["cells"]) == (3, 9)  # the first row of both is one run of the grid
    assert merged(whole, found) == whole
    page = filled("<!-- ablation -->\n<!-- end -->\n", whole)
    assert page.count("**Surrogates of the target's own family**") == 1
    assert page.count("**Surrogates of the target's own family, another training of the target**") == 1
    assert "| `affine=1` | 0.400 | 50 % [40, 60] | +0.100 * |" in page


def test_a_table_of_the_same_target_takes_the_place_of_its_elder() -> None:
    kept = ablation(row({}, 0.3), row({"attack.copies": 2}, 0.2, **CHANGE))
    longer = ablation(row({}, 0.3), row({"attack.copies": 2}, 0.2, **CHANGE), row({"attack.late": 5}, 0.28, **CHANGE))
    other = ablation(row({}, 0.6), row({"attack.affine": 1}, 0.4, **CHANGE), family="mobilenet_v2")
    assert merged(kept, longer)["tables"] == longer["tables"]
    assert merged(merged(kept, other), longer)["tables"] == [*longer["tables"], *other["tables"]]


def test_a_folder_that_is_no_sweep_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a sweep's folder with its sweep.json wanted"):
        measured(tmp_path)
