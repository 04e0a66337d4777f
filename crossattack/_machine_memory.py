"""The most memory that this process held at a time, in MB, measured anew where the system lets it be."""

import sys
from contextlib import suppress
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux's
PEAK = "5"  # what makes it forget the peak


def forget_peak() -> None:
    """Begin to measure again. Elsewhere than on Linux nothing is forgotten, and the peak is that of the whole process."""
    with suppress(OSError):
        CLEAR.write_text(PEAK, encoding="ascii")


def peak_memory() -> float | None:
    """The largest resident set since `forget_peak`, with all that was held before it; None where the system does not tell."""
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)
