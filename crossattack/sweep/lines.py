"""A sweep for people: a line for each cell that ends, and the table of all of them."""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from crossattack.sweep.driver import Listener
from crossattack.sweep.grid import told
from crossattack.sweep.lease import is_alive
from crossattack.sweep.table import STATES, Row

STYLES = {"done": "green", "failed": "red", "running": "bold", "pending": "dim"}


@contextmanager
def listening(rows: Sequence[Row], stream: TextIO, *, quiet: bool) -> Iterator[Listener]:
    """Lines as cells end: above a bar on a terminal, plain elsewhere, none when quiet."""
    ended, of = sum(row.state == "done" for row in rows), len(rows)
    if quiet:
        yield Listener(ended=lambda row: None, remark=lambda line: None)
    elif stream.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        console = Console(file=stream, highlight=False, markup=False)
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("cells", total=of, completed=ended)

            def drawn(row: Row) -> None:
                bar.advance(task)
                console.print(Text(line_of(row), style=STYLES[row.state] if row.state == "failed" else ""), soft_wrap=True)

            yield Listener(ended=drawn, remark=lambda line: console.print(Text(line, style="dim"), soft_wrap=True))
    else:
        count = iter(range(ended + 1, sys.maxsize))
        yield Listener(
            ended=lambda row: print(f"{next(count)}/{of} {line_of(row)}", file=stream, flush=True),
            remark=lambda line: print(line, file=stream, flush=True),
        )


def line_of(row: Row) -> str:
    """ "done  oracle.budget=100 seed=0: image_to_text mAP 0.693 -> 0.224, recovered 75 %  (41.2 s)"."""
    said = row.reason if row.state == "failed" else in_short(row.headline)
    seconds = "" if row.seconds is None else f"  ({row.seconds:.1f} s)"
    return f"{row.state}  {told(row.values)}" + (f": {said}" if said else "") + seconds


def in_short(headline: Mapping[str, Any] | None) -> str:
    """Each direction's mAP before and after, and the share of the white box's damage."""
    parts = []
    for name, one in ((headline or {}).get("directions") or {}).items():
        scores = one.get("map") or {}
        shown = " -> ".join("–" if scores.get(key) is None else f"{scores[key]:.3f}" for key in ("clean", "attacked"))
        recovered = "" if one.get("recovered") is None else f", recovered {one['recovered']:z.0%}"
        parts.append(f"{name} mAP {shown}{recovered}")
    return "; ".join(parts)


def print_status(rows: Sequence[Row], where: str, terminal: bool | None = None) -> None:
    """The table of all cells on stdout, a line of counts, and where the sweep lies."""
    terminal = sys.stdout.isatty() if terminal is None else terminal
    console = Console(file=sys.stdout, force_terminal=terminal, highlight=False, markup=False, width=None if terminal else 400)
    drawn = Drawn(box=SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, right in (("state", False), ("cell", False), ("settings", False), ("attempts", True), ("seconds", True), ("outcome", False)):
        drawn.add_column(title, justify="right" if right else "left", no_wrap=not terminal)
    now = time.time()
    for row in rows:
        cells = (
            state_of(row, now),
            row.digest,
            told(row.values),
            str(row.attempts),
            _seconds(row, now),
            row.reason or in_short(row.headline),
        )
        drawn.add_row(*map(Text, cells), style=STYLES[row.state])
    console.print(drawn)
    counts = Counter(row.state for row in rows)
    console.print(Text(", ".join(f"{counts[state]} {state}" for state in STATES)))
    console.print(Text(f"sweep: {where}"), soft_wrap=True)


def state_of(row: Row, now: float) -> str:
    """The state; of a cell whose driver was killed, that too."""
    if row.owner is None or row.expires is None or is_alive(row.owner, row.expires, now):
        return row.state
    return f"{row.state} (its driver is gone)"


def _seconds(row: Row, now: float) -> str:
    if row.state == "running" and row.started is not None:
        return f"{now - row.started:.1f}"
    return "" if row.seconds is None else f"{row.seconds:.1f}"
