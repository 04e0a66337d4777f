"""What became of a sweep: each cell's results in short, and sweep.json with all of them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from crossattack.cache import whole_file
from crossattack.one_run import whole_results
from crossattack.sweep.grid import digest_of
from crossattack.sweep.table import STATES, Row

SCHEMA: Final = 1
TOLD: Final = ("map", "map_ci95", "recovered", "recovered_ci95", "over_noise", "over_noise_ci95")
UNKNOWN: Final = {"directions": None, "budget": None, "surrogates": None}
FIDELITY: Final = ("image_tower", "text_tower", "bit_agreement", "rank_agreement", "feature_agreement")


def results_of(folder: Path, digest: str) -> Mapping[str, Any] | None:
    """The results of a cell that came to its end; None where they are not whole, or another cell's."""
    results = whole_results(folder)
    config = results.get("config") if results else None
    return results if isinstance(config, dict) and digest_of(config) == digest else None


def headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """What sweep.json says of a cell's results."""
    directions = {name: {key: one.get(key) for key in TOLD} for name, one in results["directions"].items()}
    surrogates = [{key: one.get(key) for key in FIDELITY} for one in results.get("surrogates", ())]
    return {"directions": directions, "budget": {"spent": results.get("budget", {}).get("spent")}, "surrogates": surrogates}


def seconds_of(results: Mapping[str, Any]) -> float | None:
    """How long the run says it took."""
    total = results.get("seconds", {}).get("total")
    return float(total) if isinstance(total, int | float) else None


def summary(name: str, keys: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    """sweep.json: schema 1. `directions`, `budget` and `surrogates` are null until a cell is done."""
    counts = Counter(row.state for row in rows)
    return {
        "schema": SCHEMA,
        "name": name,
        "keys": list(keys),
        "counts": {state: counts[state] for state in STATES},
        "cells": [
            {
                "digest": row.digest,
                "values": dict(row.values),
                "state": row.state,
                "attempts": row.attempts,
                "seconds": row.seconds,
                "reason": row.reason,
                **UNKNOWN,
                **(row.headline or {}),
            }
            for row in rows
        ],
    }


def write_summary(path: Path, told: Mapping[str, Any]) -> None:
    """sweep.json, whole."""
    with whole_file(path) as file:
        file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
