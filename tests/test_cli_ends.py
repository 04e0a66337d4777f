"""How real processes end that are interrupted, or that nobody listens to: one line, a fitting exit code, no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "import sys; from crossattack._cli_start import main; sys.exit(main())"]
LOST = "error: stdout: room for the result wanted, none got ({}); send it elsewhere. A finished run is kept in its folder.\n"
ASKED = [["list", "attacks"], ["data", "list"], ["run", "--help"], ["--version"]]


def environment(buffered: bool) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | (
        {} if buffered else {"PYTHONUNBUFFERED": "1"}
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="allowed: no /dev/full on this machine")
@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_a_full_disk_is_a_line_and_exit_code_1(arguments: list[str], buffered: bool) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(buffered))
    assert (ended.returncode, ended.stderr) == (1, LOST.format("No space left on device"))


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_a_closed_pipe_is_a_line_and_exit_code_141(arguments: list[str], buffered: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run([*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, env=environment(buffered))
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, LOST.format("Broken pipe"))


@pytest.mark.parametrize("when", ["typer", "pydantic", "torch"])
@pytest.mark.parametrize("command", [[*COMMAND[1:], "run"], ["-m", "crossattack.run"]], ids=["crossattack", "python -m crossattack.run"])
def test_ctrl_c_while_things_are_being_loaded_is_a_line_and_exit_code_130(command: list[str], when: str, tmp_path: Path) -> None:
    """`-X importtime` tells on stderr what has just been imported, so that the signal comes in the middle of it."""
    arguments = [sys.executable, "-X", "importtime", *command, "--data", "scenes"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip().startswith(f"{when}."):
                process.send_signal(signal.SIGINT)
                break
        else:
            raise AssertionError(f"{when} was never imported")
        out, err = process.communicate(timeout=60)
    told = [line for line in err.splitlines() if not line.startswith("import time:")]
    assert (process.returncode, out, told) == (130, "", ["interrupted"])
