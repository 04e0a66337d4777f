"""What tests share: the cores, a cache folder of their own, silence, and the rule that CI skips nothing without leave.

Files run side by side, a process for each core and one thread in each; tests named one by one (`file.py::test`) run in this process.

Under `CI=true` (as `.ci/run` sets it) a skipped test is a failure, because what it needs is something a package can give. A
skip that is right wherever CI runs says so: `pytest.skip("allowed: needs a GPU")`.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from crossattack._machine import settle

LEAVE = "allowed:"
MOST_PROCESSES = 8  # each may hold two gigabytes
assert "torch" not in sys.modules, "the wait policy is read when torch is loaded"
settle()  # as the command line does
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded


@pytest.hookimpl(tryfirst=True, optionalhook=True)  # some tests start a pytest that loads no plugins
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Of `-n auto`, which without this counts real cores and not those at hand."""
    if any("::" in name for name in config.args):
        return 0
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


def failed_for_skipping(report: Any) -> Any:
    """The report, a failure where CI is on and the skip has no leave; an expected failure (xfail) is no skip."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if not reason.startswith(LEAVE):
            report.outcome = "failed"
            report.longrepr = (
                f"{report.nodeid}: a test that runs wanted, a skip got ({reason}); install what it needs, or begin with {LEAVE!r}"
            )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return failed_for_skipping((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return failed_for_skipping((yield))


@pytest.fixture
def mobilenet_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of mobilenet_v2 where torch keeps those that it fetched: random ones, as nothing is fetched here."""
    import torch
    import torchvision

    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    torch.save(torchvision.models.mobilenet_v2().state_dict(), folder / "mobilenet_v2-b0353104.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, empty. Pictograms do without: they take long to fetch, so tests share the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CROSSATTACK_CACHE", str(folder))
    return folder
