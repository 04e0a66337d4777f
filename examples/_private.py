"""What the examples of private pictures share: who is compared, what a change shows, a table of it, and the kept figures."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from _photographs import Photos
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import one_hot

from crossattack.attacks import Pictures
from crossattack.attacks._context import WhiteBox
from crossattack.attacks.mnd import Mnd
from crossattack.attacks.smallest import Smallest
from crossattack.cache import whole_file
from crossattack.endpoint import Similarity
from crossattack.errors import CrossattackError, DataError
from crossattack.metrics.colour import ciede2000
from crossattack.metrics.perceptual import linf, psnr
from crossattack.metrics.statistics import percentile_interval, resampled_means
from crossattack.metrics.structure import ms_ssim, scales_of, ssim
from crossattack.objectives.away import Away
from crossattack.objectives.odfa import Odfa
from crossattack.progress import Progress, Silent, progress_for
from crossattack.streams import Streams
from surrogates.texts import Texts

MEASURES = {
    "linf": lambda clean, changed: 255 * linf(clean, changed),
    "psnr": psnr,
    "ssim": ssim,
    "1 - ssim": lambda clean, changed: 1 - ssim(clean, changed),
    "ms_ssim": ms_ssim,
    "ciede2000": ciede2000,
}
STRUCTURAL = ("ssim", "1 - ssim", "ms_ssim")  # where SSIM's window fits
SHOWN = {"linf": ("L∞, levels", 1), "psnr": ("PSNR, dB", 1), "ssim": ("SSIM", 4), "1 - ssim": ("1 - SSIM", 5)}
SHOWN |= {"ms_ssim": ("MS-SSIM", 4), "ciede2000": ("CIEDE2000", 3)}  # and decimals


@dataclass(frozen=True)
class Network:
    """A network of pictures alone; it reads no texts."""

    layers: nn.Module
    vocabulary: tuple[str, ...] = ()

    def encode_images(self, images: Tensor) -> Tensor:
        """Pictures in [0, 1] -> what the network makes of them."""
        found: Tensor = self.layers(images)
        return found

    def encode_texts(self, texts: Texts) -> Tensor:
        """There are none."""
        raise DataError(f"pictures wanted, {len(texts)} texts got.")


def contenders(leave: float, eps: float, steps: int) -> dict[str, Any]:
    """MND, and the others at the smallest radius at which each succeeds. PIRE and ODFA are their losses under `pgd`."""
    limits: dict[str, Any] = {"leave": leave, "eps": eps}
    return {
        "mnd": Mnd(**limits),
        "pgd": Smallest(inner="pgd", objective=None, steps=steps, **limits),
        "fgsm": Smallest(inner="fgsm", objective=None, **limits),
        "pire": Smallest(inner="pgd", objective=Away(), steps=steps, **limits),
        "odfa": Smallest(inner="pgd", objective=Odfa(), steps=steps, **limits),
    }


def context_of(network: Network, similarity: Similarity, photos: Photos, outputs: int, classes: int, seed: int) -> Any:
    """As much of a white-box context as these attacks look at: a database of one picture, and what the attacked ones show."""
    nothing, labels = torch.zeros(1, outputs), one_hot(photos.labels, classes).bool()
    box = WhiteBox(network, nothing, None, labels[:1], labels, labels, similarity)
    wanted = {"images": torch.arange(len(labels))}
    return SimpleNamespace(white_box=box, device="cpu", streams=Streams(seed), progress=Silent(), wanted=wanted, chosen=None)


def compared(
    attacks: Mapping[str, Any], context: Any, photos: Photos, succeeded: Any, known: Mapping[str, Any], progress: Progress, out: Path | None
) -> dict[str, Any]:
    """What each attack does to these pictures, measured on those with which all succeed; intervals by bootstrap over the classes.

    succeeded: changed pictures -> whether each has left. known: by the name of a network, changed pictures -> whether it still
    knows each. Changed pictures go to the folder `out`, where one is given.
    """
    left, told, values = list[NDArray[Any]](), dict[str, dict[str, Any]](), list[NDArray[Any]]()
    measures = {name: of for name, of in MEASURES.items() if scales_of(*photos.images.shape[2:]) or name not in STRUCTURAL}
    with progress.stage("changing pictures", len(attacks)) as tick:
        for name, attack in attacks.items():
            began = time.process_time()
            changed = attack.fit(context)(Pictures(tuple(range(len(photos.labels))), photos.images)).items.values
            seconds = (time.process_time() - began) / len(photos.labels)
            left.append(succeeded(changed).numpy())
            told[name] = {"succeeded": float(left[-1].mean()), "seconds": seconds}
            told[name]["known"] = {who: float(knows(changed).double().mean()) for who, knows in known.items()}
            values.append(np.stack([of(photos.images, changed).numpy() for of in measures.values()]))
            if out:
                _save(changed, out, name)
            tick(1, name)
    common = np.all(left, axis=0)
    stacked = np.stack(values)[:, :, common]  # (attacks, measures, pictures)
    drawn = resampled_means(
        stacked.reshape(len(values) * len(measures), -1 if common.any() else 0),
        photos.labels.numpy()[common],
        np.random.default_rng(0),
        2000,
    )
    intervals = None if drawn is None else drawn.reshape(*stacked.shape[:2], -1)
    for row, one in enumerate(told.values()):
        for place, measure in enumerate(measures):
            reach = [None, None] if intervals is None else percentile_interval(intervals[row, place], 0.95)
            one[measure] = [float(stacked[row, place].mean()) if common.any() else None, *reach]
    return {"pictures": len(common), "all_succeed": int(common.sum()), "attacks": told}


def _save(pictures: Tensor, out: Path, name: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(out / f"{number:04d}-{name}.png")


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown, as docs/mnd.md shows them."""
    first = next(iter(found["attacks"].values()))
    shown = {measure: of for measure, of in SHOWN.items() if measure in first}
    header = ("attack", "succeeded", *(f"known to {who}" for who in first["known"]), *(title for title, _ in shown.values()), "seconds")
    rows = [header, ("---",) * len(header)]
    for name, one in found["attacks"].items():
        cells = [_with_reach(one[measure], digits) for measure, (_, digits) in shown.items()]
        known = [f"{share:.0%}" for share in one["known"].values()]
        rows.append((f"`{name}`", f"{one['succeeded']:.0%}", *known, *cells, f"{one['seconds']:.1f}"))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _with_reach(value: list[float | None], digits: int) -> str:
    mean, low, high = (None if each is None else f"{each:.{digits}f}" for each in value)
    return "none" if mean is None else mean if low is None else f"{mean} ({low} to {high})"


