"""What the examples print: runs side by side, a line each."""

from collections.abc import Mapping
from typing import Any

CONDITIONS = ("clean", "noise", "attacked", "ceiling", "floor")
HEADER = f"{'':<18}{'queries':>8}" + "".join(f"{name:>10}" for name in CONDITIONS) + f"{'recovered':>11}"


def line(name: str, results: Mapping[str, Any], direction: str = "image_to_text") -> str:
    """Queries that were paid for, mAP in each condition, and the share of the white box's damage that the attack gets."""
    found = results["directions"][direction]
    cells = "".join(f"{'-' if (value := found['map'][key]) is None else f'{value:.3f}':>10}" for key in CONDITIONS)
    recovered = "-" if found["recovered"] is None else f"{found['recovered']:.0%}"
    return f"{name:<18}{results['budget']['spent']:>8,}{cells}{recovered:>11}"
