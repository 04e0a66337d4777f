"""Settings by dotted key."""

from collections.abc import Mapping
from typing import Any


def flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by dotted key."""
    found = dict[str, Any]()
    for key, value in tree.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found
