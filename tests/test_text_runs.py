"""Whole runs of attacks on words, on small scenes: what the results say is what the files hold."""

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from word_distance import distance

from crossattack.config import load_config
from crossattack.experiment import run
from crossattack.progress import Silent
from crossattack.report._rows import score_rows
from surrogates.texts import words_of

SMALL = [
    *("data=scenes", "data.pairs=600", "data.pixels=16", "target.image_tower=convnet", "target.epochs=2", "target.bits=16"),
    *("surrogate.image_tower=convnet", "surrogate.epochs=2", "surrogate.least_steps=0", "surrogate.batch=16"),
    *("oracle.budget=200", "attacked=20", "name=small"),
]
READERS = ["target.text_tower=transformer", "surrogate.text_tower=transformer"]


def results_of(folder: Path, *more: str) -> dict[str, Any]:
    """A small whole run in this process."""
    folder.mkdir(exist_ok=True)
    results = run(load_config(overrides=[*SMALL, *more]), folder, Silent())
    return {key: value for key, value in results.items() if key not in ("started", "seconds", "memory")}


def checks_of(results: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["ok"] for check in results["checks"]}


@pytest.mark.usefixtures("empty_cache")
class TestWholeRuns:
    def test_tags_and_their_ceiling_are_edits_that_the_file_holds(self, tmp_path: Path) -> None:
        sets = ["attack=tags", "attack.edits=2", "attack.verify=true", "ceiling=tags", "ceiling.edits=2"]
        results = results_of(tmp_path / "run", *sets)
        with h5py.File(tmp_path / "run/items.h5") as file:
            texts = {name: [json.loads(line) for line in file[f"{name}/texts/texts"].asstr()[()]] for name in file}
            assert all(file[f"{name}/texts"].attrs["realisable"] for name in file)
            for name in file:
                assert torch.equal(*(torch.from_numpy(file[f"{each}/images/images"][()]) for each in (name, "clean")))
        clean, attacked = texts["clean"], texts["attacked"]
        told = results["distortion"]["texts"]
        assert told["edited"] == sum(before != after for before, after in zip(clean, attacked, strict=True)) > 10
        gained = [len(words_of(after)) - len(words_of(before)) for before, after in zip(clean, attacked, strict=True)]
        assert told["words_added"] - told["words_removed"] == pytest.approx(sum(gained) / len(gained))
        assert told["words_added"] <= 2
        for name in ("noise", "ceiling", "attacked"):
            assert max(distance(before, after) for before, after in zip(clean, texts[name], strict=True)) == 2
        assert all(distance(before, after) == 2 or before == after for before, after in zip(clean, texts["noise"], strict=True))
        assert results["threat_model"]["text"] == "edited texts"
        assert results["threat_model"]["changes"] == ["texts"]
        assert checks_of(results)["image_to_text: the attack does something"] is None
        assert "texts can be typed" not in checks_of(results)
        assert "mAP, as many random edits" in {row.label for row in score_rows(results)}
        found = results["directions"]["text_to_image"]
        assert found["status"]["succeeded"] + found["status"]["failed"] == 20
        assert results["directions"]["image_to_text"]["map"]["attacked"] == results["directions"]["image_to_text"]["map"]["clean"]

    def test_queries_are_all_its_bill_and_an_interrupted_run_pays_nothing_twice(self, tmp_path: Path) -> None:
        sets = ["attack=tags", "attack.through=queries", "attack.queries=8", "ceiling=tags"]
        whole = results_of(tmp_path / "run", *sets)
        assert whole["budget"]["phases"] == {"attack": whole["budget"]["spent"]}
        assert whole["budget"]["texts"] == whole["budget"]["spent"] <= 20 * 8
        assert whole["surrogates"] == []
        for lost in ("items.h5", "codes.h5", "results.json", "checkpoints/attacked/texts-000000.h5"):
            (tmp_path / "run" / lost).unlink()
        again = results_of(tmp_path / "run", *sets)
        assert again["budget"]["spent"] == whole["budget"]["spent"]
        assert again["directions"] == whole["directions"]

    def test_tokens_flip_words_between_transformers(self, tmp_path: Path) -> None:
        results = results_of(tmp_path / "run", "attack=tokens", "ceiling=tokens", *READERS)
        told = results["distortion"]["texts"]
        assert told["edited"] > 10
        assert told["words_added"] == told["words_removed"] <= 2
        assert results["surrogates"][0]["text_tower"] == "transformer"
        assert results["directions"]["text_to_image"]["map"]["noise"] is not None

    def test_joint_changes_both(self, tmp_path: Path) -> None:
        results = results_of(tmp_path / "run", "attack=joint", "attack.steps=3", "ceiling=joint")
        assert results["distortion"]["texts"]["edited"] > 10
        assert 0 < results["distortion"]["images"]["linf_max"] <= 8 / 255 + 1e-6
        assert checks_of(results)["pictures inside eps"]

    def test_additive_attacks_leave_texts_of_a_transformer_alone_and_say_so(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        results = results_of(tmp_path / "run", "attack=aach", "attack.steps=3", "ceiling.steps=3", *READERS)
        assert results["threat_model"]["text"] == "unchanged"
        assert results["distortion"]["texts"]["edited"] == 0
        scores = results["directions"]["text_to_image"]["map"]
        assert scores["attacked"] == scores["clean"] == scores["ceiling"]
        assert scores["noise"] is None, "noise on a bag of words, which this target cannot read"
        assert results["directions"]["text_to_image"]["status"]["unverified"] == 20
        lines = [each.message for each in caplog.records if "texts stay as they are" in each.message]
        assert len(lines) == 2, "one for the attack, one for the ceiling"
