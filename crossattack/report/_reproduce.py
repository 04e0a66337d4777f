"""How to get the same run again: the command line that asks for its configuration."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from crossattack.config import load_config
from crossattack.config._flat import flat
from crossattack.errors import CrossattackError
from crossattack.registry import GIVEN

FLAGS = {"target.name": "--target", "attack.name": "--attack", "data.name": "--data"}
ROUNDS = 3  # a plugin inside a plugin shows its own settings once it is chosen


def command(config: Mapping[str, Any]) -> str:
    """A command that resolves to exactly this configuration, but for the run's name; one that names its file where there is none."""
    if GIVEN in (config.get("target", {}).get("name"), config.get("data", {}).get("name")):
        return "crossattack.evaluate(...)  # in Python, with the objects that config.yaml tells of"
    wanted = flat({key: value for key, value in config.items() if key != "name"})
    given = {key: wanted[key] for key in FLAGS if key in wanted}
    try:
        for _ in range(ROUNDS):
            got = flat(load_config(None, [f"{key}={_yaml(value)}" for key, value in given.items()]).resolved())
            got.pop("name", None)
            if wanted and got == wanted:
                return shlex.join(["crossattack", "run", *(part for key, value in given.items() for part in _asked(key, value))])
            given |= {key: value for key, value in wanted.items() if key not in got or got[key] != value}
    except CrossattackError:
        pass
    return "crossattack run --config config.yaml"


def _asked(key: str, value: Any) -> tuple[str, str]:
    return (FLAGS[key], str(value)) if key in FLAGS else ("--set", f"{key}={_yaml(value)}")


def _yaml(value: Any) -> str:
    """JSON, which is YAML but for 1e-05, a word there and 1.0e-05 as a number; 8/255 where it is exactly that."""
    if isinstance(value, float) and 0 < value <= 1 and round(255 * value) / 255 == value:
        return f"{round(255 * value)}/255" if value < 1 else "1.0"
    if (
        isinstance(value, str)
        and value.isidentifier()
        and value.lower() not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    ):
        return value
    written = json.dumps(value)
    return written.replace("e", ".0e") if isinstance(value, float) and "." not in written else written
