"""Memory by stage: what a stage held counts for that stage, and not for the next."""

import mmap
import sys
from pathlib import Path

import pytest

from crossattack import _machine_memory
from crossattack._machine_memory import forget_peak, peak_memory
from crossattack.results import Clock

MEGABYTE = 1 << 20


def hold(megabytes: int) -> None:
    """Touch that much, and give it back."""
    with mmap.mmap(-1, megabytes * MEGABYTE) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="allowed: only Linux lets a process forget its peak")
def test_a_stage_has_the_peak_of_its_own() -> None:
    clock = Clock()
    for stage, megabytes in (("little", 1), ("much", 300), ("little again", 1)):
        with clock(stage):
            hold(megabytes)
    little, much, again = (clock.memory[stage] or 0.0 for stage in ("little", "much", "little again"))
    assert much - little == pytest.approx(299, abs=15)
    assert much - again == pytest.approx(299, abs=15)
    assert list(clock.seconds) == ["little", "much", "little again"]


def test_without_proc_it_is_the_peak_of_the_whole_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = peak_memory()
    assert known is not None
    monkeypatch.setattr(_machine_memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(_machine_memory, "CLEAR", tmp_path / "none/at/all")
    forget_peak()
    whole = peak_memory()
    assert whole is not None
    assert whole > known - 5
