"""`crossattack serve` as its owner starts it: what is refused, and what outlives a kill."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from served import ALICE, bearer, bomb

from crossattack.cli import main

SMALL = [
    *("--data", "scenes", "--bits", "16", "--device", "cpu", "--port", "0", "--set", "data.pairs=240", "--set", "data.pixels=16"),
    *("--set", "target.image_tower=convnet", "--set", "target.epochs=1"),
]


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], list[str]]]:
    """A service in a process of its own, what it said of itself, and the lines it goes on to say."""
    environment = {**os.environ, "CROSSATTACK_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    program = "import sys; from crossattack.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "serve", *SMALL, *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    watch = threading.Timer(120, process.kill)
    watch.start()
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("{") and (told := json.loads(line))["event"] == "serving":
                break
        else:
            raise AssertionError("".join(said))
        said.clear()
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
        reader.start()
        yield process, told, said
    finally:
        process.kill()
        process.wait(30)
        watch.cancel()
        reader.join(30)
        process.stderr.close()


def test_counts_and_keys_outlive_a_kill(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"alice:{ALICE}\n")
    tokens.chmod(0o600)
    flags = ["--tokens", "tokens", "--state", "state.sqlite", "--reveals", "ranking", "--top-k", "5", "--rate", "1000/s", "--quota", "3"]
    question = {"items": ["a red square", "a blue cross"], "keys": ["a", "b"]}
    replies = []
    for _ in range(2):
        with started(tmp_path, *flags) as (process, told, said):
            assert (told["reveals"], told["top_k"], told["tokens"]) == ("ranking", 5, True)
            with httpx2.Client(base_url=told["url"], headers=bearer(ALICE), timeout=30, trust_env=False) as http:
                replies.append(http.post("/v1/search/texts", json=question).json())
                (result,) = http.post("/v1/search/images", files=[("items", ("a.png", bomb(12_000, 9_000)))]).json()["results"]
                assert result["error"]["code"] == "too_many_pixels"
                if len(replies) == 2:
                    assert http.get("/v1/stats").json() == {"items": 2, "images": 0, "texts": 2, "replayed": 2}
                    assert http.post("/v1/search/texts", json={"items": ["a", "b"]}).status_code == 403
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert all(json.loads(line)["event"] for line in said)  # every line is JSON
        assert ALICE not in "".join(said)
    assert len(replies[0]["results"][0]["hits"]) == 5
    assert replies[0] == replies[1]


def test_its_owner_ends_it_with_ctrl_c(tmp_path: Path) -> None:
    with started(tmp_path) as (process, told, said):
        assert httpx2.get(told["url"] + "healthz", trust_env=False).json() == {"status": "ok"}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not any("Traceback" in line for line in said)
    assert list((tmp_path / "cache" / "services").glob("dcmh-*.sqlite"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--host", "0.0.0.0"], "error: host: 127.0.0.1 wanted where no tokens are asked for, 0.0.0.0 got; give `--tokens FILE`."),
        (["--tokens", "none"], "error: tokens: a file of `name:token` lines wanted, none cannot be read (No such file or directory)."),
        (["--rate", "fast"], "error: rate: items in a time wanted, such as 50/s or 600/min, 'fast' got."),
        (["--top-k", "5"], "error: top-k: only with `--reveals ranking`, codes got; drop it."),
        (["--target", "dcmmh"], "error: target: no target is called 'dcmmh' (did you mean 'dcmh'?)"),
        (["--reveals", "all"], "error: Invalid value for '--reveals'"),
        (["--port", "99999"], "error: Invalid value for '--port'"),
        (["--quota", "-1"], "error: Invalid value for '--quota'"),
        (["--host", "203.0.113.7", "--tokens", "tokens"], "error: host, port: an address of this machine that is free wanted"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSATTACK_TOKENS", raising=False)
    (tmp_path / "tokens").write_text(f"alice:{ALICE}\n")
    (tmp_path / "tokens").chmod(0o600)
    assert main(["serve", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 2
    assert capfd.readouterr().err.endswith("run `pip install 'crossattack[serve]'`.\n")
