"""Targets that people bring: what they promise, what is refused in a line, and whole runs on each."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import own_models
import pytest
import torch
from own_models import BITS, SIDE, Vectors, codes_of_pictures, codes_of_texts, relaxed_pictures, vectors_of_texts
from worlds import scenes

from crossattack import experiment
from crossattack.attacks.aach import Aach
from crossattack.cli import main
from crossattack.config import config_of
from crossattack.encoding import encode
from crossattack.errors import ConfigError, DataError, UsageError
from crossattack.evaluation import DIRECTIONS
from crossattack.index import compared
from crossattack.leave import Leave
from crossattack.progress import Silent
from crossattack.registry import TARGETS
from crossattack.replay import replay
from crossattack.targets.callable import Callable
from crossattack.targets.codes import ARRAYS, Codes, read_table, write_table
from crossattack.targets.dcmh import Dcmh
from crossattack.targets.embedding import Embedding
from crossattack.targets.module import Module

SMALL = {
    "data": {"name": "scenes", "pairs": 240, "pixels": SIDE},
    "surrogate": {"image_tower": "convnet", "epochs": 1, "least_steps": 6},
    "oracle": {"budget": 60},
    "attacked": 8,
}


def models(folder: Path) -> dict[str, Any]:
    """One of every kind, of each model of tests/own_models.py that is sound."""
    pairs, _ = scenes()
    table = folder / "codes.npz"
    write_table(table, pairs, codes_of_pictures(pairs.images / 255), codes_of_texts(pairs.texts))
    return {
        "callable": Callable(images=codes_of_pictures, texts=codes_of_texts),
        "module": Module(path="own_models:engine", settings={"bits": BITS}, allow_code=Leave()),
        "embedding": Embedding(images=Vectors()),
        "codes": Codes(path=str(table)),
    }


BROUGHT = [name for name in TARGETS.names() if getattr(TARGETS.load(name), "brought", False)]


def loaded(plugin: Any) -> Any:
    pairs, split = scenes()
    return plugin.load(pairs.take(split.train), device="cpu", progress=Silent())


@pytest.mark.parametrize("name", BROUGHT)
class TestEveryModelThatIsBrought:
    def test_outputs_have_the_width_that_was_found_and_hashing_gives_bits(self, name: str, tmp_path: Path) -> None:
        target, (pairs, _) = loaded(models(tmp_path)[name]), scenes()
        answers = {"images": encode(target, "images", pairs.images[:9])}
        if getattr(target, "reads_texts", True):
            answers["texts"] = encode(target, "texts", pairs.texts[:9])
        for outputs in answers.values():
            assert outputs.shape == (9, target.dim) == (9, BITS)
            if name != "embedding":
                assert set(compared(target, outputs).unique().tolist()) == {-1, 1}
        assert len(target.digest) == 16

    def test_an_item_alone_equals_the_item_in_a_batch(self, name: str, tmp_path: Path) -> None:
        target, (pairs, _) = loaded(models(tmp_path)[name]), scenes()
        images = pairs.images[:5].float() / 255
        alone = torch.cat([target.encode_images(image[None]) for image in images])
        assert torch.allclose(target.encode_images(images), alone, atol=1e-5)

    def test_answers_repeat_and_texts_do_not_depend_on_their_neighbours(self, name: str, tmp_path: Path) -> None:
        """In evaluation mode nothing is drawn: the model of `embedding` has dropout."""
        target, (pairs, _) = loaded(models(tmp_path)[name]), scenes()
        images = pairs.images[:5].float() / 255
        assert torch.equal(target.encode_images(images), target.encode_images(images))
        if getattr(target, "reads_texts", True):
            alone = torch.cat([target.encode_texts([text]) for text in pairs.texts[:5]])
            assert torch.allclose(target.encode_texts(pairs.texts[:5]), alone, atol=1e-5)

    def test_its_settings_can_be_written_and_read_again(self, name: str, tmp_path: Path) -> None:
        config = config_of({**SMALL, "target": models(tmp_path)[name], "attack": "pgd", "oracle": features(name)})
        written = config.resolved()
        assert json.loads(json.dumps(written)) == written
        again = config_of(written)
        assert again.resolved() == written
        assert "allow_code" not in written["target"]
        if name != "codes":
            assert config.fit_to_run() is config
            assert again.target.plugin.unfit, "a file has names of code, and no leave to run it"


def test_another_process_finds_the_same_targets(tmp_path: Path) -> None:
    script = "import sys, json; from pathlib import Path; from test_own_models import *\nprint(json.dumps(told(Path(sys.argv[1]))))"
    here = told(tmp_path)
    command = [sys.executable, "-c", script, str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout
    assert json.loads(printed) == here
    assert set(here) == set(BROUGHT)


def told(folder: Path) -> dict[str, list[Any]]:
    """Digest and answers of every model."""
    (pairs, _), found = scenes(), {}
    for name, plugin in models(folder).items():
        target = loaded(plugin)
        found[name] = [target.digest, compared(target, encode(target, "images", pairs.images[:9])).tolist()]
    return found


def features(name: str) -> dict[str, Any]:
    return {"budget": 60, "reveals": "features" if name == "embedding" else "codes"}


def run(folder: Path, target: Any, **more: Any) -> dict[str, Any]:
    folder.mkdir()
    config = config_of({**SMALL, "name": "own", "target": target, **more})
    (folder / "config.yaml").write_text(json.dumps(config.resolved()))
    return experiment.run(config, folder, Silent())


class TestRuns:
    def test_functions_are_attacked_through_their_answers_alone(self, tmp_path: Path, empty_cache: Path) -> None:
        results = run(tmp_path / "run", models(tmp_path)["callable"])
        assert 55 < results["budget"]["spent"] <= 60, "pairs that share a text leave one over"
        assert results["target"] | {"digest": ""} == {"name": "callable", "dim": BITS, "digest": ""}
        assert results["config"]["target"]["images"] == "own_models:codes_of_pictures"
        for direction in ("image_to_text", "text_to_image"):
            scores = results["directions"][direction]["map"]
            assert scores["ceiling"] is None
            assert scores["clean"] is not None
        found = {check["name"]: check["detail"] for check in results["checks"]}
        assert found["image_to_text: ceiling"].startswith("there is no white box of a model that is called")
        assert replay(tmp_path / "run")[0] == []

    def test_functions_with_gradients_have_a_ceiling(self, tmp_path: Path, empty_cache: Path) -> None:
        target = Callable(images=relaxed_pictures, texts=codes_of_texts, differentiable=True)
        results = run(tmp_path / "run", target, attack={"name": "pgd", "eps": 16 / 255}, ceiling={"name": "pgd", "eps": 16 / 255})
        scores = results["directions"]["image_to_text"]
        assert scores["map"]["ceiling"] is not None
        assert results["distortion"]["images"]["linf_max"] <= 16 / 255 + 1e-9

    def test_a_module_is_attacked_by_its_path(self, tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        results = run(tmp_path / "run", models(tmp_path)["module"])
        assert results["config"]["target"] == {"name": "module", "path": "own_models:engine", "settings": {"bits": BITS}}
        for direction in ("image_to_text", "text_to_image"):
            scores = results["directions"][direction]["map"]
            assert scores["ceiling"] < scores["clean"]
        assert replay(tmp_path / "run")[0] == []

    @pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
    def test_a_network_of_vectors_is_attacked_as_pictures_alone(self, similarity: str, tmp_path: Path, empty_cache: Path) -> None:
        results = run(tmp_path / "run", Embedding(images=Vectors(), similarity=similarity))
        assert list(results["directions"]) == ["image_to_image"]
        assert results["config"]["attack"]["name"] == "pgd"
        assert results["threat_model"]["reveals"] == "features"
        assert None not in [results["directions"]["image_to_image"]["map"][name] for name in ("clean", "noise", "attacked", "ceiling")]
        assert replay(tmp_path / "run")[0] == []

    @pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
    def test_a_network_of_vectors_that_reads_texts_is_attacked_in_both_directions(
        self, similarity: str, tmp_path: Path, empty_cache: Path
    ) -> None:
        target = Embedding(images=Vectors(), texts=vectors_of_texts, similarity=similarity)
        results = run(tmp_path / "run", target, attack={"name": "joint", "eps": 16 / 255})
        assert list(results["directions"]) == ["image_to_text", "text_to_image"]
        assert results["threat_model"]["reveals"] == "features"
        assert results["budget"]["images"] > 0
        assert results["budget"]["texts"] > 0
        for found in results["directions"].values():
            assert None not in [found["map"][name] for name in ("clean", "attacked", "ceiling")]
            assert found["map"]["ceiling"] < found["map"]["clean"]
        assert replay(tmp_path / "run")[0] == []

    def test_a_table_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        config = config_of({**SMALL, "target": models(tmp_path)["codes"]})
        with pytest.raises(ConfigError, match=r"^target: one that answers new items wanted for an attack, codes got, a table"):
            experiment.run(config, tmp_path / "run", Silent())
        assert not (tmp_path / "run").exists()

    def test_the_index_of_functions_is_kept_apart_from_that_of_others(self, tmp_path: Path, empty_cache: Path) -> None:
        one, other = (
            loaded(Callable(images=images, texts=codes_of_texts)) for images in (codes_of_pictures, lambda p: -codes_of_pictures(p))
        )
        assert one.digest != other.digest
        assert loaded(Callable(images=codes_of_pictures, texts=codes_of_texts, digest="mine")).digest == "mine"


class TestEmbeddings:
    def test_a_path_may_lead_to_a_network_to_what_makes_one_or_to_a_class(self) -> None:
        digests = {loaded(Embedding(images=path, allow_code=Leave())).digest for path in ("own_models:network", "own_models:Vectors")}
        assert digests == {loaded(Embedding(images=own_models.network())).digest}
        assert loaded(Embedding(images=own_models.relaxed_pictures)).dim == BITS

    def test_gradients_reach_every_pixel_and_the_weights_stay(self) -> None:
        model = Vectors()
        target, images = loaded(Embedding(images=model)), torch.rand(2, 3, SIDE, SIDE).requires_grad_()
        target.encode_images(images).sum().backward()
        assert (images.grad != 0).all()
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_equal_weights_have_one_digest_and_others_another(self) -> None:
        assert loaded(Embedding(images=Vectors(0))).digest == loaded(Embedding(images=Vectors(0))).digest
        assert loaded(Embedding(images=Vectors(0))).digest != loaded(Embedding(images=Vectors(1))).digest

    def test_it_shows_features_and_refuses_to_show_codes(self) -> None:
        assert config_of({**SMALL, "target": Embedding(images=Vectors())}).oracle.reveals == "features"
        with pytest.raises(
            ConfigError, match=r"oracle\.reveals: features wanted with embedding, which has nothing else to show, codes got"
        ):
            config_of({**SMALL, "target": Embedding(images=Vectors()), "oracle": {"reveals": "codes"}})


class TestTables:
    def test_a_table_answers_its_items_and_no_other(self, tmp_path: Path) -> None:
        target, (pairs, _) = loaded(models(tmp_path)["codes"]), scenes()
        assert torch.equal(encode(target, "images", pairs.images[7:11]), codes_of_pictures(pairs.images[7:11] / 255))
        assert np.array_equal(encode(target, "texts", pairs.texts[7:11]), codes_of_texts(pairs.texts[7:11]))
        changed = pairs.images[:3].clone()
        changed[1, 0, 0, 0] ^= 1
        with pytest.raises(UsageError, match="pictures of the table wanted by codes, 1 of 3 got are not in it"):
            target.encode_images(changed / 255)

    @pytest.mark.parametrize("damage", ["missing", "no zip", "lacks", "pickle", "rows", "bits", "widths"])
    def test_what_is_no_table_is_refused_in_one_line(self, damage: str, tmp_path: Path) -> None:
        path = tmp_path / "codes.npz"
        arrays: dict[str, Any] = {"image_keys": np.zeros((2, 16), np.uint8), "image_codes": np.ones((2, 4), np.int8)}
        arrays |= {"text_keys": np.zeros((2, 16), np.uint8), "text_codes": np.ones((2, 4), np.int8)}
        if damage == "lacks":
            del arrays["text_codes"]
        changed = {
            "pickle": np.array([[{}]]),
            "rows": np.ones((3, 4)),
            "bits": np.zeros((2, 4), np.int8),
            "widths": np.ones((2, 5), np.int8),
        }
        arrays |= {"text_codes": changed[damage]} if damage in changed else {}
        if damage == "no zip":
            path.write_bytes(b"no table")
        elif damage != "missing":
            np.savez(path, allow_pickle=True, **arrays)
        with pytest.raises((UsageError, DataError), match="wanted") as refused:
            loaded(Codes(path=str(path)))
        assert "\n" not in str(refused.value)
        assert damage != "lacks" or set(ARRAYS) - set(arrays) == {"text_codes"}


def test_the_examples_of_the_page_run(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both Python blocks of docs/own-model.md, as they stand, and the evaluation of the table that the second one writes."""
    page = (Path(__file__).parents[1] / "docs/own-model.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(compile(block, "docs/own-model.md", "exec"), {"__name__": "example"})
    results = json.loads((tmp_path / "own-run/results.json").read_text())
    assert results["directions"]["image_to_text"]["map"]["ceiling"] is None
    assert read_table(tmp_path / "codes.npz")["image_codes"].shape == (240, 16)
    (command,) = re.findall(r"^    crossattack (targets eval codes .*)$", page, re.M)
    assert main(shlex.split(command)) == 0


def test_plugins_stand_in_a_configuration_as_they_are() -> None:
    config = config_of({"target": Dcmh(bits=16), "attack": Aach(steps=3)})
    assert config == config_of({"target": {"name": "dcmh", "bits": 16}, "attack": {"name": "aach", "steps": 3}})
    assert config_of({"target": config.target, "surrogate": config.surrogate}).target == config.target
    assert set(DIRECTIONS) == {"image_to_text", "text_to_image", "image_to_image"}
