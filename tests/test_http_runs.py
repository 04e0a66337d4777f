"""Whole runs against a service: attack code unchanged, faults without a trace, refusals in a line and no secret anywhere."""

import json
import os
import re
import socket
import subprocess
import sys
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
from services import Running, service

from crossattack.cli import main
from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.errors import ConfigError
from crossattack.experiment import run
from crossattack.ledger import Ledger
from crossattack.progress import Silent
from crossattack.report.page import page
from crossattack.targets.dcmh import Dcmh

ATTACK = [
    *("data=scenes", "data.pairs=240", "data.pixels=16", "device=cpu", "oracle.budget=80", "attacked=12", "evaluation.resamples=50"),
    *("surrogate.image_tower=convnet", "surrogate.epochs=1", "surrogate.least_steps=0", "surrogate.batch=16", "attack.steps=2"),
]
QUICK = ["rate=1e6", "backoff=0.002", "longest_wait=0.1", "read_seconds=20", "attempts=60", "batch=16"]
FAULTS = {
    "busy": 0.2,
    "lost": 0.2,
    "truncated": 0.03,
    "malformed": 0.03,
    "bits": 0.03,
    "values": 0.03,
    "oversized": 0.02,
    "unavailable": 0.03,
}
TOKEN = "t0ken-that-nobody-may-see"
DATABASE = len(Scenes(pairs=240, pixels=16).load(Silent())[1].database)


def settings(url: str, *more: str) -> list[str]:
    return [*ATTACK, "target=http", f"target.url={url}", *(f"target.{each}" for each in QUICK), "target.reply_bytes=1000000", *more]


def results_of(folder: Path, url: str, *more: str) -> dict[str, Any]:
    """A run in this process."""
    folder.mkdir(parents=True)
    return run(load_config(overrides=[*settings(url, *more), "name=remote"]), folder, Silent())


def figures(results: dict[str, Any]) -> dict[str, Any]:
    """What two runs against one model have in common wherever it answers."""
    return {key: results[key] for key in ("directions", "budget", "distortion", "surrogates", "threat_model", "checks")}


def check(results: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in results["checks"] if one["name"] == name]
    return dict(found)


def test_a_run_through_faults_and_crashes_ends_like_one_without(tmp_path: Path) -> None:
    with service(tmp_path / "calm", database=DATABASE) as calm:
        wanted = results_of(tmp_path / "one", calm.url)
        assert calm.total() == wanted["budget"]["spent"] + wanted["budget"]["evaluation"]
    with service(tmp_path / "faulty", database=DATABASE, faults=FAULTS, seed=3, exit_after=25) as running:
        found = results_of(tmp_path / "two", running.url)
        assert running.lives > 2
        assert running.total() == calm.total()
    assert figures(found) == figures(wanted)
    assert check(found, "the service counted the same")["ok"]


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


def command(running: Running, *more: str) -> list[str]:
    return ["run", *more, "--quiet", *(part for each in settings(running.url) for part in ("--set", each))]


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


# Refusals, each before anything is sent


@pytest.mark.parametrize(
    ("more", "database", "line"),
    [
        (["evaluation.cap=300"], DATABASE, "evaluation.cap: 3"),
        (
            [],
            7,
            f"a service whose database is that of scenes, {DATABASE} pictures and as many texts, wanted, one with 7 pictures and 7",
        ),
    ],
)
def test_what_cannot_end_well_is_refused_up_front(more: list[str], database: int, line: str, tmp_path: Path) -> None:
    with service(tmp_path / "count", database=database) as running:
        with pytest.raises(Exception, match="wanted") as caught:
            results_of(tmp_path / "run", running.url, *more)
        assert str(caught.value).startswith(line)
        assert "\n" not in str(caught.value)
        assert running.total() == 0


def test_a_cap_that_just_covers_it_is_enough(tmp_path: Path) -> None:
    with service(tmp_path / "count", database=DATABASE) as running:
        with pytest.raises(ConfigError, match=r"evaluation.cap: [\d,]+ or more wanted") as caught:
            results_of(tmp_path / "tight", running.url, "evaluation.cap=1")
        least = int(str(caught.value).split()[1].replace(",", ""))
        results = results_of(tmp_path / "run", running.url, f"evaluation.cap={least}")
        assert results["budget"]["evaluation"] == least - 2 * 12  # texts of noise and attack are not sent


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--target", "http"], "error: `url` of http: the address of a service such as http://127.0.0.1:8000 wanted, '' got"),
        (["--set", "target.url=http://search.example.com"], "error: target: `authorised` of http: leave to test search.example.com wanted"),
        (["--set", "target.url=http://me:hunter2@127.0.0.1:1"], "error: target: `url` of http: "),
        (["--set", "target.url=http://127.0.0.1:1", "--set", "target.rate=0"], "error: target.rate: more than 0 wanted, 0 got."),
        (["--set", "target.url=http://127.0.0.1:1", "--set", "oracle.white_box=true"], "error: oracle.white_box: false wanted with http"),
        (["--target", "dcmh", "--i-am-authorised"], "error: target.authorised: no such key"),
    ],
)
def test_bad_settings_are_a_line_and_nothing_is_written(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *(arguments if "--target" in arguments else ["--target", "http", *arguments])]) == 2
    out, err = capfd.readouterr()
    assert err.startswith(line)
    assert (err.count("\n"), out) == (1, "")
    assert "hunter2" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_commands_in_the_docs_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    told = (Path(__file__).parents[1] / "docs/remote-targets.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    crossattack (run .*)$", told, re.M)
    assert len(lines) == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    small = ["--set", "data.pairs=240", "--set", "data.pixels=16", "--set", "target.backoff=0.01", "--quiet"]
    for line in lines:
        assert main([*line.replace("127.0.0.1:8000", nobody).split(), *small]) == 1
        assert re.search(rf"^error: an answer of http://{nobody} wanted, none got in 4 attempts", capfd.readouterr().err, re.M)


def test_beyond_this_machine_it_wants_leave_and_says_what_will_be_sent(tmp_path: Path) -> None:
    """127.1 is this machine, but not by its name: good enough for another one."""
    with service(tmp_path / "count", database=DATABASE) as running:
        sets = [part for each in settings(f"http://127.1:{running.port}") for part in ("--set", each)]
        asked = [sys.executable, "-m", "crossattack.run", "--runs", str(tmp_path / "runs"), "--quiet", *sets]
        environment = {**os.environ, "NO_PROXY": "*", "CROSSATTACK_TOKEN": TOKEN}
        refused = subprocess.run(asked, capture_output=True, text=True, env=environment)
        assert refused.returncode == 2
        assert "leave to test 127.1 wanted, none got; say `--i-am-authorised`" in refused.stderr
        assert running.total() == 0
        done = subprocess.run([*asked, "--i-am-authorised", "--json"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for part in (
        f"To http://127.1:{running.port} (service 'faulty')",
        "up to 80 queries of the attacker and ",
        "16 x 16 pictures as PNG",
        "not encrypted",
    ):
        assert part in done.stderr
    assert TOKEN not in done.stderr + done.stdout
    results = json.loads(done.stdout)
    assert results["service"]["authorised"]
    assert results["config"]["target"]["authorised"]
