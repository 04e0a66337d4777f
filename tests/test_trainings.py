"""How trainings went: kept in the run's folder as they were told, in results.json, on the page."""

from pathlib import Path
from typing import Any

import pytest
from example_results import results as made_up
from reported import FEATURES, WORDS, ran

from crossattack import experiment
from crossattack.config import load_config
from crossattack.progress import Event, Silent, Told
from crossattack.replay import replay
from crossattack.report._training import courses
from crossattack.report.page import page
from crossattack.report.tables import as_csv, training
from crossattack.run_folder import write_config
from crossattack.trainings import SUFFIX, trainings, watched_training


def run_told(folder: Path, *settings: str) -> tuple[dict[str, Any], list[Event]]:
    """A run, and what its trainings told."""
    folder.mkdir()
    config = load_config(None, [*settings, "name=told"])
    write_config(config, folder)
    heard: list[Event] = []
    results = experiment.run(config, folder, Told(heard.append))
    return results, [event for event in heard if "loss" in event.values]


@pytest.mark.parametrize(("settings", "target"), [(WORDS, "dcmh"), (FEATURES, "gem")])
def test_a_run_keeps_what_its_trainings_told(settings: tuple[str, ...], target: str, tmp_path: Path, empty_cache: Path) -> None:
    results, heard = run_told(tmp_path / "run", *settings)
    for name, title in (("target", f"training {target}"), ("surrogate", "training surrogate")):
        told = [dict(event.values) for event in heard if event.stage == title]
        assert told, f"nothing was told of {title}"
        assert results["training"][name] == told
    assert all("validation" in epoch for epoch in results["training"]["target"])
    assert replay(tmp_path / "run")[0] == []


def test_a_run_on_a_target_that_is_there_and_one_that_is_gone_on_with_tell_the_same(tmp_path: Path, empty_cache: Path) -> None:
    first = ran(tmp_path / "first", *WORDS)
    second = ran(tmp_path / "second", *WORDS)
    assert second["training"] == first["training"], "the second target was read from the cache"
    config = load_config(tmp_path / "second/config.yaml")
    (tmp_path / "second/results.json").unlink()
    again, heard = experiment.run(config, tmp_path / "second", Silent()), [*trainings(tmp_path / "second")]
    assert again["training"] == first["training"], "the surrogate was not trained again"
    assert heard == ["target", "surrogate"]


def test_a_damaged_file_is_as_good_as_none_and_a_training_anew_takes_its_own_place(tmp_path: Path) -> None:
    (tmp_path / f"surrogate{SUFFIX}").write_text("{")
    assert trainings(tmp_path) == {}
    progress = watched_training(Silent(), tmp_path, object())
    for loss in (2.0, 1.0):
        with progress.stage("training surrogate", 1) as tick:
            tick(1, loss=loss)
    with progress.stage("attacking", 1) as tick:
        tick(1, loss=9.0)
    assert trainings(tmp_path) == {"surrogate": [{"loss": 1.0}]}


def test_lines_are_drawn_from_zero_to_the_largest_value() -> None:
    curve = [{"loss": 4.0, "validation": 0.25}, {"loss": 1.0, "validation": 0.5}, {"loss": 2.0, "validation": 0.375}]
    loss, validation = courses({"training": {"target": curve}, "target": {"name": "dcmh"}})
    left, right, top, bottom = 56, 640 - 24, 12, 180 - 40
    middle = (left + right) / 2
    assert loss.points == ((left, top), (middle, bottom - (bottom - top) / 4), (right, bottom - (bottom - top) / 2))
    assert [label for _, label in loss.up] == ["0", "2", "4"]
    assert [label for _, label in loss.across] == ["1", "2", "3"]
    assert validation.points[1] == (middle, top)
    assert validation.title == "mAP on what was put aside of the target, dcmh"
    assert "0.250 in the first, 0.375 in the last of 3, at best 0.500" in validation.summary
    assert courses({"training": {"surrogate": [{"loss": 0.0}]}})[0].points == ((left, bottom),)
    (below,) = courses({"training": {"surrogate": [{"loss": -1.0}, {"loss": 1.0}]}})
    assert [label for _, label in below.up] == ["-1", "0", "1"]


def test_the_page_and_the_table_have_every_epoch_and_a_run_without_trainings_has_no_such_part() -> None:
    curve = [{"loss": 4.0, "validation": 0.25}, {"loss": 1.0, "validation": 0.5}]
    told = {**made_up(), "training": {"target": curve, "surrogate": [{"loss": 0.5}]}}
    assert page(told).count('<g class="line-clean">\n<polyline') >= 3
    assert "Loss of the surrogate" in page(told)
    assert as_csv(training(told)).splitlines()[1:] == ["target,1,4.0,0.25", "target,2,1.0,0.5", "surrogate,1,0.5,"]
    assert 'id="training"' not in page(made_up())
