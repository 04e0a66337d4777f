"""Whole runs of attacks by queries: what is refused, what results say, and that a kill costs nothing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_experiment import SMALL, kill_once_there, without_times

from crossattack.config import load_config, to_yaml
from crossattack.errors import ConfigError
from crossattack.experiment import run
from crossattack.progress import Silent
from crossattack.replay import replay


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=overrides)
    return str(caught.value)


def test_settings_that_cannot_be_are_refused_in_a_line() -> None:
    assert refusal("attack=square", "attacked=500", "oracle.budget=999") == (
        "oracle.budget: 1000 or more wanted, 2 for each of 500 items that square asks about, 999 got; "
        "the nearest is 1000, or attack fewer with `--attacked`."
    )
    assert refusal("attack=qair").startswith("oracle.reveals: ranking wanted by qair, which cannot use codes")
    assert refusal("attack={name: nes, sigma: 0.001}").startswith("attack.sigma: ")
    assert refusal("attack={name: nes, samples: 7}").startswith("attack.samples: ")
    assert refusal("attack={name: square, norm: l2}").startswith("attack.norm: 'linf' wanted")
    assert load_config(overrides=["attack=square", "oracle.reveals=features"]).oracle.reveals == "features"


def asked_run(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    config = load_config(overrides=sets(overrides))
    (folder / "config.yaml").write_text(to_yaml(config))
    return run(config, folder, Silent())


def sets(overrides: Sequence[str]) -> list[str]:
    small = [each for each in SMALL if not each.startswith(("attack.", "oracle.", "attacked"))]
    return [*small, "attacked=4", "oracle.budget=48", "evaluation.resamples=20", *overrides]


@pytest.mark.usefixtures("empty_cache")
def test_features_are_a_threat_model_of_a_whole_run(tmp_path: Path) -> None:
    results = asked_run(tmp_path / "run", "attack=square", "oracle.reveals=features")
    model, bill, found = results["threat_model"], results["budget"], results["directions"]
    assert (model["reveals"], model["top_k"], model["text"], model["text_eps"]) == ("features", None, "unchanged", None)
    assert bill["phases"] == {"attack": bill["spent"]}
    assert (bill["images"], bill["texts"]) == (bill["spent"], 0)
    assert 0 < bill["spent"] <= 4 * 12
    assert found["text_to_image"]["map"]["attacked"] == found["text_to_image"]["map"]["clean"]
    assert found["text_to_image"]["success"]["attacker"] is None
    assert sum(found["image_to_text"]["status"][kind] for kind in ("succeeded", "exhausted")) == 4
    assert results["distortion"]["images"]["linf_max"] == pytest.approx(8 / 255)
    assert results["distortion"]["texts"] == {
        "realisable": True,
        "edited": 0,
        "edits": 0.0,
        "words_added": 0.0,
        "words_removed": 0.0,
        "embedding_distance": 0.0,
    }
    does = {check["name"]: check["ok"] for check in results["checks"]}
    assert does["text_to_image: the attack does something"] is None
    assert replay(tmp_path / "run")[0] == []


@pytest.mark.usefixtures("empty_cache")
def test_a_run_killed_amid_its_probes_ends_with_the_same_results(tmp_path: Path) -> None:
    overrides = sets(["attack=nes", "attack.samples=4", "name=killed"])
    arguments = [sys.executable, "-m", "crossattack.run", "--runs", str(tmp_path), "--name", "killed", "--quiet", "--json"]
    for override in overrides:
        arguments += ["--set", override]
    whole = asked_run(tmp_path / "whole", "attack=nes", "attack.samples=4", "name=killed")
    kill_once_there(tmp_path / "killed", "checkpoints/noise/texts-000000.h5", arguments)
    resumed = run(load_config(overrides=overrides), tmp_path / "killed", Silent())
    assert without_times(resumed) == without_times(whole)
