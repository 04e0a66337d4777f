"""How well each target finds on pictograms, and what its training costs: what the table of docs/targets.md is made of.

OMP_NUM_THREADS=1 uv run python benchmarks/targets.py docs/results/targets.json [--seeds 1] [NAME ...]

mAP@all of all queries in both directions, 32 bits where it hashes, in expectation over the orders of ties; the floor is that of a
random ranking. What the file has already is not measured again; more seeds go on where it ended, names measure those targets alone.
Each figure is of the number of threads that stands beside it. A target takes some minutes a seed.
"""

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossattack._machine import settle
from crossattack.cache import whole_file
from crossattack.datasets.pictograms import Pictograms
from crossattack.metrics.ranking import random_average_precision, share_a_label
from crossattack.progress import Silent
from crossattack.registry import TARGETS
from crossattack.targets._quality import both_ways

BITS = 32
MEASURED = ("dcmh", "dadh", "djsrh", "ucch", "acmr")
OWN: dict[str, dict[str, Any]] = {}  # settings that differ from the defaults


def measure(name: str, seed: int) -> dict[str, Any]:
    """One training, or what the cache keeps of it, and what it is worth."""
    pairs, split = Pictograms().load(Silent())
    plugin = TARGETS.load(name)
    bits = {"bits": BITS} if "bits" in {field.name for field in fields(plugin)} else {}
    settings = {**bits, **OWN.get(name, {}), "seed": seed}
    target = plugin(**settings).load(pairs.take(split.train), device="cpu", progress=Silent())
    query, database = pairs.take(split.query), pairs.take(split.database)
    relevant = share_a_label(query.labels, database.labels).sum(1)
    return {
        "settings": settings,
        "digest": target.digest,
        "map": both_ways(target, target.similarity, query, database, "cpu"),
        "floor": float(np.mean(random_average_precision(relevant, len(database)))),
        "seconds": target.facts["seconds"],
        "parameters": sum(parameter.numel() for parameter in target.network.parameters()),
        "dim": target.dim,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    settle()
    kept = json.loads(asked.path.read_text(encoding="utf-8")) if asked.path.exists() else {"targets": {}}
    for seed in range(asked.seeds):
        for name in asked.names or MEASURED:
            seeds = kept["targets"].setdefault(name, {})
            if str(seed) in seeds:
                continue
            print(name, "seed", seed, "load", os.getloadavg()[0], flush=True)
            seeds[str(seed)] = measure(name, seed)
            print(json.dumps(seeds[str(seed)]["map"]), flush=True)
            kept["targets"] = {key: kept["targets"][key] for key in MEASURED if kept["targets"].get(key)}
            with whole_file(asked.path) as file:
                file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