def keep(path: Path, task: str, found: dict[str, Any]) -> None:
    """Write the figures of one task, beside those of others that the file holds."""
    try:
        others = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise DataError(f"{path}: JSON wanted, something else got; name another file.") from error
    with whole_file(path) as file:
        file.write_text(json.dumps({**others, task: found}, indent=1) + "\n", encoding="utf-8")


def carry_out(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Progress], None], arguments: Sequence[str] | None
) -> None:
    """Read the options and run the task; what goes wrong on purpose is a line and its exit code."""
    asked = parser.parse_args(arguments)
    try:
        run(asked, Silent() if asked.quiet else progress_for(sys.stderr))
    except CrossattackError as error:
        parser.exit(error.exit_code, f"{error}\n")


def add_options(parser: argparse.ArgumentParser, *, leave: float, meaning: str, epochs: int) -> None:
    """The options that all tasks have."""
    parser.add_argument("--leave", type=float, default=leave, help=meaning)
    parser.add_argument("--eps", type=int, default=32, help="grey levels by which a value may change at most")
    parser.add_argument("--steps", type=int, default=40, help="of pgd, pire and odfa at each radius")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the changed pictures go; nowhere unless asked for")
    parser.add_argument("--json", type=Path, help="where the figures go, beside those of other tasks; nowhere unless asked for")
    parser.add_argument("--quiet", action="store_true")
