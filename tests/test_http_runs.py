"""Whole runs against a service: attack code unchanged, faults without a trace, refusals in a line and no secret anywhere."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from faulty_service import Service, options_of
from PIL import Image
from remote_runs import ATTACK, DATABASE, TOKEN, check, command, figures, results_of
from services import Running, service

from crossattack.cli import main
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.experiment import run
from crossattack.ledger import Ledger
from crossattack.progress import Silent
from crossattack.report.page import page
from crossattack.targets.dcmh import Dcmh


def test_what_no_service_gives_is_null_and_a_check_says_why(tmp_path: Path) -> None:
    with service(tmp_path / "count", database=DATABASE) as running:
        results = results_of(tmp_path / "run", running.url)
        assert running.counted()["images"] + running.counted()["texts"] == results["budget"]["spent"] + results["budget"]["evaluation"]
    pictures, texts = results["directions"]["image_to_text"], results["directions"]["text_to_image"]
    assert [pictures["map"][name] is None for name in ("clean", "noise", "attacked", "ceiling", "floor")] == [
        False,
        False,
        False,
        True,
        False,
    ]
    assert [texts["map"][name] is None for name in ("clean", "noise", "attacked", "ceiling", "floor")] == [False, True, True, True, False]
    assert (pictures["recovered"], texts["recovered"], texts["success"]["referee"], texts["metrics"]["bits_flipped"]) == (None,) * 4
    assert pictures["metrics"]["bits_flipped"] > 0
    for name, says in (
        ("image_to_text: ceiling", "there is no white box of a service"),
        ("text_to_image: ceiling", "there is no white box of a service"),
        ("text_to_image: attack", "exist in feature space only and this target takes none"),
    ):
        assert check(results, name)["ok"] is None
        assert says in check(results, name)["detail"]
    assert results["target"] == {"name": "http", "dim": 16, "digest": "0123456789abcdef"}
    assert results["service"]["url"] == running.url
    assert results["service"]["counted"]["before"] == 0
    assert f"faulty at {running.url}; knows an item by its key for 86,400 s" in page(results)


def test_a_service_without_keys_is_charged_per_attempt_and_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated attempts eat into the budget: the attacker learns from fewer pairs, and the run ends all the same."""
    monkeypatch.setattr("crossattack.attacks._context.BATCH", 8)
    faults = {"busy": 0.2, "lost": 0.2}
    with service(tmp_path / "count", database=DATABASE, faults=faults, seed=1, no_idempotency=True) as running:
        results = results_of(tmp_path / "run", running.url)
        bill = results["budget"]
        assert running.total() == bill["spent"] + bill["evaluation"]
    assert bill["spent"] <= 80
    repeats = bill["resent"] + bill["evaluation_resent"]
    assert repeats > 20
    assert check(results, "the service counted the same")["ok"]
    assert f"{repeats} of {running.total()} are repeats" in check(results, "every item charged once")["detail"]
    assert f"charged per attempt, {repeats:,} were repeats" in page(results)


def test_refused_in_mid_run_everything_is_kept_and_resuming_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSATTACK_TOKEN", TOKEN)
    with service(tmp_path / "calm", database=DATABASE, token=TOKEN) as calm:
        assert main(command(calm, "--name", "calm")) == 0
    capfd.readouterr()
    with service(tmp_path / "count", database=DATABASE, token=TOKEN, forbid_after=17) as running:
        assert main(command(running, "--name", "mine")) == 1
        out, err = capfd.readouterr()
        assert out == ""
        last = err.splitlines()[-1]
        assert last.startswith(f"error: leave to ask {running.url} wanted, 403 got (refused: not any more Bearer ***); stopped at once")
        with Ledger.open(tmp_path / "runs/mine/ledger.sqlite", target_digest="0123456789abcdef") as ledger:
            paid, (answers,) = ledger.bill("referee").spent, ledger._db.execute("SELECT count(*) FROM answer").fetchone()
        assert paid >= answers == running.total() > 0
    again = Running(running.count, running.port)
    process = again.start({"database": DATABASE, "token": TOKEN})
    try:
        assert main(["run", "--name", "mine", "--resume", "--quiet", "--json"]) == 0
        results = json.loads(capfd.readouterr().out)
        assert again.total() == results["budget"]["spent"] + results["budget"]["evaluation"]
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert figures(results) == figures(json.loads((tmp_path / "runs/calm/results.json").read_text()))
    assert check(results, "the service counted the same")["ok"]
    files = [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert len(files) > 20
    assert [file for file in files if TOKEN.encode() in file.read_bytes()] == []
    assert TOKEN not in err + out


@contextmanager
def serving(target: Any, count: Path) -> Iterator[Running]:
    """A service in a thread that answers with a real network's codes."""

    class Serious(Service):
        def codes(self, modality: str, items: list[bytes]) -> list[list[int]]:
            if modality == "texts":
                codes = harden(encode(target, "texts", [json.loads(item) for item in items]))
            else:
                pixels = np.stack([np.asarray(Image.open(BytesIO(item))) for item in items])
                codes = harden(encode(target, "images", torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()))
            return [[int(bit) for bit in code] for code in codes]

    server = Serious(options_of(["--count", str(count), "--database", str(DATABASE), "--dim", str(target.dim)]))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield Running(count, server.server_address[1])
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
        server.count.close()


@pytest.mark.usefixtures("empty_cache")
def test_a_model_behind_http_is_attacked_exactly_as_the_model_itself(tmp_path: Path) -> None:
    recipe = ["target.image_tower=convnet", "target.epochs=2", "target.bits=16", "ceiling.steps=2"]
    (tmp_path / "local").mkdir()
    local = run(load_config(overrides=[*ATTACK, *recipe, "name=local"]), tmp_path / "local", Silent())
    pairs, split = Scenes(pairs=240, pixels=16).load(Silent())
    target = Dcmh(image_tower="convnet", epochs=2, bits=16).load(pairs.take(split.train), device="cpu", progress=Silent())
    with serving(target, tmp_path / "count") as running:
        remote = results_of(tmp_path / "remote", running.url)
    for direction, conditions in (("image_to_text", ("clean", "noise", "attacked", "floor")), ("text_to_image", ("clean", "floor"))):
        ours, theirs = local["directions"][direction], remote["directions"][direction]
        assert [theirs["map"][name] for name in conditions] == [ours["map"][name] for name in conditions]
    assert remote["surrogates"] == local["surrogates"]
    assert remote["distortion"] == local["distortion"]
    assert remote["budget"]["spent"] == local["budget"]["spent"]
    known = len(set(pairs.take(split.database).texts))
    assert remote["budget"]["evaluation"] > local["budget"]["evaluation"] + known
