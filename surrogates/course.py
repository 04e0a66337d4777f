"""The course of a training: what it has reached, kept after every epoch so that a killed process goes on where it was.

All that the next epoch depends on is in one file, whole or not at all: weights, optimiser, rates, draws, and the best epoch so far. A
training that went on from it ends like one that was never killed, bit for bit.
"""

import hashlib
import json
import logging
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

log = logging.getLogger("crossattack")


@dataclass
class Course:
    """How far a training has come. path: where that is kept; None: nowhere.

    curve: an entry an epoch: `loss`, its mean over the batches, and `score` where one is taken. precision: in what was computed.
    """

    path: Path | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    precision: str = "float32"
    best: dict[str, Any] | None = None  # the weights of the best epoch
    best_score: float = -math.inf
    stale: int = 0  # epochs since the best one

    def take_down(self, loss: float, score: float | None, network: nn.Module) -> dict[str, float]:
        """Take an epoch down; what there is to tell of it, by name."""
        self.curve.append({"loss": loss} if score is None else {"loss": loss, "score": score})
        if score is None:
            return {"loss": loss}
        self.stale += 1
        if score > self.best_score:
            state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            self.best, self.best_score, self.stale = state, score, 0
        return {"loss": loss, "validation": score}

    def save(self, of: str, parts: dict[str, Any], generator: torch.Generator) -> None:
        """Keep everything. of: see `signature`. parts: what has a state of its own, by name."""
        if self.path is None:
            return
        state = {
            "of": of,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "draws": {"batches": generator.get_state(), "cpu": torch.get_rng_state(), "cuda": _cuda_states()},
            "reached": {name: getattr(self, name) for name in ("curve", "precision", "best", "best_score", "stale")},
        }
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self, of: str, parts: dict[str, Any], generator: torch.Generator) -> None:
        """Go on from what was kept; from the start, with a line in the log, where that is damaged or of another training."""
        if self.path is None or not self.path.is_file():
            return
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            if state["of"] != of:
                raise ValueError("it is of another training")
        except Exception as error:  # a damaged file can raise anything
            says = (str(error).splitlines() or [type(error).__name__])[0]
            log.warning("%s cannot be gone on from (%s): training from the start.", self.path.name, says[:160])
            return
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        generator.set_state(state["draws"]["batches"])
        torch.set_rng_state(state["draws"]["cpu"])
        if state["draws"]["cuda"]:
            torch.cuda.set_rng_state_all(state["draws"]["cuda"])
        for name, value in state["reached"].items():
            setattr(self, name, value)


def signature(network: nn.Module, schedule: Any, items: int) -> str:
    """What tells one training from another: its schedule, the shapes of what learns, how many items it learns from."""
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    return hashlib.sha256(json.dumps([vars(schedule), shapes, items], sort_keys=True).encode()).hexdigest()


def _cuda_states() -> list[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
