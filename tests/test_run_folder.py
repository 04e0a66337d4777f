"""A run's folder under accidents: two at once, a lost bill, damaged leftovers, a kill between any two writes."""

import json
from pathlib import Path

import pytest

from crossattack.cli import main
from crossattack.errors import LedgerError, UsageError
from crossattack.run_folder import only_one

SMALL = [
    *("run", "--data", "scenes", "--budget", "60", "--attacked", "8", "--bits", "8", "--steps", "2", "--name", "small", "--quiet"),
    *(part for key in ("data.pairs=120", "data.pixels=16", "target.epochs=1", "surrogate.epochs=1") for part in ("--set", key)),
    *(part for key in ("target.image_tower=convnet", "surrogate.image_tower=convnet") for part in ("--set", key)),
    *("--set", "surrogate.least_steps=0"),
]


def results(folder: Path) -> dict[str, object]:
    told = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return {key: value for key, value in told.items() if key not in ("started", "seconds", "memory")}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(UsageError, match="being run by another process"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_a_lost_ledger_is_no_refund(tmp_path: Path) -> None:
    (tmp_path / "surrogate.safetensors").touch()
    with pytest.raises(LedgerError, match="lost its ledger"), only_one(tmp_path):
        pass


def test_what_is_damaged_is_made_again_and_the_results_are_the_same(
    tmp_path: Path, empty_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    folder = tmp_path / "runs/small"
    assert main([*SMALL, *runs]) == 0
    first = results(folder)
    (folder / "report.html").unlink()
    assert main([*SMALL, *runs, "--resume"]) == 0, "killed before the report"
    assert (folder / "report.html").is_file()
    for damaged in ("surrogate.safetensors", "checkpoints/attacked/images-000000.h5"):
        (folder / damaged).write_bytes(b"damaged")
        (folder / "results.json").write_text('{"schema"', encoding="utf-8")
        assert main([*SMALL, *runs, "--resume"]) == 0
        assert results(folder) == first
    assert "training again" in caplog.text
    assert "perturbing its items again" in caplog.text


def test_an_empty_folder_is_taken_and_the_cap_of_the_referee_is_named(
    tmp_path: Path, empty_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs/small").mkdir(parents=True)
    assert main([*SMALL, "--runs", str(tmp_path / "runs"), "--set", "evaluation.cap=10"]) == 3
    assert "`evaluation.cap`" in capfd.readouterr().err


@pytest.mark.parametrize("key", ["seed", "oracle.budget", "target.bits", "attack.eps"])
def test_yes_and_no_are_no_numbers(key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--data", "scenes", "--runs", str(tmp_path / "runs"), "--set", f"{key}=true"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {key}: ")
    assert "number wanted" in line
    assert not (tmp_path / "runs").exists()


def test_a_cache_that_is_no_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "file"))
    assert main([*SMALL, "--runs", str(tmp_path / "runs")]) == 2
    assert "set CROSSATTACK_CACHE" in capfd.readouterr().err
