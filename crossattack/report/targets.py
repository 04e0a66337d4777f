"""Targets in tables: those that were trained on this machine, and how well one finds."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossattack.cache import cache_folder

TITLES = {
    "image_to_text": "pictures ask for texts",
    "text_to_image": "texts ask for pictures",
    "image_to_image": "pictures ask for pictures",
}


def kept_targets() -> list[dict[str, Any]]:
    """Manifests of the targets in the cache, the sound ones, by name; what cannot be read is left out."""
    found = []
    for file in sorted(cache_folder("targets").glob("*.json")):
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            told = {"name": manifest["name"], "digest": manifest["sha256"][:16], "recipe": dict(manifest["recipe"])}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.append(told | {key: manifest.get(key) for key in ("validation", "seconds")} | {"file": file.with_suffix(".safetensors").name})
    return found


def print_kept(kept: Sequence[Mapping[str, Any]]) -> None:
    """The trained targets, a row each."""
    rows = [
        (
            str(one["name"]),
            str(one["digest"]),
            str(one["recipe"].get("bits") or one["recipe"].get("dim") or ""),
            str(one["recipe"].get("image_tower", "")),
            ", ".join(f"{score:.3f}" for score in (one["validation"] or {}).values()),
            "" if one["seconds"] is None else f"{one['seconds']:.0f} s",
        )
        for one in kept
    ]
    _print(("trained here", "digest", "bits", "picture tower", "mAP put aside", "trained in"), rows)


def print_quality(told: Mapping[str, Any]) -> None:
    """What `crossattack targets eval` found."""
    rows = []
    for direction, found in told["directions"].items():
        low, high = found["map_ci95"] or (None, None)
        interval = "" if low is None else f" [{low:.3f}, {high:.3f}]"
        score = "null" if found["map"] is None else f"{found['map']:.3f}{interval}"
        rows.append((TITLES[direction], score, "null" if found["floor"] is None else f"{found['floor']:.3f}", f"{found['queries']:,}"))
    _print((f"{told['name']} on {told['data']}", "mAP", "floor (random ranking)", "queries"), rows)
    size = "" if told["parameters"] is None else f", {told['parameters']:,} parameters"
    print(f"{told['dim']} numbers an item, compared by {told['similarity']}{size}; {told['items_a_second']:,.0f} items a second")
    if told["training_seconds"] is not None:
        print(f"trained in {told['training_seconds']:.1f} s; digest {told['digest']}")


def _print(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, force_terminal=terminal, highlight=False, markup=False, width=None if terminal else 400)
    table = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(Text(title), no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
