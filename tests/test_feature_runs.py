"""Whole runs on a target of features: pictures alone, ranked by cosine, from both sides of the door, and replayed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import scenes

from crossattack import experiment
from crossattack.attacks import Pictures
from crossattack.attacks._eyes import Lengthened, lengthened
from crossattack.config import load_config
from crossattack.encoding import encode
from crossattack.errors import ConfigError, UsageError
from crossattack.evidence import read
from crossattack.ledger import Ledger
from crossattack.metrics.features import average_precision, places_of
from crossattack.metrics.ranking import share_a_label
from crossattack.objectives.away import Away
from crossattack.objectives.triplet import Triplet
from crossattack.progress import Silent
from crossattack.replay import replay

SETTINGS = (
    "target={name: gem, image_tower: convnet, epochs: 1, dim: 24}",
    "data={name: scenes, pairs: 400, pixels: 24}",
    "attack={name: pgd, steps: 6}",
    "surrogate={image_tower: convnet, epochs: 2, least_steps: 6}",
    "oracle.budget=64",
    "attacked=24",
)


def ran(folder: Path, *more: str) -> dict[str, Any]:
    folder.mkdir()
    config = load_config(None, [*SETTINGS, *more, "name=toy"])
    (folder / "config.yaml").write_text(json.dumps(config.resolved()))
    return experiment.run(config, folder, Silent())


@pytest.fixture(scope="module")
def black_box(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("features") / "run"
    return folder, ran(folder)


def test_a_target_of_features_is_asked_for_features_by_itself() -> None:
    config = load_config(None, ["target=gem", "attack=pgd", "data=scenes"])
    assert config.oracle.reveals == "features"
    for other in ("codes", "{reveals: ranking, top_k: 5}"):
        setting = f"oracle.reveals={other}" if other == "codes" else f"oracle={other}"
        with pytest.raises(ConfigError, match=r"oracle\.reveals: features wanted with gem, which has nothing else to show"):
            load_config(None, ["target=gem", "attack=pgd", "data=scenes", setting])
    assert load_config(None, []).oracle.reveals == "codes"


def test_pictures_alone_have_a_target_of_features_unless_another_is_named() -> None:
    config = load_config(None, ["data=instances", "attack=pgd"])
    assert (config.target.name, config.oracle.reveals) == ("gem", "features")
    with pytest.raises(ConfigError, match="data: pictures with texts wanted by dcmh, instances has pictures alone"):
        load_config(None, ["data=instances", "attack=pgd", "target=dcmh"])


@pytest.mark.parametrize("attack", ["tags", "tokens", "joint"])
def test_attacks_on_texts_are_refused_where_there_are_none(attack: str) -> None:
    with pytest.raises(ConfigError, match=f"attack: an attack on pictures alone wanted with gem, {attack} got"):
        load_config(None, ["target=gem", "data=scenes", f"attack={attack}", "surrogate.text_tower=transformer"])


@pytest.mark.parametrize("attack", ["aach", "uap", "vat", "nes", "square", "finite_difference"])
def test_attacks_on_pictures_run_on_features(attack: str, tmp_path: Path) -> None:
    """Of every kind: inside eps, never more than the budget, with figures in every condition."""
    results = ran(tmp_path / "run", f"attack={{name: {attack}}}", "attacked=4", "data.pairs=240", "oracle.budget=80")
    assert results["config"]["attack"]["name"] == attack
    assert results["budget"]["spent"] <= 80
    assert results["distortion"]["images"]["linf_max"] <= 8 / 255 + 1e-9
    assert None not in [results["directions"]["image_to_image"]["map"][name] for name in ("clean", "noise", "attacked", "ceiling", "floor")]


def test_turning_bits_of_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bits to turn wanted by lbfgs, a target of features got"):
        ran(tmp_path / "run", "attack={name: lbfgs}", "data.pairs=240")


def test_the_bill_is_of_pictures_alone(black_box: tuple[Path, dict[str, Any]]) -> None:
    _, results = black_box
    assert results["budget"]["phases"] == {"mining": 64}
    assert (results["budget"]["images"], results["budget"]["texts"]) == (64, 0)
    assert list(results["directions"]) == ["image_to_image"]
    assert results["threat_model"]["reveals"] == "features"
    assert results["threat_model"]["changes"] == ["images"]
    (apart,) = [check for check in results["checks"] if check["name"] == "no group in two roles"]
    assert apart["ok"] is True


def test_features_are_tried_without_codes_to_reach_or_to_saturate(black_box: tuple[Path, dict[str, Any]]) -> None:
    _, results = black_box
    tried = results["trials"]["directions"]["image_to_image"]
    assert (tried["saturated"], tried["map"]["opposite_code"], tried["differed"]) == (None, None, 0)
    assert tried["map"]["unbounded"] < tried["map"]["clean"]
    claims = [check["name"].rpartition(": ")[2] for check in results["checks"]]
    assert {"a larger radius is at least as strong", "gradients are not masked", "the target repeats its answers"} <= set(claims)
    assert not {"tanh is not saturated", "without a radius the best possible codes are reached"} & set(claims)


def test_the_figures_are_those_of_the_saved_features(black_box: tuple[Path, dict[str, Any]]) -> None:
    """mAP again, from the file's pictures through the target and the metric alone."""
    folder, results = black_box
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
    config = load_config(folder / "config.yaml")
    pairs, split = config.data.plugin.load(Silent())
    target = config.target.plugin.load(pairs.take(split.train), device="cpu", progress=Silent())
    database, query = pairs.take(split.database), pairs.take(split.query[:24])
    relevant = share_a_label(query.labels, database.labels)
    stored = encode(target, "images", database.images)
    for name, condition in evidence.conditions.items():
        asked = encode(target, "images", condition["images"].items.values)
        expected = average_precision(places_of(asked, stored, relevant, None, "cosine")).mean()
        assert results["directions"]["image_to_image"]["map"][name] == pytest.approx(expected, abs=1e-12)


