"""Models that people bring and that cannot be attacked: each is refused in one line, and code of a file without leave is not run."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_models import BITS, SIDE, codes_of_pictures, codes_of_texts
from test_own_models import loaded
from worlds import scenes

from crossattack.cli import main
from crossattack.config import load_config
from crossattack.errors import ConfigError, CrossattackError, TargetError, UsageError
from crossattack.leave import Leave
from crossattack.targets.callable import Callable
from crossattack.targets.embedding import Embedding
from crossattack.targets.module import Module


class TestWhatFunctionsMayAnswer:
    @pytest.mark.parametrize(
        ("images", "says"),
        [
            (lambda pictures: None, r"^16 rows of so many numbers wanted of callable for 16 pictures, a NoneType got"),
            (lambda pictures: pictures[:, 0, 0, 0], r"shape \(16,\) got; return one row an item"),
            (lambda pictures: torch.ones(3, 4), r"shape \(3, 4\) got"),
            (lambda pictures: codes_of_pictures(pictures) / 0, "finite numbers wanted of callable for pictures, NaN or infinity got"),
            (lambda pictures: (codes_of_pictures(pictures) > 0).int(), r"bits of -1 and \+1 wanted of callable for pictures, 0 and 1 got"),
            (lambda pictures: 3 * codes_of_pictures(pictures), r"codes in \[-1, 1\] wanted of callable for pictures, 3 got"),
            (
                lambda pictures: [1 / 0],
                r"ZeroDivisionError: division by zero got, in test_own_models_refused\.py line \d+; call it by itself",
            ),
            (lambda pictures: torch.ones(len(pictures), 4), r"16 rows of 4 numbers wanted of callable for 16 texts, shape \(16, 12\) got"),
        ],
    )
    def test_what_is_no_answer_is_refused_in_one_line(self, images: Any, says: str) -> None:
        with pytest.raises(TargetError, match=says) as refused:
            loaded(Callable(images=images, texts=codes_of_texts))
        assert "\n" not in str(refused.value)

    def test_arrays_lists_and_integers_are_answers(self) -> None:
        pairs, _ = scenes()
        expected = codes_of_pictures(pairs.images[:4] / 255)
        for kind in (lambda codes: codes.numpy().astype(np.int8), lambda codes: codes.tolist(), lambda codes: codes.double()):
            target = loaded(Callable(images=lambda pictures, kind=kind: kind(codes_of_pictures(pictures)), texts=codes_of_texts))
            assert torch.equal(target.encode_images(pairs.images[:4] / 255), expected)

    def test_a_model_in_training_mode_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, BITS), torch.nn.Tanh())
        loaded(Callable(images=model, texts=codes_of_texts))
        assert "answers a picture alone otherwise than in a batch; is the model in evaluation mode?" in caplog.text
        caplog.clear()
        loaded(Embedding(images=model))
        assert caplog.text == ""

    def test_pictures_alone_refuse_texts(self) -> None:
        target = loaded(Callable(images=codes_of_pictures, similarity="cosine"))
        with pytest.raises(UsageError, match="pictures wanted by callable, texts got"):
            target.encode_texts(["a red square"])

    def test_codes_of_pictures_alone_are_refused(self) -> None:
        with pytest.raises(UsageError, match="a function wanted where codes are compared, none got"):
            loaded(Callable(images=codes_of_pictures))

    def test_from_a_file_there_is_nothing_to_call(self) -> None:
        config = load_config(None, ["target=callable"])
        with pytest.raises(ConfigError, match="a Python function wanted, none got; give it from Python, or choose `--target module`"):
            config.fit_to_run()


class TestLeave:
    FILE = "target: {name: module, path: own_models:engine}\n"

    def test_a_path_in_a_file_is_followed_with_leave_only(self, tmp_path: Path) -> None:
        file = tmp_path / "theirs.yaml"
        file.write_text(self.FILE)
        with pytest.raises(
            ConfigError, match=r"leave to run own_models:engine wanted, as module would, none got; .*`--allow-code`"
        ) as said:
            load_config(file).fit_to_run()
        assert "\n" not in str(said.value)
        with pytest.raises(UsageError, match="leave to run"):
            loaded(load_config(file).target.plugin)
        assert load_config(file, [], {"target.allow_code": Leave()}).fit_to_run()
        assert load_config(file, ["target.path=own_models:NoDigest"]).fit_to_run(), "what was typed is one's own"
        assert load_config(None, ["target=module", "target.path=own_models:engine"]).fit_to_run()

    def test_a_second_path_of_the_file_is_no_more_trusted_than_the_first(self, tmp_path: Path) -> None:
        file = tmp_path / "theirs.yaml"
        file.write_text("target: {name: embedding, images: a:b, texts: c:d}\n")
        with pytest.raises(UsageError, match="leave to run e:f and c:d wanted"):
            loaded(load_config(file, ["target.images=e:f"]).target.plugin)

    @pytest.mark.parametrize("given", ["true", "'--allow-code'", "{}", "Leave()"])
    def test_a_file_cannot_give_itself_leave(self, given: str, tmp_path: Path) -> None:
        file = tmp_path / "theirs.yaml"
        file.write_text(f"target: {{name: module, path: own_models:engine, allow_code: {given}}}\n")
        with pytest.raises(ConfigError, match="leave given on the command line wanted"):
            load_config(file)

    def test_the_command_line_says_it_in_a_line_and_writes_nothing(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "theirs.yaml").write_text(self.FILE)
        assert main(["run", "--config", str(tmp_path / "theirs.yaml"), "--runs", str(tmp_path / "runs")]) == 2
        assert capfd.readouterr().err.count("\n") == 1
        assert not (tmp_path / "runs").exists()

    def test_a_folder_with_the_model_is_looked_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "model_of_a_stranger.py").write_text("from own_models import engine\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        target = loaded(Module(path="model_of_a_stranger:engine", allow_code=Leave()))
        assert target.dim == BITS


class TestModulesThatAreNoTargets:
    @pytest.mark.parametrize(
        ("path", "says"),
        [
            ("own_models", "a dotted path such as mine:engine wanted, 'own_models' got"),
            ("own_models:no_such", "AttributeError: module 'own_models' has no attribute 'no_such'"),
            ("no_such_module:engine", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("own_models:broken", "a target wanted, RuntimeError: no such checkpoint: model.pt got"),
            ("own_models:network", "a Vectors without dim, similarity, digest, vocabulary, encode_images, encode_texts got"),
            ("own_models:NoDigest", "a NoDigest without digest got; see docs/own-model.md"),
            ("own_models:TooWide", r"shape \(16, 13\) wanted of encode_images, \(16, 12\) got"),
            ("own_models:Fails", "codes or features of texts wanted, KeyError: 'no vocabulary' got"),
        ],
    )
    def test_are_refused_in_one_line(self, path: str, says: str) -> None:
        with pytest.raises(CrossattackError, match=says) as refused:
            loaded(Module(path=path, allow_code=Leave()))
        assert "\n" not in str(refused.value)
