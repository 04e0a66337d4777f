"""Whole runs on a target of features that reads texts as well: both directions, by cosine, from both sides of the door, replayed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from crossattack import experiment
from crossattack.config import load_config
from crossattack.encoding import encode
from crossattack.errors import ConfigError
from crossattack.evidence import read
from crossattack.ledger import Ledger
from crossattack.metrics.features import average_precision, places_of
from crossattack.metrics.ranking import share_a_label
from crossattack.progress import Silent
from crossattack.replay import replay

SETTINGS = (
    "target={name: acmr, image_tower: convnet, epochs: 2, dim: 24, hidden: [32]}",
    "data={name: scenes, pairs: 400, pixels: 24}",
    "attack={name: pgd, steps: 6}",
    "surrogate={image_tower: convnet, epochs: 2, least_steps: 6}",
    "oracle.budget=128",
    "attacked=24",
)


def ran(folder: Path, *more: str) -> dict[str, Any]:
    folder.mkdir()
    config = load_config(None, [*SETTINGS, *more, "name=toy"])
    (folder / "config.yaml").write_text(json.dumps(config.resolved()))
    return experiment.run(config, folder, Silent())


@pytest.fixture(scope="module")
def black_box(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("common") / "run"
    return folder, ran(folder)


def test_it_is_asked_for_features_by_itself_and_refuses_to_show_codes() -> None:
    assert load_config(None, ["target=acmr", "data=scenes"]).oracle.reveals == "features"
    with pytest.raises(ConfigError, match=r"oracle\.reveals: features wanted with acmr, which has nothing else to show, codes got"):
        load_config(None, ["target=acmr", "data=scenes", "oracle.reveals=codes"])


def test_both_directions_are_measured_and_a_pair_costs_two_queries(black_box: tuple[Path, dict[str, Any]]) -> None:
    _, results = black_box
    assert list(results["directions"]) == ["image_to_text", "text_to_image"]
    assert results["threat_model"]["reveals"] == "features"
    assert 0 < results["budget"]["spent"] <= 128
    assert results["budget"]["images"] > 0
    assert results["budget"]["texts"] > 0
    for found in results["directions"].values():
        assert None not in [found["map"][name] for name in ("clean", "noise", "attacked", "ceiling", "floor")]


def test_the_figures_are_those_of_the_saved_items(black_box: tuple[Path, dict[str, Any]]) -> None:
    """mAP again, from the file's items through the target and the metric alone."""
    folder, results = black_box
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
    config = load_config(folder / "config.yaml")
    pairs, split = config.data.plugin.load(Silent())
    target = config.target.plugin.load(pairs.take(split.train), device="cpu", progress=Silent())
    database, query = pairs.take(split.database), pairs.take(split.query[:24])
    relevant = share_a_label(query.labels, database.labels)
    stored = {"image_to_text": encode(target, "texts", database.texts), "text_to_image": encode(target, "images", database.images)}
    for direction, modality in (("image_to_text", "images"), ("text_to_image", "texts")):
        for name, condition in evidence.conditions.items():
            asked = encode(target, modality, condition[modality].items.values)
            expected = average_precision(places_of(asked, stored[direction], relevant, None, "cosine")).mean()
            assert results["directions"][direction]["map"][name] == pytest.approx(expected, abs=1e-12)


def test_the_surrogate_is_compared_with_the_signs_that_it_learned_from(black_box: tuple[Path, dict[str, Any]]) -> None:
    folder, results = black_box
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        compared = read(folder, ledger).compared["surrogate"]
    assert all(theirs.is_floating_point() for theirs in compared.theirs.values())
    equal = torch.cat([(compared.ours[side] > 0) == (compared.theirs[side] >= 0) for side in compared.ours])
    (told,) = results["surrogates"]
    assert told["bit_agreement"] == pytest.approx(equal.double().mean().item())
    assert told["feature_agreement"] is None


def test_every_figure_is_replayed(black_box: tuple[Path, dict[str, Any]]) -> None:
    differences, replayed = replay(black_box[0])
    assert differences == []
    assert replayed > 100


def test_the_target_itself_is_fooled_in_both_directions(tmp_path: Path) -> None:
    results = ran(
        tmp_path / "white", "oracle.white_box=true", "attack.eps=16/255", "attack.text_eps=0.5", "attack.text_alpha=0.1", "target.epochs=8"
    )
    for found in results["directions"].values():
        assert found["map"]["attacked"] < found["map"]["noise"] - 0.02
    assert results["budget"]["spent"] == 0
