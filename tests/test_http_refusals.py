"""Runs against a service that are refused, each before anything is sent, and the leave that other machines need."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from remote_runs import DATABASE, TOKEN, results_of, settings
from services import service

from crossattack.cli import main
from crossattack.errors import ConfigError


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
