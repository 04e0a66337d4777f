"""Where a change goes, seen: pictures of a run, what became of them, and the size of the change laid over the clean picture.

python -m crossattack.report.overlay runs/NAME overlay.png [--pictures 6]

Only drawings whose licence lets anybody show them are taken; a data set that names no such credits has no figure.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from crossattack.cache import whole_file
from crossattack.config import load_config
from crossattack.datasets import Pairs
from crossattack.errors import UsageError
from crossattack.metrics.texture import textured_over_flat
from crossattack.perturbing import read_back
from crossattack.progress import Silent

FREE = ("Apache-2.0", "MIT", "CC0-1.0")
ROWS = ("clean", "attacked", "size of the change")


def draw(folder: Path, path: Path, count: int) -> None:
    """Write the figure: a column a picture, its ratio of textured over flat below it. Equal runs give equal files."""
    from matplotlib.figure import Figure

    config, conditions = load_config(folder / "config.yaml"), read_back(folder / "items.h5")
    clean, attacked = (conditions[name]["images"].items.values for name in ("clean", "attacked"))
    assert isinstance(clean, Tensor)
    assert isinstance(attacked, Tensor)
    pairs, split = config.data.plugin.load(Silent())
    shown = free_to_show(pairs.take(split.query[: len(clean)]))[:count]
    if not shown:
        raise UsageError(f"drawings under {', '.join(FREE)} wanted, {config.data.name} has none among the attacked; use another data set.")
    ratios = textured_over_flat(clean, attacked)
    figure = Figure(figsize=(1.5 * len(shown), 4.9), layout="constrained", dpi=110)
    for column, axes in enumerate(figure.subplots(3, len(shown), squeeze=False).T):
        item = shown[column]
        for row, image in enumerate((clean[item], attacked[item], overlay(clean[item], attacked[item]))):
            axes[row].imshow(np.asarray(image.permute(1, 2, 0) if isinstance(image, Tensor) else image))
            axes[row].set(xticks=[], yticks=[])
            if column == 0:
                axes[row].set_ylabel(ROWS[row], fontsize=8)
        axes[2].set_xlabel(f"textured / flat: {float(ratios[item]):.2f}", fontsize=7)
    with whole_file(path) as file:
        figure.savefig(file, format="png", metadata={"Software": None})


def free_to_show(query: Pairs) -> list[int]:
    """Positions of the pictures that anybody may show."""
    return [place for place, credit in enumerate(query.credits) if credit.licence in FREE]


def overlay(clean: UInt8[Tensor, "3 height width"], changed: UInt8[Tensor, "3 height width"]) -> Float[ndarray, "height width 3"]:
    """The clean picture in pale grey, red where it was changed: the fuller, the larger the mean change of the pixel's channels."""
    size = (changed.float() - clean.float()).abs().mean(0)
    strength = (size / size.max().clamp(min=1))[..., None].numpy()
    pale = 0.55 + 0.45 * (clean.float().mean(0) / 255)[..., None].expand(-1, -1, 3).numpy()
    red = np.array([0.84, 0.1, 0.2], np.float32)
    found: Float[ndarray, "height width 3"] = pale * (1 - strength) + red * strength
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    draw(asked.run, asked.path, asked.pictures)
