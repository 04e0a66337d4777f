"""A worker process: a folder a line on stdin, what became of it a line on stdout, until stdin ends.

Stdin ends when the driver does, however that was: a worker never outlives it. What the work itself prints goes to stderr.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path

from crossattack._machine import settle
from crossattack.sweep.work import attempt


def main(dotted: str) -> None:
    """Work until there is nobody left to work for."""
    settle()
    said = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    folders = queue.SimpleQueue[str]()
    threading.Thread(target=_listen, args=(folders,), daemon=True).start()
    while True:
        print(json.dumps(attempt(dotted, Path(json.loads(folders.get())))), file=said)


def _listen(folders: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        folders.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
