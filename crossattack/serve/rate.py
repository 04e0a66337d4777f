"""A rate limit: so many items a second, with as much saved up as one full request needs."""

import math
import re
import time
from collections.abc import Callable
from typing import final

from crossattack.errors import UsageError
from crossattack.serve.refusals import Refusal

PER = {"s": 1, "min": 60, "h": 3600}


@final
class Rate:
    """A bucket an account: it fills at `per_second` up to `burst`, and every item takes one out of it."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst, self._clock = per_second, max(float(burst), per_second), clock
        self._buckets: dict[str, tuple[float, float]] = {}  # what an account had saved up, and when

    def take(self, account: str, items: int) -> None:
        """Let these items through, or refuse all of them and say when to come again."""
        now = self._clock()
        saved, when = self._buckets.get(account, (self.burst, now))
        saved = min(self.burst, saved + (now - when) * self.per_second)
        if items > saved + 1e-9:
            wait = max(1, math.ceil((items - saved) / self.per_second))
            said = f"{items} items wanted, {int(saved)} free at {self.per_second:g} a second; come again in {wait} s."
            raise Refusal(429, "too_fast", said, {"Retry-After": str(wait)})
        self._buckets[account] = (saved - items, now)


def items_a_second(text: str) -> float:
    """ "50/s" -> 50.0, "600/min" -> 10.0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|min|h))?", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"rate: items in a time wanted, such as 50/s or 600/min, {text!r} got.")
    return float(match[1]) / PER[match[2] or "s"]
