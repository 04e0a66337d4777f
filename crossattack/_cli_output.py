"""Stdout, where a command's result goes, and what is said when it does not get there."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast, final

from crossattack.errors import OutputLost


@contextmanager
def stdout_or_a_line() -> Iterator[None]:
    """Within it, a stdout that takes no more raises `OutputLost`, also for what it had taken and could not pass on."""
    stream = sys.stdout
    checked = CheckedStream(stream)
    try:
        with redirect_stdout(cast(TextIO, checked)):
            yield
        checked.flush()
    except OutputLost:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # the interpreter's own farewell would fail once more
        raise


@final
class CheckedStream:
    """A text stream whose failures are ours to explain."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or `OutputLost`."""
        with _explained():
            return self._stream.write(text)

    def flush(self) -> None:
        """Pass on what was written, or `OutputLost`."""
        with _explained():
            self._stream.flush()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputLost(str(error.strerror), closed=error.errno == errno.EPIPE) from error
