"""What an attack found out on its way that a person would want to know: a small file each in the run's folder.

keep(folder, "audition", {"taken": "straight"})
findings(folder)["audition"]["taken"]
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file

SUFFIX = ".finding.json"


def keep(folder: Path, name: str, found: Mapping[str, Any]) -> None:
    """Write down plain values, fit for JSON, so that a run that is gone on with tells of them as well."""
    with whole_file(folder / f"{name}{SUFFIX}") as file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def findings(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """All that are kept, by name; without those that cannot be read."""
    found = dict[str, Any]()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(OSError, ValueError):
            found[path.name.removesuffix(SUFFIX)] = json.loads(path.read_text(encoding="utf-8"))
    return {name: values for name, values in found.items() if isinstance(values, dict)}
