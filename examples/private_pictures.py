"""Can a picture keep a recogniser from its owner, and look the same to people? MND and PGD beside each other, on real faces.

    uv run python examples/private_pictures.py --root FOLDER

FOLDER holds a folder of pictures for each person (or each class of things), all of one size: the AT&T Database of Faces as it
is shipped, `train` of CIFAR-10 as in `cifar10_epsilon.py`, or your own. The first half of each person's pictures is the gallery that
a small network learns from; a picture of the other half is recognised where its feature is nearest, by the cosine, to
a gallery picture of the same person. Each of those that are is then changed until its feature is `--leave` away from where it was: by
`mnd`, and by `smallest` with `pgd`. Prints a table of who is still recognised and what the change shows; `--out` takes the pictures.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from cifar10_epsilon import Photos, trained
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossattack.attacks import Pictures
from crossattack.attacks._context import WhiteBox
from crossattack.attacks.mnd import Mnd
from crossattack.attacks.smallest import Smallest
from crossattack.encoding import encode_images
from crossattack.endpoint import Similarity
from crossattack.errors import CrossattackError, DataError
from crossattack.metrics.perceptual import distortion
from crossattack.objectives.away import Away
from crossattack.progress import Progress, Silent, progress_for
from crossattack.streams import Streams
from surrogates.texts import Texts

SHOWN = {"linf": 255, "psnr": 1, "ssim": 1, "ms_ssim": 1, "ciede2000": 1}  # and what each is multiplied by


@dataclass(frozen=True)
class Recogniser:
    """A network whose last layer but one says what a picture is like; it reads no texts."""

    features: nn.Module
    vocabulary: tuple[str, ...] = ()

    def encode_images(self, images: Tensor) -> Tensor:
        """Pictures in [0, 1] -> features."""
        found: Tensor = self.features(images)
        return found

    def encode_texts(self, texts: Texts) -> Tensor:
        """There are none."""
        raise DataError(f"pictures wanted, {len(texts)} texts got.")


def load(root: Path, most: int) -> tuple[Photos, Photos]:
    """The gallery, and the pictures to keep private; at most so many of a person in either."""
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    people = sorted(folder for folder in root.glob("*") if folder.is_dir())
    for person, folder in enumerate(people):
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".pgm", ".png", ".jpg", ".jpeg"))[: 2 * most]
        for place, file in enumerate(files):
            half = int(place >= len(files) / 2)
            parts[half].append(torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1))
            labels[half].append(person)
    if len(people) < 2 or not parts[1]:
        raise DataError(f"a folder of two pictures or more for each of two people or more wanted in {root}, {len(people)} folders got.")
    if len({picture.shape for part in parts for picture in part}) != 1:
        raise DataError(f"pictures of one size wanted in {root}, several sizes got; resize them.")
    gallery, private = (Photos(torch.stack(part), torch.tensor(each)) for part, each in zip(parts, labels, strict=True))
    return gallery, private


def recognised(recogniser: Recogniser, gallery: Photos, pictures: Photos) -> Tensor:
    """Whether the nearest gallery picture of each is the same person's."""
    known, asked = (normalize(encode_images(recogniser, photos.images)) for photos in (gallery, pictures))
    return gallery.labels[(asked @ known.T).argmax(1)] == pictures.labels


def context_of(recogniser: Recogniser, pictures: Photos, progress: Progress) -> Any:
    """As much of a white-box context as these attacks look at."""
    codes = torch.ones(len(pictures.labels), 1, dtype=torch.int8)
    labels = torch.nn.functional.one_hot(pictures.labels).bool()
    box = WhiteBox(recogniser, codes, codes, labels, labels, labels, Similarity.COSINE)
    wanted = {"images": torch.arange(len(pictures.labels))}
    return SimpleNamespace(white_box=box, device="cpu", streams=Streams(0), progress=progress, wanted=wanted, chosen=None)


def run(asked: argparse.Namespace, progress: Progress) -> None:
    """The whole example."""
    gallery, private = load(asked.root, asked.most)
    network = trained(gallery, int(gallery.labels.max()) + 1, asked.epochs, asked.seed, progress).requires_grad_(False)
    assert isinstance(network, nn.Sequential), "all but its last layer are the features"
    recogniser = Recogniser(network[:-1])
    knows = recognised(recogniser, gallery, private)
    order = torch.randperm(len(knows), generator=Streams(asked.seed).torch("private", "pictures"))
    rows = order[knows[order]][: asked.pictures]
    print(f"{float(knows.double().mean()):.0%} of {len(knows)} pictures are recognised; {len(rows)} of those are changed.")
    if not len(rows):
        raise DataError("a picture that is recognised wanted, none got; train for more `--epochs`.")
    chosen = Photos(private.images[rows], private.labels[rows])
    context, limits = context_of(recogniser, chosen, progress), {"leave": asked.leave, "eps": asked.eps / 255}
    print(f"{'':<5} {'still recognised':>16} " + " ".join(f"{name:>10}" for name in SHOWN))
    for name, attack in {"mnd": Mnd(**limits), "pgd": Smallest(inner="pgd", objective=Away(), **limits)}.items():
        changed = attack.fit(context)(Pictures(tuple(range(len(rows))), chosen.images)).items.values
        still = recognised(recogniser, gallery, Photos(changed, chosen.labels)).double().mean()
        told = distortion(chosen.images, changed)
        cells = [float("nan") if (value := told[key]) is None else scale * value for key, scale in SHOWN.items()]
        print(f"{name:<5} {float(still):>16.0%} " + " ".join(f"{cell:>10.4f}" for cell in cells), flush=True)
        if asked.out:
            asked.out.mkdir(parents=True, exist_ok=True)
            for row, picture in zip(rows.tolist(), changed, strict=True):
                Image.fromarray(picture.permute(1, 2, 0).numpy()).save(asked.out / f"{row:04d}-{name}.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, recognise, change, recognise again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a folder of pictures for each person")
    parser.add_argument("--pictures", type=int, default=25, help="how many are changed")
    parser.add_argument("--most", type=int, default=200, help="pictures of a person in the gallery, and outside of it, at most")
    parser.add_argument("--leave", type=float, default=0.3, help="1 less the cosine between the features before and after")
    parser.add_argument("--eps", type=int, default=32, help="grey levels by which a value may change at most")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the changed pictures go; nowhere unless asked for")
    parser.add_argument("--quiet", action="store_true")
    chosen_by_user = parser.parse_args(arguments)
    try:
        run(chosen_by_user, Silent() if chosen_by_user.quiet else progress_for(sys.stderr))
    except CrossattackError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
