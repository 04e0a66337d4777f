"""How small a change of a photograph makes a classifier say something else? The 2016 article's sweep, on real CIFAR-10.

    uv run python examples/cifar10_epsilon.py --root FOLDER

trains a small classifier, then takes test pictures that it gets right and asks for its scores of each with one value of one
pixel raised, 3,072 times a picture. A table of signs says whether the margin between the true and a wanted label rose or
fell; there is one for each of the nine wanted labels, from the same answers. The picture moved by eps times a table, for eps
from 0.01 to 0.05, is shown to the classifier again. No gradient is used.

The article's margin is a difference of probabilities. Where the classifier is sure, hardly any of that difference is the
wanted label's, so the table leads away from the true label rather than towards the wanted one. The difference of their
logarithms costs no query more and is tried beside it.

Prints a table; writes `cifar10-epsilon.json` and `cifar10-epsilon.svg` to `--out`. FOLDER holds CIFAR-10 (Krizhevsky,
"Learning Multiple Layers of Features from Tiny Images", 2009) in either layout: `cifar-10-batches-py` as
`torchvision.datasets.CIFAR10(FOLDER, download=True)` leaves it, or pictures as `train/<class>/*` and `test/<class>/*`, which may
lie in a zip archive. Any other pictures of one size will do, in folders of their classes.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _cifar10_shown import draw, table
from _photographs import Photos, read_photos, trained
from torch import Tensor, nn

from crossattack.attacks.finite_difference import sign_table, stepped
from crossattack.cache import whole_file
from crossattack.datasets._files import opened
from crossattack.datasets._pictures import is_picture
from crossattack.errors import CrossattackError, DataError
from crossattack.progress import Progress, Silent, progress_for

EPS = (0.01, 0.02, 0.03, 0.04, 0.05)
MARGINS: Mapping[str, Callable[[Tensor], Tensor]] = {  # of what the classifier shows
    "probabilities": lambda shown: shown,
    "logarithms": lambda shown: shown.clamp(min=1e-300).log(),
}


@dataclass(frozen=True)
class Moved:
    """Each picture moved towards each label by each eps, and what the classifier says of it.

    images (pictures, labels, eps, 3, height, width), said (pictures, labels, eps). Towards its own label a picture stays.
    """

    images: Tensor
    said: Tensor


def load(root: Path) -> tuple[tuple[str, ...], Photos, Photos]:
    """Names of the classes, training and test pictures; `DataError` says what was found instead."""
    if (root / "cifar-10-batches-py").is_dir():
        from torchvision.datasets import CIFAR10

        parts = [CIFAR10(root, train=train) for train in (True, False)]
        photos = [Photos(torch.from_numpy(part.data).permute(0, 3, 1, 2), torch.tensor(part.targets)) for part in parts]
        return tuple(parts[0].classes), photos[0], photos[1]
    names = dict[tuple[str, str], list[str]]()
    if root.exists():
        with opened(root) as files:
            for name in filter(is_picture, files.names):
                part, folder, _ = ("", "", *name.split("/"))[-3:]
                names.setdefault((part, folder), []).append(name)
            classes = tuple(sorted(folder for part, folder in names if part == "train"))
            if len(classes) > 1 and all(("test", folder) in names for folder in classes):
                train, test = (read_photos(files, [names[part, folder] for folder in classes]) for part in ("train", "test"))
                return classes, train, test
    raise DataError(f"cifar-10-batches-py, or train/<class> and test/<class>, wanted in {root}, neither got; see `--help`.")


def scores(network: nn.Module, images: Tensor) -> Tensor:
    """What the classifier shows: probabilities (items, classes) of uint8 pictures."""
    with torch.inference_mode():
        floats = ((part.float() / 255).contiguous(memory_format=torch.channels_last) for part in images.split(512))
        return torch.cat([network(part).double().softmax(1) for part in floats])


def chosen(network: nn.Module, test: Photos, count: int, only: int | None) -> Photos:
    """The first test pictures that the classifier gets right, as many of each class."""
    right = scores(network, test.images).argmax(1) == test.labels
    classes = sorted(set(test.labels.tolist())) if only is None else [only]
    each = max(1, count // len(classes))
    rows = torch.cat([torch.nonzero(right & (test.labels == label)).flatten()[:each] for label in classes])
    if not len(rows):
        raise DataError("a test picture that the classifier gets right wanted, none got; train it for more `--epochs`.")
    return Photos(test.images[rows], test.labels[rows])


def sweep(network: nn.Module, photos: Photos, levels: int, block: int, eps: Sequence[float], progress: Progress) -> dict[str, Moved]:
    """Each picture moved by its tables, for each kind of margin; a picture's tables all come from the same answers."""
    moved = dict[str, list[Tensor]]({kind: [] for kind in MARGINS})
    with progress.stage("asking about each pixel", len(photos.labels)) as tick:
        for picture, true in zip(photos.images, photos.labels.tolist(), strict=True):

            def margins(answers: Tensor, _: Tensor, true: int = true) -> Tensor:
                kinds = [of(answers) for of in MARGINS.values()]
                return torch.cat([kind[:, [true]] - kind for kind in kinds], dim=1)

            tables = sign_table(lambda probes: scores(network, probes), margins, picture, block=block, levels=levels)
            for kind, own in zip(MARGINS, tables.chunk(len(MARGINS)), strict=True):
                moved[kind].append(torch.stack([stepped(picture.expand_as(own), own, eps=each) for each in eps], dim=1))
            tick(1, "")
    found = {}
    for kind, pictures in moved.items():
        images = torch.stack(pictures)
        found[kind] = Moved(images, scores(network, images.flatten(0, 2)).argmax(1).reshape(images.shape[:3]))
    return found


