"""`crossattack targets`: train, list, eval, in tables and as JSON."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from own_models import codes_of_pictures, codes_of_texts

from crossattack.cli import main
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.metrics.features import average_precision, places_of
from crossattack.metrics.ranking import mean_average_precision, share_a_label
from crossattack.progress import Silent
from crossattack.quality import quality
from crossattack.targets.codes import write_table
from crossattack.targets.embedding import Embedding

SCENES = ["--data", "scenes", "--set", "data.pairs=240", "--set", "data.pixels=16"]
DCMH = ["dcmh", *SCENES, "--set", "target.image_tower=convnet", "--set", "target.epochs=1", "--set", "target.bits=12"]


def said(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> Any:
    assert main(["targets", *arguments, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.usefixtures("empty_cache")
class TestTraining:
    def test_a_target_is_trained_once_and_then_listed(self, capfd: pytest.CaptureFixture[str]) -> None:
        first, again = said(["train", *DCMH], capfd), said(["train", *DCMH], capfd)
        assert first == again
        assert set(first["validation"]) == {"image_to_text", "text_to_image"}
        listed = said(["list"], capfd)
        assert {"dcmh", "module", "gem"} <= set(listed["targets"])
        (kept,) = listed["trained"]
        assert (kept["name"], kept["digest"], kept["recipe"]["bits"]) == ("dcmh", first["digest"], 12)

    def test_the_tables_say_the_same(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["targets", "train", *DCMH]) == 0
        trained = capfd.readouterr().out
        assert re.search(r"^dcmh [0-9a-f]{16}: 12 numbers an item, compared by hamming$", trained, re.M)
        assert main(["targets", "list"]) == 0
        assert re.search(r"^dcmh +[0-9a-f]{16} +12 +convnet +0\.\d{3}, 0\.\d{3} +\d+ s", capfd.readouterr().out, re.M)
        assert main(["targets", "eval", *DCMH]) == 0
        shown = capfd.readouterr().out
        assert re.search(r"^pictures ask for texts +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] +0\.\d{3} +20", shown, re.M)
        assert re.search(r"^12 numbers an item, compared by hamming, [\d,]+ parameters; [\d,]+ items a second$", shown, re.M)

    def test_a_damaged_manifest_is_left_out_of_the_list(self, empty_cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
        said(["train", *DCMH], capfd)
        (empty_cache / "targets" / "broken.json").write_text("{")
        (empty_cache / "targets" / "other.json").write_text('{"name": "other"}')
        assert [one["name"] for one in said(["list"], capfd)["trained"]] == ["dcmh"]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["train", "dcmmh"], "no target is called 'dcmmh' (did you mean 'dcmh'?)"),
            (["eval", "http", "--set", "target.url=http://127.0.0.1:9"], "a target in this process wanted, http got, a service"),
            (["eval", "codes", *SCENES], "`path` of codes: an .npz with"),
            (["train", "module", *SCENES], "`path` of module: package.module:factory wanted, none got"),
            (["train", "callable", *SCENES], "a Python function wanted, none got"),
        ],
    )
    def test_what_cannot_be_is_refused_in_a_line(self, arguments: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
        assert main(["targets", *arguments]) == 2
        (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
        assert says in line


@pytest.mark.usefixtures("empty_cache")
class TestQuality:
    def test_figures_of_a_hashing_target_are_those_of_its_codes(self, capfd: pytest.CaptureFixture[str]) -> None:
        found = said(["eval", *DCMH], capfd)
        config = load_config(None, [*DCMH[4::2], "target=dcmh", "data=scenes"])
        pairs, split = config.data.plugin.load(Silent())
        target = config.target.plugin.load(pairs.take(split.train), device="cpu", progress=Silent())
        query, database = pairs.take(split.query), pairs.take(split.database)
        relevant = share_a_label(query.labels, database.labels)
        codes = {side: [harden(encode(target, side, getattr(part, side))) for part in (query, database)] for side in ("images", "texts")}
        assert found["digest"] == target.digest
        for direction, asked, searched in (("image_to_text", "images", "texts"), ("text_to_image", "texts", "images")):
            expected = mean_average_precision(codes[asked][0], codes[searched][1], relevant).value
            assert found["directions"][direction]["map"] == pytest.approx(expected, abs=1e-12)
            assert found["directions"][direction]["queries"] == len(query)
            low, high = found["directions"][direction]["map_ci95"]
            assert low < found["directions"][direction]["map"] < high
        assert found["parameters"] == sum(parameter.numel() for parameter in target.network.parameters())

    @pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
    def test_vectors_of_pictures_and_texts_are_compared_as_they_are_said_to_be(self, similarity: str) -> None:
        pairs, split = Scenes(pairs=240, pixels=16).load(Silent())
        both = Embedding(images=lambda images: images[:, :, ::4, ::4].flatten(1), texts=vectors_of_texts, similarity=similarity)
        target = both.load(pairs.take(split.train), device="cpu", progress=Silent())
        found = quality(target, pairs, split, device="cpu", progress=Silent())
        query, database = pairs.take(split.query), pairs.take(split.database)
        relevant = share_a_label(query.labels, database.labels)
        asked, stored = target.encode_images(query.images / 255), target.encode_texts(database.texts)
        expected = average_precision(places_of(asked, stored, relevant, None, similarity)).mean()
        assert found["directions"]["image_to_text"]["map"] == pytest.approx(expected, abs=1e-6)
        assert (found["similarity"], found["dim"]) == (similarity, 48)

    def test_a_table_of_the_labels_themselves_finds_everything_and_one_of_noise_nothing(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        pairs, _ = Scenes(pairs=240, pixels=16).load(Silent())
        table = tmp_path / "codes.npz"
        by_labels = pairs.labels.long() * 2 - 1
        write_table(table, pairs, by_labels, by_labels)
        found = said(["eval", "codes", *SCENES, "--set", f"target.path={table}"], capfd)["directions"]
        for direction in found.values():
            assert direction["map"] > 0.99, "a shared shape is nearer than none"
        noise = torch.randn(len(pairs), 64, generator=torch.Generator().manual_seed(0)).sign()
        write_table(table, pairs, noise, noise.flip(0))
        for direction in said(["eval", "codes", *SCENES, "--set", f"target.path={table}"], capfd)["directions"].values():
            assert direction["map"] == pytest.approx(direction["floor"], abs=0.05)

    def test_a_table_that_lacks_an_item_says_so(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        pairs, split = Scenes(pairs=240, pixels=16).load(Silent())
        few = pairs.take(split.database)
        write_table(tmp_path / "codes.npz", few, codes_of_pictures(few.images / 255), codes_of_texts(few.texts))
        assert main(["targets", "eval", "codes", *SCENES, "--set", f"target.path={tmp_path / 'codes.npz'}"]) == 2
        assert "pictures of the table wanted by codes, 20 of " in capfd.readouterr().err


def vectors_of_texts(texts: Any) -> torch.Tensor:
    """48 numbers a text, from its letters."""
    words = [text if isinstance(text, str) else " ".join(text) for text in texts]
    return torch.stack([torch.randn(48, generator=torch.Generator().manual_seed(sum(map(ord, word)))) for word in words])
