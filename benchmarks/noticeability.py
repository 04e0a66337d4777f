"""How little need a picture change to leave its place? MND beside attacks at their smallest radius, on the default target.

    OMP_NUM_THREADS=1 uv run python benchmarks/noticeability.py docs/results/mnd.json [--pictures 25] [--seeds 3] [--steps 40]

Everyone is granted the target (`dcmh` on `pictograms`) and has to turn a quarter of the bits of the same sampled queries, as bytes. The
others take, for each picture, the smallest radius in whole grey levels that succeeds (`smallest`); MND has its own search inside the
largest of them. What is told is of the pictures with which all succeed. Intervals: bootstrap over concepts. Two shared
cores take half an hour.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossattack.attacks import Pictures
from crossattack.attacks._context import WhiteBox
from crossattack.attacks.mnd import Mnd
from crossattack.attacks.smallest import Smallest
from crossattack.cache import whole_file
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.metrics.colour import ciede2000
from crossattack.metrics.perceptual import l2, linf, psnr
from crossattack.metrics.statistics import percentile_interval, resampled_means
from crossattack.metrics.structure import ms_ssim, ssim
from crossattack.objectives.away import Away
from crossattack.objectives.odfa import Odfa
from crossattack.objectives.own import Own
from crossattack.progress import Progress, Silent, progress_for
from crossattack.streams import Streams

EPS = 32 / 255
MEASURES = {  # the smaller, the less a change shows, but for PSNR
    "linf": lambda clean, changed: 255 * linf(clean, changed),
    "l2": l2,
    "psnr": psnr,
    "1 - ssim": lambda clean, changed: 1 - ssim(clean, changed),
    "1 - ms_ssim": lambda clean, changed: 1 - ms_ssim(clean, changed),
    "ciede2000": ciede2000,
}
CLAIMED = {"1 - ssim": 0.7, "ciede2000": 0.8}  # MND at most so much of the best other


def contenders(steps: int) -> dict[str, Any]:
    """Who is compared. PIRE and ODFA are their losses under `pgd`."""
    return {
        "mnd": Mnd(eps=EPS),
        "pgd": Smallest(inner="pgd", objective=Own(), eps=EPS, steps=steps),
        "fgsm": Smallest(inner="fgsm", objective=Own(), eps=EPS),
        "pire": Smallest(inner="pgd", objective=Away(), eps=EPS, steps=steps),
        "odfa": Smallest(inner="pgd", objective=Odfa(), eps=EPS, steps=steps),
    }


def context_of(target: Any, pairs: Pairs, seed: int, progress: Progress) -> Any:
    """As much of a white-box context as these attacks look at: no objective here asks what else is in the database."""
    codes = [harden(encode(target, side, values)) for side, values in (("images", pairs.images), ("texts", pairs.texts))]
    box = WhiteBox(target, codes[0], codes[1], pairs.labels, pairs.labels, pairs.labels)
    wanted = {"images": torch.arange(len(pairs))}
    return SimpleNamespace(white_box=box, device="cpu", streams=Streams(seed), progress=progress, wanted=wanted, chosen=None)


def measure(attack: Any, context: Any, target: Any, clean: Tensor) -> dict[str, NDArray[Any]]:
    """What one attack does to these pictures: of each, whether it left, and how much that shows."""
    began = time.process_time()
    changed = attack.fit(context)(Pictures(tuple(range(len(clean))), clean)).items.values
    seconds = time.process_time() - began
    flipped = (harden(encode(target, "images", changed)) != harden(encode(target, "images", clean))).double().mean(1)
    found = {name: of(clean, changed).numpy() for name, of in MEASURES.items()}
    return found | {"left": (flipped >= attack.leave).numpy(), "seconds": np.full(len(clean), seconds / len(clean))}


def told(found: dict[str, dict[str, NDArray[Any]]], groups: NDArray[Any], seeds: NDArray[Any]) -> dict[str, Any]:
    """Means with their intervals, of the pictures with which all succeed, and MND's share of the best other."""
    common = np.all([one["left"] for one in found.values()], axis=0)
    rng, attacks, shares = np.random.default_rng(0), dict[str, dict[str, Any]](), dict[str, Any]()
    for name, one in found.items():
        attacks[name] = {"succeeded": float(one["left"].mean()), "seconds": float(one["seconds"].mean())}
    for measure in MEASURES:
        values = np.stack([one[measure][common] for one in found.values()])
        drawn = resampled_means(values, groups[common], rng, 2000)
        assert drawn is not None, "more than one concept"
        for name, mean, row in zip(found, values.mean(1), drawn, strict=True):
            attacks[name][measure] = [float(mean), *percentile_interval(row, 0.95)]
        if measure in CLAIMED:
            place = 1 + int(values[1:].mean(1).argmin())
            each = [
                float(values[0, seeds[common] == seed].mean() / values[place, seeds[common] == seed].mean()) for seed in np.unique(seeds)
            ]
            shares[measure] = {
                "best_other": list(found)[place],
                "share": float(values[0].mean() / values[place].mean()),
                "ci95": list(percentile_interval(drawn[0] / drawn[place], 0.95)),
                "each_seed": each,
                "goal": CLAIMED[measure],
            }
    return {"pictures": len(common), "all_succeed": int(common.sum()), "attacks": attacks, "mnd_of_the_best_other": shares}


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown, as docs/mnd.md shows them."""
    header = ("attack", "succeeded", "L∞, levels", "L2", "PSNR, dB", "1 - SSIM", "1 - MS-SSIM", "CIEDE2000", "seconds")
    digits = {"linf": 1, "l2": 2, "psnr": 1, "1 - ssim": 5, "1 - ms_ssim": 5, "ciede2000": 3}
    rows = [header, ("---",) * len(header)]
    for name, one in found["attacks"].items():
        cells = [f"{one[key][0]:.{many}f} ({one[key][1]:.{many}f} to {one[key][2]:.{many}f})" for key, many in digits.items()]
        rows.append((f"`{name}`", f"{one['succeeded']:.0%}", *cells, f"{one['seconds']:.1f}"))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def claims(found: dict[str, Any]) -> list[str]:
    """What MND shows beside the other that shows least, a sentence a measure."""
    told = []
    for measure, one in found["mnd_of_the_best_other"].items():
        low, high = one["ci95"]
        reach = f"95 % interval {low:.1%} to {high:.1%}; goal at most {one['goal']:.0%}"
        told.append(f"{measure}: {one['share']:.1%} of {one['best_other']}'s ({reach})")
    return told


def main(path: Path, pictures: int, seeds: int, steps: int) -> None:
    """Attack, measure, and write the file."""
    config, progress = load_config(None, [], {}), progress_for(sys.stderr)
    pairs, split = config.data.plugin.load(progress)
    target = config.target.plugin.load(pairs.take(split.train), device="cpu", progress=progress)
    target.network.requires_grad_(False)
    parts, groups, of_seed = list[dict[str, dict[str, NDArray[Any]]]](), [], []
    for seed in range(seeds):
        chosen = Streams(seed).numpy("noticeability", "pictures").choice(len(split.query), pictures, replace=False)
        some = pairs.take(split.query[torch.from_numpy(chosen)])
        context = context_of(target, some, seed, Silent())
        with progress.stage(f"attacking, seed {seed}", len(contenders(steps))) as tick:
            part = {}
            for name, attack in contenders(steps).items():
                part[name] = measure(attack, context, target, some.images)
                tick(1, name)
        parts.append(part)
        groups.append(some.groups.numpy())
        of_seed.append(np.full(pictures, seed))
    joined = {name: {key: np.concatenate([part[name][key] for part in parts]) for key in parts[0][name]} for name in parts[0]}
    options = f"--pictures {pictures} --seeds {seeds} --steps {steps}"
    found = {"command": f"uv run python benchmarks/noticeability.py docs/results/mnd.json {options}"}
    found |= told(joined, np.concatenate(groups), np.concatenate(of_seed))
    with whole_file(path) as file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found), *claims(found), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    for name, default in (("pictures", 25), ("seeds", 3), ("steps", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    main(**vars(parser.parse_args()))
