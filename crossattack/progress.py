"""Progress: a stage opens, ticks and closes; whoever wants to know is told by events.

    with progress.stage("training dcmh", total=12) as tick:
        for epoch in range(12):
            ...
            tick(1, f"epoch {epoch + 1}", loss=loss)

    progress = Told(print)      # a Progress that calls one function with every `Event`

What is drawn is a listener like any other: a rich bar on a terminal, plain lines elsewhere, nothing with `--quiet`. All of it
goes to stderr.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TextIO, TypeAlias, runtime_checkable


class Kind(Enum):
    """What has happened to a stage."""

    BEGAN = "began"
    TICKED = "ticked"
    ENDED = "ended"
    BROKE = "broke"  # off, by an exception that is on its way


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: `done` of `total` steps of a stage, `seconds` after it began.

    note: what there is to say, in words. values: what there is to say in numbers, by name, such as a loss.
    """

    kind: Kind
    stage: str
    done: int
    total: int
    seconds: float
    note: str = ""
    values: Mapping[str, float | int] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """Note and values in words: "epoch 3: loss 0.123, validation 0.700"."""
        numbers = ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in self.values.items())
        return ": ".join(filter(None, (self.note, numbers)))


Listener: TypeAlias = Callable[[Event], object]


@runtime_checkable
class Tick(Protocol):
    """How many more steps are done, and what there is to say about it: in words, and in numbers by name."""

    def __call__(self, steps: int, note: str = "", /, **values: float | int) -> None: ...


@runtime_checkable
class Progress(Protocol):
    """Where stages are announced."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Tick]:
        """Open a stage of `total` steps."""
        ...


class Silent:
    """Says nothing."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Tick]:
        return nullcontext(lambda steps, note="", /, **values: None)


class Told:
    """Tells listeners, each in turn. What one of them raises ends the work, as Ctrl-C would."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Tick]:
        began, done = time.monotonic(), 0

        def tell(kind: Kind, **more: Any) -> None:
            event = Event(kind=kind, stage=title, done=done, total=total, seconds=time.monotonic() - began, **more)
            for listener in self.listeners:
                listener(event)

        def tick(steps: int, note: str = "", /, **values: float | int) -> None:
            nonlocal done
            done += steps
            tell(Kind.TICKED, note=note, values=values)

        try:
            tell(Kind.BEGAN)
            yield tick
        except BaseException:
            tell(Kind.BROKE)
            raise
        tell(Kind.ENDED)


class PlainLines:
    """A line when a stage begins, one every few seconds, one at its end with its time."""

    def __init__(self, stream: TextIO, every: float = 10.0) -> None:
        self.stream, self.every, self.said = stream, every, 0.0

    def __call__(self, event: Event) -> None:
        if event.kind is Kind.BEGAN:
            self._say(f"{event.stage} ...")
        elif event.kind is Kind.ENDED:
            self._say(f"{event.stage}: {event.done}/{event.total} in {event.seconds:.1f} s")
        elif event.kind is Kind.TICKED and time.monotonic() - self.said >= self.every and event.done < event.total:
            self._say(f"  {event.stage}: {event.done}/{event.total} {event.told}".rstrip())

    def _say(self, line: str) -> None:
        self.said = time.monotonic()
        print(line, file=self.stream, flush=True)


class RichBars:
    """One bar a stage, on a terminal."""

    def __init__(self) -> None:
        self.open: list[tuple[Any, Any]] = []  # bars and their task, of stages within stages

    def __call__(self, event: Event) -> None:
        if event.kind is Kind.BEGAN:
            bars = _bars()
            bars.start()
            self.open.append((bars, bars.add_task(event.stage, total=event.total, note="")))
            return
        bars, task = self.open[-1]
        if event.kind is Kind.TICKED:
            bars.update(task, completed=event.done, note=event.told)
        else:
            self.open.pop()
            bars.stop()


def progress_for(stream: TextIO = sys.stderr, *more: Listener, quiet: bool = False) -> Progress:
    """The kind of progress that suits the stream; `more` listeners are told besides, quiet or not."""
    drawn = () if quiet else (RichBars() if stream.isatty() else PlainLines(stream),)
    return Told(*drawn, *more) if drawn or more else Silent()


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))


def _number(value: float | int) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
