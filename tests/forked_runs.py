"""Command lines of crossattack, each in a process of its own that can be killed, on one start of the interpreter.

Importing takes seconds and a small run takes one, so this process imports everything once and forks for each line of
arguments (JSON) on its stdin. It answers with the child's id and, when that is gone, with its return code.
"""

import json
import os
import sys

import torchvision  # noqa: F401

import crossattack.experiment
import crossattack.report.page  # noqa: F401
from crossattack.cli import main


def in_a_child(arguments: list[str]) -> None:
    """Run the command line and end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 70
    try:
        code = main(arguments)
    finally:
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            in_a_child(json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
