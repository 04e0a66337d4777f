"""Weights that an attack keeps in the run's folder, so that a run that was killed trains nothing twice."""

import logging
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from crossattack.cache import whole_file

log = logging.getLogger("crossattack")


def keep_weights(network: nn.Module, path: Path) -> None:
    """Write them, whole or not at all."""
    with whole_file(path) as file:
        save_file({name: value.contiguous().cpu() for name, value in network.state_dict().items()}, file)


def took_up(network: nn.Module, path: Path) -> bool:
    """Whether kept weights were there and fit, and are the network's now; of a damaged file a line in the log."""
    if not path.exists():
        return False
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        log.warning("%s cannot be used (%s); training again.", path, str(error).splitlines()[0])
        return False
    return True