def summary(said: Tensor, labels: Tensor, classes: Sequence[str], eps: Sequence[float]) -> dict[str, Any]:
    """Shares, by eps, of the pictures and the labels wanted of them that were taken for that label; and the smallest eps of each."""
    others = torch.arange(len(classes)) != labels[:, None]  # (pictures, labels) wanted
    taken = (said == torch.arange(len(classes))[:, None]) & others[:, :, None]  # (pictures, labels, eps)
    wrong = said != labels[:, None, None]

    def by_eps(hits: Tensor) -> list[float]:
        """The share of these, for each eps; of all pictures and the labels wanted of them, where both are left."""
        found = hits[others].double().mean(0) if hits.ndim == 3 else hits.double().mean(0)
        return [round(each, 4) for each in found.tolist()]

    first = taken.any(1)  # (pictures, eps): by the label that is easiest
    smallest = [next((each for each, hit in zip(eps, row, strict=True) if hit), None) for row in first.tolist()]
    pairs = {
        f"{classes[true]} -> {classes[wanted]}": by_eps(taken[labels == true][:, wanted])
        for true in sorted(set(labels.tolist()))
        for wanted in range(len(classes))
        if wanted != true
    }
    return {
        "taken_for_the_wanted_label": by_eps(taken),
        "taken_for_a_wrong_label": by_eps(wrong),
        "taken_for_some_wanted_label": by_eps(first),
        "taken_for_every_wanted_label": by_eps((taken | ~others[:, :, None]).all(1)),
        "lost_again_at_a_larger_eps": int((first[:, :-1] & ~first[:, 1:]).any(1).sum()) if len(eps) > 1 else 0,
        "smallest_eps": {**{str(each): smallest.count(each) for each in eps}, "larger": smallest.count(None)},
        "by_wanted_label": {name: by_eps(taken[others[:, label], label]) for label, name in enumerate(classes)},
        "pairs": pairs,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, ask, sweep, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder or zip archive of CIFAR-10")
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10-epsilon"), help="where the JSON and the figure go")
    parser.add_argument("--pictures", type=int, default=50, help="test pictures, evenly over the classes")
    parser.add_argument("--true", help="pictures of this class only")
    parser.add_argument("--eps", type=lambda text: tuple(float(each) for each in text.split(",")), default=EPS, help="0.01,0.02,...")
    parser.add_argument("--levels", type=int, default=2, help="grey levels by which a value is raised")
    parser.add_argument("--block", type=int, default=1, help="pixels that are raised together, squares of this side")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    chosen_by_user = parser.parse_args(arguments)
    try:
        run(chosen_by_user, Silent() if chosen_by_user.quiet else progress_for(sys.stderr))
    except CrossattackError as error:
        parser.exit(error.exit_code, f"{error}\n")


def run(asked: argparse.Namespace, progress: Progress) -> None:
    """The whole example."""
    classes, train, test = load(asked.root)
    if asked.true is not None and asked.true not in classes:
        raise DataError(f"--true: one of {', '.join(classes)} wanted, {asked.true!r} got; choose one of those.")
    network = trained(train, len(classes), asked.epochs, asked.seed, progress)
    accuracy = float((scores(network, test.images).argmax(1) == test.labels).double().mean())
    photos = chosen(network, test, asked.pictures, classes.index(asked.true) if asked.true else None)
    moved = sweep(network, photos, asked.levels, asked.block, asked.eps, progress)
    found = {
        "pictures": len(photos.labels),
        "classes": list(classes),
        "accuracy": round(accuracy, 4),
        "eps": list(asked.eps),
        "levels": [int(each * 255 + 1e-6) for each in asked.eps],
        "settings": {"seed": asked.seed, "epochs": asked.epochs, "block": asked.block, "levels": asked.levels, "true": asked.true},
        "train": len(train.labels),
        "test": len(test.labels),
        "probes_a_picture": 3 * -(-test.images.shape[2] // asked.block) * -(-test.images.shape[3] // asked.block),
        "margins": {kind: summary(one.said, photos.labels, classes, asked.eps) for kind, one in moved.items()},
    }
    with whole_file(asked.out / "cifar10-epsilon.json") as file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    first = moved["probabilities"]
    draw(found, photos.images, photos.labels, first.images, first.said, asked.out / "cifar10-epsilon.svg")
    print(table(found))
    print(f"written: {asked.out / 'cifar10-epsilon.json'} and .svg")


if __name__ == "__main__":
    main()
