"""The Ray engine: a real Ray of this machine, a worker that is killed, folders that travel as bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sweeps import TESTS, toys

from crossattack.cli import main
from crossattack.sweep.engines._parcel import packed, unpack
from crossattack.sweep.table import Table


def test_a_folder_comes_out_of_its_parcel_as_it_was(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for name in ("config.yaml", "checkpoints/deep/a.h5", "ledger.sqlite", ".lock"):
        (before / name).parent.mkdir(parents=True, exist_ok=True)
        (before / name).write_bytes(os.urandom(100))
    (before / "empty").touch()
    after.mkdir()
    (after / "ledger.sqlite-journal").write_text("of another time")
    (after / ".lock").write_text("mine")
    unpack(packed(before), after)
    found = {path.relative_to(after).as_posix(): path.read_bytes() for path in after.rglob("*") if path.is_file()}
    wanted = {name: (before / name).read_bytes() for name in ("config.yaml", "checkpoints/deep/a.h5", "ledger.sqlite", "empty")}
    assert found == {**wanted, ".lock": b"mine"}


def test_without_ray_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("crossattack.sweep.command.find_spec", lambda name: None)
    (tmp_path / "mine.yaml").write_text("grid: {seed: [0]}")
    assert main(["sweep", str(tmp_path / "mine.yaml"), "--engine", "ray", "--runs", str(tmp_path / "runs")]) == 2
    wanted = "error: ray wanted for --engine ray, not installed; run `pip install 'crossattack[ray]'`.\n"
    assert capfd.readouterr() == ("", wanted)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_sixty_cells_on_ray_are_those_of_the_processes_though_a_worker_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="allowed: an extra")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("TOYS", str(tmp_path / "corner"))
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "cache"))
    here = toys(tmp_path)
    here.write()
    assert here.run("serial", jobs=1)
    (tmp_path / "corner/log").unlink()
    here.accident("kill", 7)
    here.accident("raise", 11)
    command = [sys.executable, str(TESTS / "toy_cells.py"), str(here.file), str(tmp_path / "runs"), "2", "ray"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1, ended.stderr
    found = {row.digest: (row.values["seed"], row.state, row.attempts, row.reason) for row in here.rows()}
    assert len(found) == 60
    for digest, (seed, state, attempts, reason) in found.items():
        assert here.attempts()[digest] == attempts == (2 if seed == 7 else 1)
        if seed == 11:
            assert (state, reason) == ("failed", "ValueError: no luck with seed 11")
        else:
            assert (state, reason) == ("done", None)
            ours, theirs = (json.loads((tmp_path / runs / "toys" / digest / "results.json").read_text()) for runs in ("runs", "serial"))
            assert ours == theirs
            begun = (tmp_path / "runs/toys" / digest / "begun").exists()
            assert begun == (seed == 7), "the second attempt found what the first had left"
    assert not list((tmp_path / "cache/sweeps").iterdir()), "no scratch folder is left once the driver has it all"


@pytest.mark.slow
def test_an_address_where_no_cluster_is_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="allowed: an extra")
    base = {"data": "scenes", "target": {"image_tower": "convnet"}, "surrogate": {"image_tower": "convnet"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"base": base, "grid": {"seed": [0]}}))
    command = [sys.executable, "-c", "import sys; from crossattack._cli_start import main; sys.exit(main())"]
    flags = ["sweep", "mine.yaml", "--engine", "ray", "--address", "127.0.0.1:1"]
    ended = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: --address: a Ray cluster wanted, 127.0.0.1:1 got (")
    with Table.read(tmp_path / "runs/mine/sweep.sqlite") as table:
        assert [row.state for row in table.rows()] == ["pending"]
