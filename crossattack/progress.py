"""Progress: a stage opens, ticks and closes; what is drawn is decided once, by whoever runs.

    with progress.stage("training dcmh", total=12) as tick:
        for epoch in range(12):
            ...
            tick(1, f"loss {loss:.3f}")

A rich bar on a terminal, plain lines elsewhere, nothing with `--quiet`. All of it goes to stderr.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TextIO, TypeAlias, runtime_checkable

Tick: TypeAlias = Callable[[int, str], None]  # how many more are done, and what there is to say about it


@runtime_checkable
class Progress(Protocol):
    """Where stages are announced."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Tick]:
        """Open a stage of `total` steps."""
        ...


class Silent:
    """Says nothing."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Tick]:
        return nullcontext(lambda steps, note: None)


class PlainLines:
    """A line when a stage begins, one every few seconds, one at its end with its time."""

    def __init__(self, stream: TextIO, every: float = 10.0) -> None:
        self.stream, self.every = stream, every

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Tick]:
        began = said = time.monotonic()
        done = 0

        def tick(steps: int, note: str) -> None:
            nonlocal done, said
            done += steps
            if time.monotonic() - said >= self.every and done < total:
                said = time.monotonic()
                print(f"  {title}: {done}/{total} {note}".rstrip(), file=self.stream, flush=True)

        print(f"{title} ...", file=self.stream, flush=True)
        yield tick
        print(f"{title}: {done}/{total} in {time.monotonic() - began:.1f} s", file=self.stream, flush=True)


class RichBars:
    """One bar a stage, on a terminal."""

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Tick]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bars:
            task = bars.add_task(title, total=total, note="")
            yield lambda steps, note: bars.update(task, advance=steps, note=note)


def progress_for(stream: TextIO = sys.stderr, *, quiet: bool = False) -> Progress:
    """The kind of progress that suits the stream."""
    if quiet:
        return Silent()
    return RichBars() if stream.isatty() else PlainLines(stream)
