"""What a sweep costs beside its cells: milliseconds for each of cells that do nothing, one after the other and two at a time.

uv run python benchmarks/sweep.py
"""

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from crossattack.sweep.command import Wish, sweep
from crossattack.sweep.table import Table

CELLS = 200
BASE = {"data": {"name": "scenes"}, "target": {"image_tower": "convnet"}, "surrogate": {"image_tower": "convnet"}}


def nothing(folder: Path) -> None:
    """Results of the right cell, and no more."""
    config = yaml.load((folder / "config.yaml").read_text(), yaml.CSafeLoader)
    (folder / "results.json").write_text(json.dumps({"config": config, "directions": {}}))


def milliseconds(file: Path, jobs: int) -> dict[str, float]:
    """A cell's share of the time from the first one's start to the last one's end, and its own as the record has it."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        began = time.perf_counter()
        sweep(Wish(path=file, runs=Path(folder), jobs=jobs, quiet=True, work="sweep:nothing"))
        whole = time.perf_counter() - began
        with Table.read(Path(folder) / file.stem / "sweep.sqlite") as table:
            rows = table.rows()
    started = sorted(row.started for row in rows if row.started is not None)
    gaps = [later - earlier for earlier, later in zip(started[jobs:], started[jobs + 1 :], strict=False)]
    own = median(row.seconds for row in rows if row.seconds is not None)
    return {"between cells": round(1000 * sum(gaps) / len(gaps), 2), "a cell": round(1000 * own, 2), "whole sweep, s": round(whole, 2)}


def main() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where workers find `nothing`
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder) / "nothing.yaml"
        file.write_text(yaml.safe_dump({"base": BASE, "grid": {"seed": list(range(CELLS))}}))
        print(json.dumps({"cells": CELLS, **{f"jobs {jobs}": milliseconds(file, jobs) for jobs in (1, 2)}}, indent=2))


if __name__ == "__main__":
    main()
