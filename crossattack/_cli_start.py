"""The first lines of every command: while the rest is being loaded, Ctrl-C is a word and exit code 130, not a traceback."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str] | None = None, called: str = "crossattack") -> int:
    """Load the command line and run a command; its exit code."""
    before = signal.signal(signal.SIGINT, leave)
    from crossattack.cli import main as command

    signal.signal(signal.SIGINT, before)
    return command(arguments, called)


def leave(signum: int, frame: FrameType | None) -> None:
    """End at once: nothing was begun, and an exception would come out of the middle of somebody's import."""
    sys.stderr.write("interrupted\n")
    sys.stderr.flush()
    os._exit(130)
