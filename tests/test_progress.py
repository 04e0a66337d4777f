"""Progress: every stage tells a listener when it begins, ticks and ends, in numbers; bars, lines and scalars are listeners."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from crossattack import experiment, progress, tensorboard
from crossattack.cli import main
from crossattack.config import RunConfig
from crossattack.progress import Event, Kind, PlainLines, Progress, RichBars, Silent, Told, progress_for
from crossattack.tensorboard import tensorboard_in


def three_epochs(progress: Progress) -> None:
    with progress.stage("training toy", 3) as tick:
        for epoch in range(3):
            tick(1, f"epoch {epoch + 1}", loss=1 / (epoch + 1), queries_left=1200 - epoch)


def test_a_stage_tells_what_it_does_in_numbers() -> None:
    events: list[Event] = []
    three_epochs(Told(events.append))
    assert [(event.kind, event.done) for event in events] == [(Kind.BEGAN, 0), *((Kind.TICKED, n) for n in (1, 2, 3)), (Kind.ENDED, 3)]
    assert {(event.stage, event.total) for event in events} == {("training toy", 3)}
    assert [event.values["loss"] for event in events[1:4]] == [1, 1 / 2, 1 / 3]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)
    assert events[2].told == "epoch 2: loss 0.500, queries left 1,199"
    assert (events[0].told, events[0].values) == ("", {})


def test_a_stage_that_breaks_off_says_so_and_the_exception_goes_on() -> None:
    events: list[Event] = []
    with pytest.raises(ZeroDivisionError), Told(events.append).stage("toy", 2) as tick:
        tick(1 + 1 // (1 - len(events)))
    assert [event.kind for event in events] == [Kind.BEGAN, Kind.BROKE]


def test_what_a_listener_raises_ends_the_work() -> None:
    done: list[int] = []

    def enough(event: Event) -> None:
        if event.done == 2:
            raise KeyboardInterrupt

    def work() -> None:
        with Told(enough).stage("toy", 9) as tick:
            for step in range(9):
                done.append(step)
                tick(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [0, 1]


def test_plain_lines_are_few_and_hold_the_numbers(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    now = iter(range(0, 1000, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    three_epochs(Told(PlainLines(sys.stderr, every=10.0)))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "training toy ..."
    assert lines[1] == "  training toy: 1/3 epoch 1: loss 1.000, queries left 1,200"
    assert lines[-1].startswith("training toy: 3/3 in ")
    assert len(lines) == 4


def test_a_terminal_gets_bars_and_they_are_taken_down(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    drawn = progress_for(sys.stderr)
    assert isinstance(drawn, Told)
    (bars,) = drawn.listeners
    assert isinstance(bars, RichBars)
    with drawn.stage("outer", 2) as tick:
        tick(1, "half", loss=0.25)
        three_epochs(drawn)
        with pytest.raises(ZeroDivisionError), drawn.stage("broken", 1):
            raise ZeroDivisionError
        assert [task.fields["note"] for open_bars, _ in bars.open for task in open_bars.tasks] == ["half: loss 0.250"]
        tick(1)
    assert not bars.open
    assert "outer" in capfd.readouterr().err


def test_quiet_is_silent_but_for_those_who_asked_to_be_told() -> None:
    events: list[Event] = []
    assert isinstance(progress_for(quiet=True), Silent)
    three_epochs(progress_for(sys.stderr, events.append, quiet=True))
    assert len(events) == 5


# TensorBoard


def read_back(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag: (step, value)."""
    found = EventAccumulator(str(folder / tensorboard.FOLDER))
    found.Reload()
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_scalars_are_read_back_as_they_were_told(tmp_path: Path) -> None:
    with tensorboard_in(tmp_path) as listener:
        three_epochs(Told(listener))
    found = read_back(tmp_path)
    assert set(found) == {"training_toy/loss", "training_toy/queries_left", "progress/training_toy", "seconds/training_toy"}
    assert found["training_toy/loss"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert found["progress/training_toy"] == [(1, pytest.approx(1 / 3)), (2, pytest.approx(2 / 3)), (3, 1.0)]
    assert found["seconds/training_toy"][0][0] == 3


def test_a_run_writes_scalars_where_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from example_results import results

    def run(config: RunConfig, folder: Path, told: Progress) -> dict[str, Any]:
        three_epochs(told)
        found = results(str(config.name))
        (folder / "results.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(experiment, "run", run)
    for name, flags in (("with", ["--tensorboard"]), ("without", [])):
        assert main(["run", "--name", name, "--runs", str(tmp_path), "--quiet", *flags]) == 0
        assert (tmp_path / name / "tensorboard").exists() == bool(flags)
    assert read_back(tmp_path / "with")["training_toy/loss"][0] == (1, 1.0)


def test_without_the_extra_a_line_says_how_to_get_it_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    assert main(["run", "--tensorboard", "--runs", str(tmp_path / "runs")]) == 2
    said = "error: tensorboard wanted, not installed; run `pip install 'crossattack[tensorboard]'`.\n"
    assert capfd.readouterr() == ("", said)
    assert not (tmp_path / "runs").exists()
