"""Workers as tasks of a Ray cluster: one that is joined, or one of this machine alone that ends with the sweep.

A cell's folder travels to its worker and back as bytes through the object store, so that no disk need be shared. Ray tries
nothing again by itself. A cell that lost its worker is sent to the same machine if that is still there, where its scratch
folder is; elsewhere it begins with what the driver has.
"""

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, final

from crossattack.errors import MissingDependency, UsageError
from crossattack.sweep.engines import Report
from crossattack.sweep.engines._distant import at_a_distance, forget
from crossattack.sweep.engines._parcel import packed, unpack

SETTINGS: Final = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` it would send the working folder to each worker
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # tasks without a share of a GPU see what their machine has
}


MISSING: Final = "ray wanted for --engine ray, not installed; run `pip install 'crossattack[ray]'`."


@final
class Ray:
    """jobs: cells at once, None for one a CPU of the cluster. gpus: share of one that each sets aside. key: of this sweep."""

    def __init__(self, work: str, *, jobs: int | None, threads: int, address: str | None, gpus: float, key: str) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import ray
            import ray.exceptions
        except ModuleNotFoundError as error:
            raise MissingDependency(MISSING) from error
        size = {} if address else {"num_cpus": jobs, "include_dashboard": False}
        try:
            _knock(address)
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.CRITICAL, **size)
        except (OSError, ValueError, RuntimeError) as error:
            says = f"--address: a Ray cluster wanted, {address or 'none of this machine'} got ({' '.join(str(error).split()):.200})"
            raise UsageError(f"{says}; start one with `ray start --head`, or leave it out.") from error
        self._ray, self._work, self._threads, self._key = ray, work, threads, key
        self._jobs = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._task = ray.remote(max_retries=0, num_cpus=1, num_gpus=gpus)(at_a_distance)
        self._forget = ray.remote(max_retries=0, num_cpus=0)(forget)
        self._open = dict[Any, tuple[str, Path]]()  # by the stream of what a task says
        self._places = dict[str, str]()  # machines by digest

    @property
    def slots(self) -> int:
        return self._jobs

    def start(self, digest: str, folder: Path) -> None:
        """Submit the cell, with all that its folder holds."""
        task = self._task.options(**self._near(digest))
        self._open[task.remote(self._work, self._scratch(digest), packed(folder), self._threads)] = digest, folder

    def reports(self, timeout: float) -> Sequence[Report]:
        """What tasks have said, and which of them were lost."""
        ready, _ = self._ray.wait(list(self._open), num_returns=1, timeout=timeout)
        return [report for said in ready if (report := self._heard(said))]

    def stop(self) -> None:
        """Leave the cluster; it ends what a driver that left was waiting for."""
        for said in self._open:
            with suppress(Exception):  # whatever it is, the cluster may be gone already
                self._ray.cancel(said, force=True)
        self._open.clear()
        self._ray.shutdown()

    def _heard(self, said: Any) -> Report | None:
        """A task's next words: where it is, or how it ended."""
        digest, folder = self._open[said]
        try:
            words = self._ray.get(next(said))
        except (self._ray.exceptions.RayTaskError, StopIteration) as error:  # outside the work, for which it has words
            del self._open[said]
            return Report(digest=digest, reason=f"its task failed: {_last_line(error)}")
        except self._ray.exceptions.RayError as error:
            del self._open[said]
            return Report(digest=digest, reason=f"its worker was lost: {_first_line(error)}", lost=True)
        if isinstance(words, str):
            self._places[digest] = words
            return None
        del self._open[said]
        reason, parcel = words
        try:
            unpack(parcel, folder)
        except OSError as error:  # what was found stays where the work was done
            return Report(digest=digest, reason=f"its folder cannot be written here ({error.strerror}); go on when there is room")
        self._forget.options(**self._near(digest)).remote(self._scratch(digest))
        return Report(digest=digest, reason=reason)

    def _near(self, digest: str) -> dict[str, Any]:
        """Where a cell was worked on last, if that machine is still there."""
        if digest not in self._places:
            return {}
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(self._places[digest], soft=True)}

    def _scratch(self, digest: str) -> str:
        return f"{self._key}-{digest}"


def _knock(address: str | None) -> None:
    """`OSError` where nobody listens at a `host:port`: Ray itself would go on trying for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
