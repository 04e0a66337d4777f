"""Weights from files: never anything but tensors."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or a torch file. ValueError where there is no such file or it holds anything else."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"a file of weights wanted, no file at {path}; `weights` is own, none, default or a path")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
        state = dict(state.get("state_dict", state))
    except (OSError, SafetensorError, UnpicklingError, EOFError, RuntimeError, ValueError, AttributeError) as error:
        raise ValueError(f"a file of weights wanted, {path} is none: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
    if strangers := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"a file of weights wanted, {path} holds more than tensors: {', '.join(map(str, strangers))}")
    return state


def load_into(network: nn.Module, path: str | Path) -> None:
    """Give the network the tensors of that file; ValueError where they are another network's."""
    state = load_weights(path)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"weights of {type(network).__name__} wanted, {path} holds tensors of other names or shapes") from error
