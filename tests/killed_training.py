"""The process that is killed while it trains a generator: python killed_training.py FOLDER THREADS."""

import sys
from pathlib import Path

import torch
from worlds import attackers_world

from crossattack.attacks.uaa_gan import UaaGan

ATTACK = UaaGan(eps=16 / 255, steps=80, batch=4, width=4, blocks=0, pictures=40)


def train(folder: Path) -> bytes:
    """The file of the generator that is trained in this folder, or that was."""
    with attackers_world(folder) as world:
        ATTACK.fit(world.white)
    return (folder / "generator.safetensors").read_bytes()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    train(Path(sys.argv[1]))
