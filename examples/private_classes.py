"""Can a photograph keep a classifier from saying what it shows, and look the same to people? MND beside others, on real CIFAR-10.

    uv run python examples/private_classes.py --root cifar10.zip

trains a small classifier and changes test pictures that it gets right until its class is another: by `mnd`, and by `pgd`, `fgsm`, `pire`
and `odfa` each at the smallest radius at which it succeeds. `mnd`, `pgd` and `fgsm` lower the margin of the true class's score
over the best other's, `pire` and `odfa` leave the scores as they were. The root is that of `cifar10_epsilon.py`.

Prints what each shows, and whether the classifier, and a second one of another architecture that no attack has seen, still see
the true class; `--out` takes the pictures, `--json` the figures.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from _photographs import CHANNELS, OTHER_CHANNELS, Photos, trained
from _private import Network, add_options, carry_out, compared, contenders, context_of, keep, table
from cifar10_epsilon import chosen, load, scores
from torch import Tensor, nn

from crossattack.endpoint import Similarity
from crossattack.progress import Progress


def right(network: nn.Module, labels: Tensor, images: Tensor) -> Tensor:
    """Whether the classifier sees the true class of each."""
    return scores(network, images).argmax(1) == labels


def accuracy(network: nn.Module, photos: Photos) -> float:
    """The share of pictures whose true class it sees."""
    return float(right(network, photos.labels, photos.images).double().mean())


def run(asked: argparse.Namespace, progress: Progress) -> None:
    """The whole example."""
    classes, train, test = load(asked.root)
    networks = {
        who: trained(train, len(classes), asked.epochs, asked.seed + more, progress, channels)
        for more, (who, channels) in enumerate({"the classifier": CHANNELS, "another": OTHER_CHANNELS}.items())
    }
    first = networks["the classifier"]
    photos = chosen(first, test, asked.pictures, None)
    context = context_of(Network(first), Similarity.SCORES, photos, len(classes), len(classes), asked.seed)
    options = f"--pictures {asked.pictures} --leave {asked.leave:g} --epochs {asked.epochs}"
    found = {
        "command": f"uv run python examples/private_classes.py --root {asked.root.name} --json docs/results/mnd-tasks.json {options}",
        "train": len(train.labels),
        "size": list(test.images.shape[2:]),
        "accuracy": {who: accuracy(network, test) for who, network in networks.items()},
        "accuracy_of_the_chosen": {who: accuracy(network, photos) for who, network in networks.items()},
    }
    share = found["accuracy"]["the classifier"]
    print(f"{share:.0%} of {len(test.labels)} pictures are seen right; {len(photos.labels)} of those are changed.")
    found |= compared(
        contenders(asked.leave, asked.eps / 255, asked.steps),
        context,
        photos,
        lambda changed: ~right(first, photos.labels, changed),
        {who: partial(right, network, photos.labels) for who, network in networks.items()},
        progress,
        asked.out,
    )
    print(table(found), end="")
    if asked.json:
        keep(asked.json, "classes", found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, choose, change, and ask again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder or zip archive of CIFAR-10")
    parser.add_argument("--pictures", type=int, default=100, help="test pictures that are changed, evenly over the classes")
    add_options(parser, leave=0.01, meaning="by how much another class's score has to be above the true one's, at least", epochs=6)
    carry_out(parser, run, arguments)


if __name__ == "__main__":
    main()
