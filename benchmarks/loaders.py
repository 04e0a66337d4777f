"""Loaders: a set of 20,015 pictures of 224 pixels read batch by batch, beside h5py alone, and the memory that it takes; and files.

    uv run python benchmarks/loaders.py [--pairs 20015] [--pixels 224] [--files 4000]

writes a file as MATLAB does (layout A, uncompressed: 3.0 GB) to a temporary folder and removes it in the end. Both read the same batches
of 128 pictures in the order of the file, turn and turn about; the loader also hands them out upright. Memory is the most that the
process ever held (VmHWM) beyond its start, after loading, one pass, and one batch drawn at random.

Then JPEG files of 500 x 375 pixels, decoded, brought to 224 x 224 and handed out in the same batches: one by one, by this loader's threads,
and by a DataLoader of torch with a process a core, once started anew for every pass, once kept.
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
from PIL import Image
from rich.console import Console
from torch.utils.data import DataLoader, Dataset

from crossattack.datasets._files import Files, in_folder
from crossattack.datasets._pictures import read_picture
from crossattack.datasets._shelves import FileShelf
from crossattack.datasets.mirflickr import Mirflickr
from crossattack.progress import Silent
from crossattack.stored import BATCH, StoredImages, in_batches

ROUNDS = 3
console = Console()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_015)
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--files", type=int, default=4000)
    asked = parser.parse_args()
    if asked.pairs:
        from_array(asked)
    if asked.files:
        from_files(asked.files)
    console.print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def from_array(asked: argparse.Namespace) -> None:
    """One HDF5 file."""
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


class Decoded(Dataset[torch.Tensor]):
    """The same pictures for torch's DataLoader."""

    def __init__(self, files: Files, names: list[str]) -> None:
        self.files, self.names = files, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, item: int) -> torch.Tensor:
        return torch.from_numpy(read_picture(self.files, self.names[item], 224, 224).copy())


def from_files(count: int) -> None:
    """A folder of photographs."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            photograph(Path(folder, f"im{number}.jpg"), number)
        files = in_folder(Path(folder))
        names, workers = list(files.names), os.cpu_count() or 1
        kept = DataLoader(Decoded(files, names), BATCH, num_workers=workers, persistent_workers=True)

        def one_by_one() -> None:
            for start in range(0, count, BATCH):
                torch.stack([torch.from_numpy(read_picture(files, name, 224, 224).copy()) for name in names[start : start + BATCH]])

        def threads() -> None:
            for _ in in_batches(StoredImages(FileShelf(files, names, (224, 224)))):
                pass

        def processes() -> None:
            for _ in DataLoader(Decoded(files, names), BATCH, num_workers=workers):
                pass

        def processes_kept() -> None:
            for _ in kept:
                pass

        ways = {"one by one": one_by_one, "this loader": threads, "DataLoader": processes, "DataLoader, kept": processes_kept}
        seconds = best(ways)
    for name, taken in seconds.items():
        console.print(
            f"{name:<18} {taken:6.2f} s  {count / taken:6.0f} pictures/s  {seconds['this loader'] / taken:.2f} of this loader's speed"
        )


def photograph(path: Path, seed: int) -> None:
    """Blurred noise of a photograph's size; 40 to 50 kB."""
    small = np.random.default_rng(seed).integers(0, 255, (94, 125, 3), np.uint8)
    Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=85)


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
        tags = file.create_dataset("YAll", (1386, pairs), "u1")
        for word in range(1386):  # in parts, as the memory that is measured is not to be that of writing
            tags[word] = rng.random(pairs) < 0.003
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
