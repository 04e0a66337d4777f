"""Cells that take no time: their work is a function of their configuration, with accidents where a test wants some.

python toy_cells.py FILE RUNS JOBS [ENGINE]      `crossattack sweep` on toys, as a process that can be killed

What happens is said by files in $TOYS: `log` has a line an attempt; of a cell whose seed stands in `kill`, the first attempt is
SIGKILLed, in `always` every one, in `raise` it raises, in `slow` it waits until the file is gone.
"""

import json
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from crossattack.cli import main
from crossattack.sweep import command

WORK = "toy_cells:work"
BASE = {"data": {"name": "scenes", "pairs": 200}, "target": {"image_tower": "convnet"}, "surrogate": {"image_tower": "convnet"}}


def work(folder: Path) -> None:
    """Write what can be told from the configuration alone."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    toys, seed = Path(os.environ["TOYS"]), config["seed"]
    with (toys / "log").open("a") as log:
        log.write(f"{config['name']} {os.getpid()}\n")
    if seed in told(toys, "raise"):
        raise ValueError(f"no luck\nwith seed {seed}")
    if seed in told(toys, "always"):
        os.kill(os.getpid(), signal.SIGKILL)
    if seed in told(toys, "kill") and not (folder / "begun").exists():
        (folder / "begun").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    while seed in told(toys, "slow"):
        time.sleep(0.01)
    time.sleep(0.01)
    write(folder, config)


def write(folder: Path, config: dict[str, Any]) -> None:
    scores = {"clean": 0.9, "attacked": config["seed"] / 1000}
    found = {"map": scores, "recovered": config["oracle"]["budget"] / 10_000}
    results = {"config": config, "directions": {"image_to_text": found}, "budget": {"spent": config["oracle"]["budget"]}}
    (folder / "results.json").write_text(json.dumps(results))


def told(toys: Path, name: str) -> list[int]:
    """Seeds in a file; none where there is none."""
    return json.loads((toys / name).read_text()) if (toys / name).exists() else []


if __name__ == "__main__":
    file, runs, jobs, *engine = sys.argv[1:]
    command.Wish = partial(command.Wish, work=WORK)  # type: ignore[assignment,misc]
    sys.exit(main(["sweep", file, "--runs", runs, "--jobs", jobs, "--engine", *(engine or ["processes"])]))
