"""Metrics: seconds and ratios against the field's own way, in one run on this machine.

    uv run python benchmarks/metrics.py

Peers run in the same process, turn and turn about, and the best of several rounds counts. Ours takes one core; peers take
what their libraries take, so a busy machine flatters us: threads that wait for each other wait long. Quote quiet runs.
"""

import os
import resource
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch
from numpy import ndarray
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from crossattack.codes import differing, harden, pack
from crossattack.metrics import _counting
from crossattack.metrics.perceptual import psnr
from crossattack.metrics.ranking import TieOrder, by_labels, mean_average_precision, share_a_label
from crossattack.metrics.statistics import bootstrap_recovered
from crossattack.metrics.structure import ssim

POPCOUNTS_PER_SECOND = 3.58e9  # 64-bit words a core, all in its second-level cache: the limit that distances alone could reach
ROUNDS = 3


def main() -> None:
    load = os.getloadavg()[0]
    ranking(2_000, 20_000, 64, 24)
    default_run()
    growth(2_000, 64, 24)
    distortion(500, 64)
    distortion(100, 224)
    console.print(f"\nload average {load:.1f} before and {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores")


def ranking(queries: int, items: int, bits: int, labels: int) -> None:
    """mAP@all of the field's argsort evaluation, and of ours in every order of the ties."""
    query_codes, query_labels = world(queries, bits, labels, seed=0)
    database_codes, database_labels = world(items, bits, labels, seed=1)
    relevant = share_a_label(query_labels, database_labels)
    packed, columns = pack(query_codes), np.ascontiguousarray(pack(database_codes).T)
    query_floats, database_floats = query_codes.float().numpy(), database_codes.float().numpy()
    label_floats = query_labels.float().numpy(), database_labels.float().numpy()

    def ours(ties: TieOrder) -> Callable[[], float | None]:
        return lambda: mean_average_precision(query_codes, database_codes, relevant, ties).value

    show(
        f"mAP@all, {queries:,} x {items:,}, {bits} bits, {labels} labels, {relevant.mean():.0%} relevant",
        {
            "argsort, as in DCMH's repositories": lambda: argsort_map(query_floats, database_floats, *label_floats),
            "the same, given the relevance": lambda: argsort_map(query_floats, database_floats, relevant=relevant),
            "expected, with its relevance": lambda: (
                mean_average_precision(query_codes, database_codes, share_a_label(query_labels, database_labels)).value
            ),
            "expected, told by labels": lambda: (
                mean_average_precision(query_codes, database_codes, by_labels(query_labels, database_labels)).value
            ),
            "expected, given the relevance": ours("expected"),
            "the same, without numba": lambda: plainly(ours("expected")),
            "stable": ours("stable"),
            "best": ours("best"),
            "worst": ours("worst"),
            "(relevance alone)": lambda: float(share_a_label(query_labels, database_labels).mean()),
            "(distances alone)": lambda: float(sum(int(differing(code, columns)[0]) for code in packed)),
        },
    )
    words = queries * items * -(-bits // 64)
    console.print(f"popcount limit of one core: {words / POPCOUNTS_PER_SECOND:.3f} s")


def growth(queries: int, bits: int, labels: int) -> None:
    """mAP@all, relevance told by labels, as the database grows: seconds, and the memory that the evaluation itself takes."""
    query_codes, query_labels = world(queries, bits, labels, seed=0)
    table = Table("items", "seconds", "ns a pair", "memory, MB", "mAP", title=f"mAP@all of {queries:,} queries", title_justify="left")
    for items in (10_000, 100_000, 1_000_000, 3_000_000):
        codes, database_labels = (
            torch.cat(parts) for parts in zip(*(world(10_000, bits, labels, seed) for seed in range(items // 10_000)), strict=False)
        )
        before = peak()
        start = time.perf_counter()
        found = mean_average_precision(query_codes, codes, by_labels(query_labels, database_labels)).value
        seconds = time.perf_counter() - start
        table.add_row(f"{items:,}", f"{seconds:.3f}", f"{seconds / queries / items * 1e9:.2f}", f"{peak() - before:.0f}", f"{found:.6f}")
    console.print(table)


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def default_run() -> None:
    """What one direction of a default run asks: ten evaluations and the intervals."""
    query_codes, query_labels = world(500, 32, 40, seed=0)
    database_codes, database_labels = world(8_000, 32, 40, seed=1)
    relevant = share_a_label(query_labels, database_labels)
    clean, groups, rng = np.random.default_rng(0).random(500), np.arange(500) // 5, np.random.default_rng(0)
    show(
        "Default run, 500 x 8,000, 32 bits",
        {
            "one evaluation": lambda: mean_average_precision(query_codes, database_codes, relevant).value,
            "interval of recovered, 2,000 resamples of 100 concepts": lambda: bootstrap_recovered(
                clean, clean / 2, clean / 4 - 0.1, groups, rng
            ),
        },
    )


def distortion(items: int, size: int) -> None:
    """SSIM and PSNR of pictures, against scikit-image."""
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(rng.integers(0, 256, (items, 3, size, size), dtype=np.uint8))
    changed = (clean.short() + torch.from_numpy(rng.integers(-8, 9, clean.shape, dtype=np.int16))).clamp(0, 255).byte()
    show(
        f"SSIM and PSNR of {items} pictures, {size} x {size}",
        {
            "scikit-image": lambda: skimage_distortion(clean, changed),
            "crossattack": lambda: (float(ssim(clean, changed).mean()), float(psnr(clean, changed).mean())),
        },
    )


def plainly(work: Callable[[], float | None]) -> float | None:
    """The work, as where numba is not installed."""
    with mock.patch.object(_counting, "find_spec", return_value=None):
        return work()


def argsort_map(queries: ndarray, database: ndarray, *labels: ndarray, relevant: ndarray | None = None) -> float:
    """mAP@all as repositories of the field compute it: query by query, distances by a float product, then argsort."""
    total = 0.0
    for index, query in enumerate(queries):
        is_relevant = labels[0][index] @ labels[1].T > 0 if relevant is None else relevant[index]
        distance = 0.5 * (queries.shape[1] - query @ database.T)
        ranks = np.flatnonzero(is_relevant[np.argsort(distance)]) + 1
        total += np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else 0.0
    return total / len(queries)


def skimage_distortion(clean: Tensor, changed: Tensor) -> tuple[float, float]:
    """Mean SSIM and PSNR, picture by picture."""
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    pairs = list(zip(clean.numpy(), changed.numpy(), strict=True))
    similar = [structural_similarity(x, y, **options) for x, y in pairs]
    return float(np.mean(similar)), float(np.mean([peak_signal_noise_ratio(x, y, data_range=255) for x, y in pairs]))


def world(items: int, bits: int, labels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes that follow their labels, with noise: sign(labels W + noise), one W for all seeds."""
    rng = np.random.default_rng(seed)
    has = rng.random((items, labels)) < 0.08
    has[np.arange(items), rng.integers(labels, size=items)] = True
    weights = np.random.default_rng(42).standard_normal((labels, bits))
    return harden(torch.from_numpy(has @ weights + 1.5 * rng.standard_normal((items, bits)))), torch.from_numpy(has)


def show(title: str, peers: dict[str, Callable[[], object]]) -> None:
    """Time the peers turn and turn about, and print the best of each beside the first."""
    best, values = dict.fromkeys(peers, float("inf")), dict.fromkeys(peers, "")
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            start = time.perf_counter()
            value = peer()
            best[name] = min(best[name], time.perf_counter() - start)
            values[name] = ", ".join(f"{number:.6f}" for number in (value if isinstance(value, tuple) else (value,)))
    first = next(iter(best.values()))
    table = Table("", "seconds", "ratio", "value", title=title, title_justify="left")
    for name in peers:
        table.add_row(name, f"{best[name]:.4f}", f"{first / best[name]:.1f}x", values[name])
    console.print(table)


console = Console()
if __name__ == "__main__":
    main()
