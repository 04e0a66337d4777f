"""Asides: small JSON files beside the figures of a run.

Each is written as soon as there is something to tell, so that a run that is gone on with tells of it as well.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file


def put_aside(folder: Path, name: str, suffix: str, value: Any) -> None:
    """Write it down, whole; it is fit for JSON."""
    with whole_file(folder / f"{name}{suffix}") as file:
        file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def asides(folder: Path, suffix: str) -> dict[str, Any]:
    """All with this suffix, by name, in the order of their files; without those that cannot be read."""
    found = dict[str, Any]()
    for path in sorted(folder.glob(f"*{suffix}")):
        with suppress(OSError, ValueError):
            found[path.name.removesuffix(suffix)] = json.loads(path.read_text(encoding="utf-8"))
    return found
