"""How our processes use the machine, said once, before torch is loaded: the command line, the tests and the benchmarks do.

Neither setting changes a figure, only what waiting and memory cost.
"""

import ctypes
import os
import sys
from contextlib import suppress

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # glibc's names for them are M_...
KEPT = (1 << 31) - 1  # bytes of freed memory that a process holds on to


def settle() -> None:
    """Threads that wait spin briefly, then sleep (decision 006); memory that was freed is kept for the next step (decision 007)."""
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library that is not glibc
            libc = ctypes.CDLL(None)
            libc.mallopt(MMAP_THRESHOLD, KEPT // 2)
            libc.mallopt(TRIM_THRESHOLD, KEPT)
