"""What memory format, bf16 and folding are worth for the default picture tower: milliseconds a picture, and ratios to the first row.

    uv run python benchmarks/towers.py [TOWER] [PIXELS]

One run, every row on the same pictures, the best of several rounds. Run it on a quiet machine.
"""

import sys
import time
from collections.abc import Callable

import torch

from surrogates.folding import folded
from surrogates.towers import image_tower

BATCH, ROUNDS = 64, 4


def best(work: Callable[[], object]) -> float:
    """Milliseconds a picture, the best round after one that does not count."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds) / BATCH * 1e3


def main(name: str, pixels: int) -> None:
    tower = image_tower(name, "own")
    print(f"{name}, {pixels} px, batches of {BATCH}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'format':<14} {'precision':<9} {'forward':>16} {'training step':>16} {'attack step':>16}   (ms a picture, ratio)")
    first: list[float] = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        tower = tower.to(memory_format=memory_format)
        images = torch.rand(BATCH, 3, pixels, pixels).contiguous(memory_format=memory_format)
        for bf16 in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                tower.train().requires_grad_(True)
                training = best(lambda: tower(images).sum().backward())  # noqa: B023 -- called at once
                tower.eval()
                with torch.inference_mode():
                    forward = best(lambda: tower(images))  # noqa: B023
                tower.requires_grad_(False)
                leaf = images.clone().requires_grad_()
                attack = best(lambda: tower(leaf).sum().backward())  # noqa: B023
            row = [forward, training, attack]
            first = first or row
            cells = " ".join(f"{value:8.2f} ({value / base:5.2f})" for value, base in zip(row, first, strict=True))
            print(f"{str(memory_format).removeprefix('torch.'):<17} {'bf16' if bf16 else 'fp32':<6} {cells}", flush=True)
    light = folded(tower)
    attack = best(lambda: light(leaf).sum().backward())
    print(f"{'channels_last':<17} {'fp32':<6} {'batch normalisations folded':>34} {attack:8.2f} ({attack / first[2]:5.2f})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "efficientnet_lite0", int(sys.argv[2]) if len(sys.argv) > 2 else 64)
