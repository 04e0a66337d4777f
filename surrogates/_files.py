"""Networks as files: one safetensors file each, which says what builds the architecture again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def as_bytes(network: nn.Module, settings: dict[str, Any], key: str) -> bytes:
    """A network's tensors, and its settings under that key. Equal networks give equal bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return save(state, {key: json.dumps(settings, sort_keys=True)})


def read_back(path: Path, key: str, build: Callable[[dict[str, Any]], Network], wanted: str) -> Network:
    """The network that a file of `as_bytes` holds, in evaluation mode. ValueError where the file is not one."""
    try:
        with safe_open(path, framework="pt") as file:
            settings = json.loads((file.metadata() or {})[key])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        network = build(settings)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        says = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{wanted} wanted, {path} holds none: {says}") from error
    return network.eval().to(memory_format=torch.channels_last)
