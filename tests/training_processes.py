"""Trainings in processes of their own: python training_processes.py alone|rank FOLDER THREADS."""

import os
import sys
import time
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn
from worlds import scenes

from crossattack.cli import main
from crossattack.progress import Silent
from crossattack.targets.dcmh import Dcmh
from surrogates.losses import pairwise_likelihood
from surrogates.network import HashingNetwork, network_for
from surrogates.ranks import joined
from surrogates.training import Schedule, train

RECIPE = Dcmh(image_tower="convnet", epochs=6, batch=16, bits=12)


class Smooth(nn.Module):
    """A picture tower without batch normalisation."""

    features, own_weights = 24, "none"

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.GELU(), nn.Flatten(), nn.Linear(12 * 64, 24), nn.GELU())

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)  # type: ignore[no-any-return]


def together() -> HashingNetwork:
    """A network that learned small scenes in two epochs, in as many processes as there are."""
    pairs, _ = scenes(82)
    torch.manual_seed(0)
    network = network_for(pairs.texts, image="convnet", text="bag_of_words", bits=8, weights="none")
    network.image_tower = Smooth()
    network.image_head = nn.Linear(24, 8)
    relevant = pairs.labels.float() @ pairs.labels.float().T > 0

    def objective(outputs: Tensor, batch: Tensor) -> Tensor:
        assert len(outputs) == len(batch), "the loss sees the whole batch"
        texts = network.project_texts([pairs.texts[i] for i in batch.tolist()])
        return pairwise_likelihood(outputs, texts, relevant[batch][:, batch])

    schedule = Schedule(epochs=2, batch=16)  # batches of 16 and 17, so that parts differ
    return train(network, pairs.images, objective, schedule, torch.Generator().manual_seed(0), tick=lambda *_, **values: None)


def of_rank(folder: Path) -> None:
    """One of two processes, and a target that both train, the first one writing it and telling of it."""
    rank, command = os.environ["RANK"], ["targets", "train", "dcmh", "--data", "scenes", "--json"]
    settings = ["data.pairs=240", "data.pixels=16", "target.image_tower=convnet", "target.epochs=2", "target.batch=16", "target.bits=12"]
    with joined(), (folder / f"{rank}.json").open("w") as out, redirect_stdout(out):
        torch.save(together().state_dict(), folder / f"{rank}.pt")
        assert main([*command, *(part for setting in settings for part in ("--set", setting))]) == 0


def alone(folder: Path) -> None:
    """A target that is trained slowly enough to be killed."""

    class Slow(Silent):
        def stage(self, title: str, total: int):  # type: ignore[no-untyped-def]
            return nullcontext(lambda *_, **values: time.sleep(0.5))

    pairs, split = scenes()
    RECIPE.load(pairs.take(split.train), device="cpu", progress=Slow())


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    {"alone": alone, "rank": of_rank}[sys.argv[1]](Path(sys.argv[2]))
