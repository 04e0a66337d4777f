"""What became of a folder of pictures, told: a table on stdout and a line for each file that is not in it on stderr, or JSON."""

import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossattack._perturb_folder import Outcome


def print_outcome(outcome: Outcome) -> None:
    """The table and the lines."""
    console = Console(file=sys.stdout, highlight=False, markup=False, width=400)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for title in ("picture", "written", "size", "linf", "psnr", "what was done to read it"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("linf", "psnr") else "left")
    for one in outcome.written:
        noise = "unchanged" if one.psnr is None else f"{one.psnr:.1f} dB"
        cells = (one.name, one.written, f"{one.width}x{one.height}", f"{round(one.linf * 255)}/255", noise, ", ".join(one.notes))
        table.add_row(*map(Text, cells))
    console.print(table)
    for name, reason in outcome.skipped.items():
        print(f"skipped: {name}: {reason}", file=sys.stderr)
    for name, reason in outcome.refused.items():
        print(f"refused: {name}: {reason}", file=sys.stderr)
    height, width = outcome.forge.origin.pixels
    if others := sum((one.height, one.width) != (height, width) for one in outcome.written):
        print(f"note: the generator learned from pictures of {width}x{height}; {others} of these have another size.", file=sys.stderr)


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The same for JSON: radii and distances in pixels of [0, 1], `psnr` null where nothing was changed."""
    return {
        "generator": asdict(outcome.forge.origin),
        "eps": outcome.eps,
        "pictures": [asdict(one) for one in outcome.written],
        "skipped": outcome.skipped,
        "refused": outcome.refused,
    }
