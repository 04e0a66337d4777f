"""Small runs to report on, for tests."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from crossattack import experiment
from crossattack.config import load_config
from crossattack.datasets import Pairs
from crossattack.evidence import Evidence, read
from crossattack.ledger import Ledger
from crossattack.progress import Silent
from crossattack.run_folder import write_config

SCENES = ("data={name: scenes, pairs: 240, pixels: 16}", "oracle.budget=80", "attacked=12", "evaluation.resamples=50", "device=cpu")
SURROGATE = "surrogate={image_tower: convnet, epochs: 1, least_steps: 0, batch: 16}"
WORDS = (
    *SCENES,
    "target={name: dcmh, image_tower: convnet, epochs: 2, bits: 16}",
    SURROGATE,
    "attack={name: joint, steps: 2, tried: 20}",
    "ceiling={name: joint, steps: 2, tried: 20}",
)
FEATURES = (
    *SCENES,
    "target={name: gem, image_tower: convnet, epochs: 1, dim: 24}",
    "surrogate={image_tower: convnet, epochs: 2, least_steps: 6}",
    "attack={name: pgd, steps: 2}",
)


def ran(folder: Path, *settings: str) -> dict[str, Any]:
    """A run in this process, with its folder as the command line leaves it but for the page."""
    folder.mkdir(parents=True)
    config = load_config(None, [*settings, f"name={folder.name}"])
    write_config(config, folder)
    return experiment.run(config, folder, Silent())


def taken(folder: Path) -> tuple[Evidence, Pairs]:
    """Its evidence and its data set."""
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
    return evidence, evidence.config.data.plugin.load(Silent())[0]


def drawn(address: str) -> torch.Tensor:
    """The picture at a data address, (channel, height, width)."""
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    return torch.from_numpy(pixels).permute(2, 0, 1)
