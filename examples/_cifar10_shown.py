"""What `cifar10_epsilon.py` shows: a figure and a table."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossattack.cache import whole_file

STYLES = {"probabilities": ("#4477aa", "-"), "logarithms": ("#ee6677", "--")}  # of the two margins
ROWS = 4  # pictures that are shown


def draw(found: dict[str, Any], clean: Tensor, labels: Tensor, images: Tensor, said: Tensor, path: Path) -> None:
    """Shares by eps and wanted label, the smallest eps of each picture, and some pictures, clean and moved."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "crossattack"
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1, 0.9, 1.4))
    _shares(left.subplots(), found, mpl.colormaps["tab10"])
    _smallest(middle.subplots(), found["margins"])
    _pictures(right, found, clean, labels, images, said)
    for axes in (*left.axes, *middle.axes):
        axes.title.set_fontsize(9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})


def _shares(axes: Any, found: dict[str, Any], colours: Any) -> None:
    for place, (name, shares) in enumerate(found["margins"]["probabilities"]["by_wanted_label"].items()):
        axes.plot(found["eps"], shares, color=colours(place % 10), linewidth=0.8, label=name)
    for kind, (_, line) in STYLES.items():
        axes.plot(found["eps"], found["margins"][kind]["taken_for_the_wanted_label"], "k" + line, label=f"all, by {kind}")
    axes.set(title="share taken for the wanted label", xlabel="eps", ylim=(-0.02, 1.02), xticks=found["eps"])
    axes.legend(fontsize=5.5, frameon=False, ncols=2, loc="upper left")


def _smallest(axes: Any, margins: dict[str, Any]) -> None:
    for place, (kind, (colour, _)) in enumerate(STYLES.items()):
        counts = margins[kind]["smallest_eps"]
        bars = axes.bar([at + 0.4 * place for at in range(len(counts))], list(counts.values()), 0.4, color=colour, label=kind)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks([at + 0.2 for at in range(len(counts))], list(counts))
    axes.set(title="smallest eps at which a picture is\ntaken for some wanted label", xlabel="eps", ylabel="pictures")
    axes.legend(fontsize=6, frameon=False)


def _pictures(figure: Any, found: dict[str, Any], clean: Tensor, labels: Tensor, images: Tensor, said: Tensor) -> None:
    """Some pictures, each moved towards the label that is easiest."""
    rows, classes = torch.linspace(0, len(labels) - 1, ROWS).round().long().unique().tolist(), found["classes"]
    for row, cells in zip(rows, figure.subplots(len(rows), 1 + len(found["eps"]), squeeze=False), strict=True):
        hits = said[row] == torch.arange(len(classes))[:, None]
        hits[labels[row]] = False
        easiest = int(hits.sum(1).argmax())
        titles = [classes[labels[row]], *(f"{eps}: {classes[label]}" for eps, label in zip(found["eps"], said[row, easiest], strict=True))]
        for axes, image, title in zip(cells, [clean[row], *images[row, easiest]], titles, strict=True):
            axes.imshow(image.permute(1, 2, 0).numpy())
            axes.set_title(title, fontsize=5, pad=2)
            axes.axis("off")


def table(found: dict[str, Any]) -> str:
    """What was found, for a reader."""
    lines = [f"{found['pictures']} test pictures that the classifier gets right; it gets {found['accuracy']:.1%} of all right"]
    lines += [_line("eps", [f"{each:g}" for each in found["eps"]]), _line("whole grey levels", [str(each) for each in found["levels"]])]
    for kind, one in found["margins"].items():
        named = {
            "taken for the wanted label": one["taken_for_the_wanted_label"],
            "taken for any wrong label": one["taken_for_a_wrong_label"],
            "some wanted label succeeds": one["taken_for_some_wanted_label"],
            "every wanted label succeeds": one["taken_for_every_wanted_label"],
            **{f"  wanted: {name}": shares for name, shares in one["by_wanted_label"].items()},
            **{pair: one["pairs"][pair] for pair in ("cat -> airplane",) if pair in one["pairs"]},
        }
        lines += [f"margin: difference of {kind}", *(_line(name, [f"{share:.0%}" for share in shares]) for name, shares in named.items())]
        spread = ", ".join(f"{each}: {count}" for each, count in one["smallest_eps"].items())
        lines.append(f"smallest eps at which some wanted label succeeds, and of how many pictures: {spread}")
        lines.append(f"pictures that a larger eps loses again: {one['lost_again_at_a_larger_eps']}")
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<28}" + "".join(f"{cell:>7}" for cell in cells)
