"""What an attack found out on its way that a person would want to know.

keep(folder, "audition", {"taken": "straight"})
findings(folder)["audition"]["taken"]
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossattack.asides import asides, put_aside

SUFFIX = ".finding.json"


def keep(folder: Path, name: str, found: Mapping[str, Any]) -> None:
    """Plain values, fit for JSON, in the run's folder."""
    put_aside(folder, name, SUFFIX, found)


def findings(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """All that are kept, by name; without those that cannot be read."""
    return {name: values for name, values in asides(folder, SUFFIX).items() if isinstance(values, dict)}
