"""Whether a model of transformers can be had, known before anything is loaded: from a folder, the hub's cache, or the hub."""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread

PATIENCE = 1.5  # seconds for the hub to say anything


def refusal(source: str, family: str) -> str | None:
    """Why there is no model of that family at `source`; None where it is there, or its hub can be asked.

    source: a folder, or a name on the hub. family: its `model_type` in config.json.
    """
    wanted = f"{source!r} got"
    if Path(source).is_dir():
        try:
            told = json.loads((Path(source) / "config.json").read_text(encoding="utf-8"))["model_type"]
        except (OSError, ValueError, KeyError, TypeError):
            return f"{wanted}, a folder without a config.json of transformers"
        return None if told == family else f"{wanted}, whose config.json is of {told!s:.40}"
    try:
        there = in_cache(source) or reachable()
    except ValueError:
        return f"{wanted}, which is no folder and no name"
    return None if there else f"{wanted}, which is no folder and not in the hub's cache, and no hub answered"


def in_cache(name: str) -> bool:
    """Whether some of it was fetched before; ValueError where no hub could have anything under that name."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


@cache
def reachable() -> bool:
    """Whether the hub answers within a moment; asked once. Transformers by itself tries again for most of a minute."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    heard = list[bool]()

    def knock() -> None:
        with suppress(Exception):  # whatever a network does
            get_session().head(constants.ENDPOINT, timeout=PATIENCE)
            heard.append(True)

    knocking = Thread(target=knock, daemon=True)  # looking the name up knows no time limit
    knocking.start()
    knocking.join(PATIENCE)
    return bool(heard)
