"""What a gradient attack costs beside the bare passes of its network, torchattacks and foolbox: ratios of processor time.

    OMP_NUM_THREADS=1 uv run python benchmarks/attacks.py [--pixels 64] [--batch 100] [--steps 20] [--rounds 5]

Everyone follows the same loss (cross entropy of the relaxed codes, so that the peers take the encoder for a classifier)
on the same pictures, from the clean start, inside the same ball; weights have no gradients. Ours ends with bytes, as a file
holds them. In each round everyone runs once, in an order that turns from round to round; what is told is the median over the rounds
of the ratio within a round. Processor time, as the machine may be shared. Prints JSON.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from crossattack._machine import settle
from crossattack.attacks import Pictures
from crossattack.attacks._gradient import moved
from crossattack.attacks.mi_fgsm import MiFgsm
from crossattack.attacks.pgd import Pgd
from crossattack.encoding import as_floats
from crossattack.streams import Streams
from surrogates.network import HashingNetwork

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from foolbox import PyTorchModel
    from foolbox.attacks import LinfPGD
    from foolbox.criteria import Misclassification
import torchattacks

EPS, ALPHA = 8 / 255, 2 / 255


class Classifier(torch.nn.Module):
    """The picture side of a hashing network, its bits taken for classes."""

    def __init__(self, network: HashingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.encode_images(images)


def contenders(pixels: int, batch: int, steps: int) -> dict[str, Callable[[], object]]:
    """Who runs, by name; all on the same pictures."""
    torch.manual_seed(0)
    network = HashingNetwork("efficientnet_lite0", "bag_of_words", 32, text_settings={"vocabulary": ["word"]}, weights="own")
    model = Classifier(network).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    values, labels = torch.randint(0, 256, (batch, 3, pixels, pixels), dtype=torch.uint8), torch.randint(0, 32, (batch,))
    clean, items, context = as_floats(values), Pictures(tuple(range(batch)), values), SimpleNamespace(device="cpu", streams=Streams(0))

    def bare() -> None:
        for _ in range(steps):
            leaf = clean.detach().requires_grad_()
            torch.autograd.grad(cross_entropy(model(leaf), labels), leaf)

    def ours(attack: Any) -> Callable[[], object]:
        lowered = lambda relaxed: -cross_entropy(relaxed, labels, reduction="none")  # noqa: E731
        return lambda: moved(context, network, items, lowered, attack, attack.moves)  # type: ignore[arg-type]

    settings = {"eps": EPS, "alpha": ALPHA, "steps": steps}
    descent, momentum = torchattacks.PGD(model, **settings, random_start=False), torchattacks.MIFGSM(model, **settings)
    peer, bounded = LinfPGD(abs_stepsize=ALPHA, steps=steps, random_start=False), PyTorchModel(model, bounds=(0, 1), device="cpu")
    return {
        "bare passes": bare,
        "pgd": ours(Pgd(steps=steps, eps=EPS, alpha=ALPHA)),
        "mi_fgsm": ours(MiFgsm(steps=steps, eps=EPS, alpha=ALPHA)),
        "torchattacks PGD": lambda: descent(clean, labels),
        "torchattacks MIFGSM": lambda: momentum(clean, labels),
        "foolbox LinfPGD": lambda: peer.run(bounded, clean, Misclassification(labels), epsilon=EPS),
    }


def main(pixels: int, batch: int, steps: int, rounds: int) -> dict[str, Any]:
    """Seconds and ratios of one run."""
    settle()
    load, who = os.getloadavg()[0], contenders(pixels, batch, steps)
    who["bare passes"]()  # what is only done once
    seconds: dict[str, list[float]] = {name: [] for name in who}
    for turn in range(rounds):
        names = list(who)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.process_time()
            who[name]()
            seconds[name].append(time.process_time() - began)
    ratio = lambda over, under: round(median(a / b for a, b in zip(seconds[over], seconds[under], strict=True)), 3)  # noqa: E731
    return {
        "setting": {"pixels": pixels, "batch": batch, "steps": steps, "rounds": rounds, "threads": torch.get_num_threads()},
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "processor_seconds": {name: round(median(values), 2) for name, values in seconds.items()},
        "ratios": {
            "pgd / bare passes": ratio("pgd", "bare passes"),
            "mi_fgsm / bare passes": ratio("mi_fgsm", "bare passes"),
            "pgd / torchattacks PGD": ratio("pgd", "torchattacks PGD"),
            "mi_fgsm / torchattacks MIFGSM": ratio("mi_fgsm", "torchattacks MIFGSM"),
            "pgd / foolbox LinfPGD": ratio("pgd", "foolbox LinfPGD"),
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("pixels", 64), ("batch", 100), ("steps", 20), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(main(**vars(parser.parse_args())), indent=1))
