"""Loaders: a set of 20,015 pictures of 224 pixels read batch by batch, beside h5py alone, and the memory that it takes.

    uv run python benchmarks/loaders.py [--pairs 20015] [--pixels 224]

writes a file as MATLAB does (layout A, uncompressed: 3.0 GB) to a temporary folder and removes it in the end. Both read the same batches
of 128 pictures in the order of the file, turn and turn about; the loader also hands them out upright. Memory is the most that the
process ever held (VmHWM) beyond its start, after loading, one pass, and one batch drawn at random.
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from rich.console import Console

from crossattack.datasets.mirflickr import Mirflickr
from crossattack.progress import Silent
from crossattack.stored import BATCH, in_batches

ROUNDS = 3
console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_015)
    parser.add_argument("--pixels", type=int, default=224)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), asked.pairs, asked.pixels)
        gigabytes = path.stat().st_size / 1e9
        started = most_held()
        began = time.perf_counter()
        pairs, split = Mirflickr(root=folder, **sizes(asked.pairs)).load(Silent())
        console.print(f"{asked.pairs:,} pairs, {gigabytes:.2f} GB: loaded in {time.perf_counter() - began:.2f} s")
        database = pairs.take(split.database)

        def ours() -> None:
            for _ in in_batches(pairs.images):
                pass

        def bare() -> None:
            with h5py.File(path, "r") as file:
                for start in range(0, asked.pairs, BATCH):
                    file["images"][start : start + BATCH]

        seconds = best({"h5py alone": bare, "this loader": ours})
        drawn = torch.from_numpy(np.random.default_rng(0).permutation(len(database))[:BATCH])
        began = time.perf_counter()
        assert len(database.images[drawn]) == BATCH
        random = time.perf_counter() - began
    for name, taken in seconds.items():
        console.print(f"{name:<14} {taken:6.2f} s  {gigabytes / taken:6.2f} GB/s")
    console.print(f"throughput of h5py's: {seconds['h5py alone'] / seconds['this loader']:.0%}")
    console.print(f"{BATCH} pictures at random: {1000 * random:.0f} ms")
    console.print(f"most memory held: {most_held() / 1e9:.2f} GB, of which {(most_held() - started) / 1e9:.2f} GB since the start")
    console.print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def sizes(pairs: int) -> dict[str, int]:
    """The split of DCMH where there are enough pairs for it."""
    return {} if pairs >= 15_000 else {"query": pairs // 10, "train": pairs // 2, "attacker": pairs // 10, "held_back": pairs // 100}


def written(folder: Path, pairs: int, pixels: int) -> Path:
    """Noise, as MATLAB lays it out, chunk by chunk."""
    rng, path = np.random.default_rng(0), folder / "FLICKR-25K.mat"
    noise = rng.integers(0, 255, (BATCH, 3, pixels, pixels), np.uint8)
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (pairs, 3, pixels, pixels), "u1")
        for start in range(0, pairs, BATCH):
            images[start : start + BATCH] = noise[: min(BATCH, pairs - start)]
        file["YAll"] = (rng.random((1386, pairs)) < 0.003).astype(np.uint8)
        file["LAll"] = np.eye(24, dtype=np.uint8)[:, np.arange(pairs) % 24]
    return path


def best(ways: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Seconds of the best of several rounds, turn and turn about."""
    taken = {name: list[float]() for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return {name: min(rounds) for name, rounds in taken.items()}


def most_held() -> int:
    """Bytes of memory that this process held at most, so far (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


if __name__ == "__main__":
    main()