def test_every_figure_is_replayed(black_box: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = black_box
    differences, replayed = replay(folder)
    assert differences == []
    assert replayed > 100


def test_the_target_itself_is_fooled_more_than_by_noise(tmp_path: Path) -> None:
    results = ran(tmp_path / "white", "oracle.white_box=true", "attack.eps=16/255")
    found = results["directions"]["image_to_image"]
    assert found["map"]["attacked"] < found["map"]["noise"] - 0.02
    assert found["over_noise_ci95"][0] > 0
    assert results["budget"]["spent"] == 0
    assert set(found["metrics"]["cmc"]["clean"]) == {"1", "5", "10"}


def test_junk_is_taken_out_of_the_ranking_and_of_the_floor() -> None:
    """Two right answers, one of them junk: what is left stands first of three."""
    from crossattack.metrics.ranking import random_average_precision
    from crossattack.rankings import Similar

    database = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    relevant, junk = torch.tensor([[True, True, False, False]]).numpy(), torch.tensor([[True, False, False, False]]).numpy()
    ranking = Similar({"clean": database[:1]}, database, relevant, torch.zeros(1, dtype=torch.int64).numpy(), "cosine", junk)
    assert ranking.scores(relevant)["clean"].tolist() == [1.0]
    assert (ranking.counted.right.tolist(), ranking.counted.items.tolist()) == ([1], [3])
    floor = random_average_precision(ranking.counted.right, ranking.counted.items)
    assert floor[0] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)  # one right answer, anywhere among three


def test_mean_products_of_lengthened_features_are_cosines() -> None:
    torch.manual_seed(0)
    features = torch.randn(5, 7)
    cosines = torch.nn.functional.cosine_similarity(features[:, None], features[None], dim=2)
    long = lengthened(features)
    assert torch.allclose((long[:, None] * long[None]).mean(2), cosines, atol=1e-6)


def test_objectives_fall_along_their_slope_on_features() -> None:
    """Triplet and away, on a linear network of features: a step against the slope lowers both."""
    from crossattack.objectives import Known, View

    torch.manual_seed(0)
    weights = torch.randn(3 * 8 * 8, 6)

    class Linear:
        vocabulary: tuple[str, ...] = ()

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1) @ weights

        def encode_texts(self, texts: Any) -> torch.Tensor:
            raise AssertionError("it is shown pictures alone")

    pairs, _ = scenes(40, 16)
    encoder, pictures = Lengthened(Linear()), Pictures((0, 1, 2), pairs.images[:3, :, ::2, ::2].contiguous())
    clean, known = (encoder.encode_images(images[:, :, ::2, ::2] / 255) for images in (pairs.images[:3], pairs.images[3:20]))
    near = (clean @ known.T > 0).float()
    side = Known(known, near, 1 - near, near, torch.zeros(3, 1, dtype=torch.int64))
    view = View(clean, side, side, known[:0], bits=False)
    for objective in (Triplet(), Away()):
        loss = objective.of(view)
        point = (pictures.values / 255 + 0.02 * torch.rand(3, 3, 8, 8)).requires_grad_()
        before = loss(encoder.encode_images(point))
        (slope,) = torch.autograd.grad(before.sum(), point)
        after = loss(encoder.encode_images(point - 0.01 * slope.sign()))
        assert (after < before).all()
