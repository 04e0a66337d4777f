"""The cache: files are whole or absent, and two processes build a thing once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossattack.cache import built_once, cache_folder, whole_file

BUILDER = """
import sys, time
from pathlib import Path
from crossattack.cache import built_once, whole_file
path, log = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with built_once(path) as missing:
    if missing:
        with open(log, "a") as lines:
            lines.write("built\\n")
        with whole_file(path) as temporary:
            temporary.write_text("half")
            time.sleep(float(sys.argv[3]))
            temporary.write_text("whole")
print(path.read_text(), missing, flush=True)
"""


def builder(path: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that waits for a line and then builds `path`, slowly."""
    command = [sys.executable, "-c", BUILDER, str(path), str(log), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def write_half(path: Path, interruption: type[BaseException]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise interruption


def test_a_file_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "file"
    with whole_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent, "a rename within one file system"
    assert path.read_text() == "half"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption):
        write_half(tmp_path / "file", interruption)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        write_half(path, RuntimeError)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_two_processes_build_once(tmp_path: Path) -> None:
    path, log = tmp_path / "file", tmp_path / "log"
    processes = [builder(path, log, 0.3) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0] for process in processes)
    assert said == ["whole False\n", "whole True\n"]
    assert log.read_text() == "built\n"


def test_a_killed_builder_leaves_the_next_one_to_build(tmp_path: Path) -> None:
    path, log = tmp_path / "file", tmp_path / "log"
    killed = builder(path, log, 60)
    assert killed.stdin is not None
    killed.stdin.write("\n")
    killed.stdin.flush()
    while not (log.exists() and log.read_text()):
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert not path.exists()
    with built_once(path) as missing:
        assert missing


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"CROSSATTACK_CACHE": "{0}/own"}, "own/targets/deep"),
        ({"CROSSATTACK_CACHE": "", "XDG_CACHE_HOME": "{0}/xdg"}, "xdg/crossattack/targets/deep"),
        ({"CROSSATTACK_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "{0}/home"}, "home/.cache/crossattack/targets/deep"),
    ],
)
def test_the_cache_lies_where_the_user_says(
    environment: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert cache_folder("targets", "deep") == tmp_path / folder
    assert (tmp_path / folder).is_dir()


def test_a_test_that_asks_for_an_empty_cache_has_one(empty_cache: Path) -> None:
    assert cache_folder() == empty_cache
    assert not list(empty_cache.iterdir())
