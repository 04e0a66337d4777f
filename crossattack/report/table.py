"""The final table: what a run found, on a terminal or as plain aligned text, from its results alone."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossattack.report._rows import directions, fact_rows, score_rows


def print_table(results: Mapping[str, Any], folder: Path | None = None, terminal: bool | None = None) -> None:
    """Print the table, the facts beside it and the run's path, if it has one. terminal: whether to draw for one; None looks at stdout."""
    terminal = sys.stdout.isatty() if terminal is None else terminal
    console = Console(file=sys.stdout, force_terminal=terminal, highlight=False, markup=False, width=None if terminal else 400)
    table = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text(str(results["name"])))
    for title in directions(results).values():
        table.add_column(title, justify="left", no_wrap=True)
    for row in score_rows(results):
        telling = row.label in ("mAP, attacked", "recovered")
        table.add_row(Text(row.label), *(Text(value) for value in row.values), style="bold" if telling else "")
    console.print(table)
    for label, fact in fact_rows(results):
        console.print(Text(f"{label}: {fact}", style="red" if label == "check failed" else ""), soft_wrap=True)
    if folder is not None:
        console.print(Text(f"run: {folder}"), soft_wrap=True)
