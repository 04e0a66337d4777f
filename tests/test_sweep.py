"""A sweep under accidents: killed workers, a killed driver, cells that fail, a full disk, two drivers at once. All processes are real."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sweeps import TESTS, Toys, is_gone, toys, until
from test_ledger_disks import mounted

from crossattack.cli import main
from crossattack.errors import RecordError, UsageError
from crossattack.sweep import driver
from crossattack.sweep.lease import Owner, is_alive, this_process
from crossattack.sweep.outcome import summary


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toys:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("TOYS", str(tmp_path / "corner"))
    return toys(tmp_path)


def outcome(here: Toys, runs: str = "runs") -> list[dict[str, object]]:
    """sweep.json's cells, less what differs from run to run."""
    told = json.loads((here.folder / runs / "toys/sweep.json").read_text())
    return [{key: value for key, value in cell.items() if key not in ("seconds", "attempts")} for cell in told["cells"]]


def test_a_killed_workers_cell_is_run_again_and_all_else_once(here: Toys) -> None:
    here.write()
    assert here.run("serial", jobs=1)
    (here.folder / "corner/log").unlink()
    here.accident("kill", 7)
    assert here.run()
    assert outcome(here) == outcome(here, "serial")
    assert len(outcome(here)) == 60
    attempts = here.attempts()
    assert {row.digest: row.attempts for row in here.rows()} == attempts
    assert {row.values["seed"]: row.attempts for row in here.rows() if row.attempts > 1} == {7: 2}
    for row in here.rows():
        results = json.loads((here.folder / "runs/toys" / row.digest / "results.json").read_text())
        assert row.state == "done"
        assert row.headline is not None
        assert row.headline["budget"]["spent"] == row.values["oracle.budget"] == results["config"]["oracle"]["budget"]
        assert row.headline["directions"]["image_to_text"]["map"]["attacked"] == row.values["seed"] / 1000
    assert all(is_gone(pid) for pid in here.workers())


def test_a_cell_that_always_loses_its_worker_and_one_that_raises_fail_with_their_reasons(
    here: Toys, capfd: pytest.CaptureFixture[str]
) -> None:
    here.write({"seed": list(range(6))})
    here.accident("always", 2)
    raising = here.accident("raise", 4)
    assert not here.run(quiet=False)
    found = {row.values["seed"]: (row.state, row.attempts, row.reason) for row in here.rows()}
    assert found[2] == ("failed", 3, "its worker was killed by SIGKILL, 3 times")
    assert found[4] == ("failed", 1, "ValueError: no luck with seed 4")
    assert all(found[seed] == ("done", 1, None) for seed in (0, 1, 3, 5))
    out, err = capfd.readouterr()
    assert "failed  seed=4: ValueError: no luck with seed 4  (" in err
    assert "failed  seed=2: its worker was killed by SIGKILL, 3 times  (" in err
    assert "6/6 " in err
    assert "0 pending, 0 running, 4 done, 2 failed" in out
    assert "Traceback" in (here.folder / "runs/toys/workers.log").read_text()
    raising.unlink()
    (here.folder / "corner/always").unlink()
    assert here.run(), "the next call gives failed cells another chance"
    assert {row.values["seed"]: row.attempts for row in here.rows()} == {0: 1, 1: 1, 2: 4, 3: 1, 4: 2, 5: 1}


def test_a_worker_dismissed_after_the_last_cell_is_waited_for(here: Toys) -> None:
    here.write({"seed": [4]})
    here.accident("raise", 4)
    assert not here.run()
    (worker,) = here.workers()
    assert not Path(f"/proc/{worker}").exists(), "neither running nor a zombie"


def test_finished_cells_are_never_run_again_and_more_of_them_can_be_wanted(here: Toys) -> None:
    here.write({"seed": [0, 1]})
    assert here.run()
    before = here.attempts()
    assert here.run()
    assert here.attempts() == before
    here.write({"seed": [1, 2]})
    assert here.run()
    assert [row.values["seed"] for row in here.rows()] == [1, 2]
    first, second = before
    assert (here.attempts()[first], here.attempts()[second], sum(here.attempts().values())) == (1, 1, 3)
    here.write({"seed": [0, 1, 2]})
    (here.folder / "runs/toys" / first / "results.json").write_text('{"config"')
    (here.folder / "runs/toys" / second / "results.json").unlink()
    assert here.run(), "what the folders have lost is made again"
    assert (here.attempts()[first], here.attempts()[second], sum(here.attempts().values())) == (2, 2, 5)


def test_the_results_of_another_cell_are_no_results(here: Toys) -> None:
    here.write({"seed": [0, 1]})
    assert here.run()
    first, second = (here.folder / "runs/toys" / row.digest / "results.json" for row in here.rows())
    first.write_bytes(second.read_bytes())
    assert here.run()
    assert json.loads(first.read_text())["config"]["seed"] == 0


def test_a_killed_driver_takes_its_workers_along_and_the_next_goes_on(here: Toys) -> None:
    here.write()
    slow = here.accident("slow", 15, 16)
    with here.driver() as killed:
        until(lambda: here.states() == {"done": 15, "running": 2, "pending": 43} and len(here.attempts()) == 17)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    done = {row.digest for row in here.rows() if row.state == "done"}
    assert here.states()["running"] == 2, "nobody was there to say otherwise"
    until(lambda: all(is_gone(pid) for pid in here.workers()), seconds=10)
    slow.unlink()
    assert here.run()
    assert here.states() == {"done": 60}
    attempts = here.attempts()
    assert all(attempts[digest] == 1 for digest in done)
    assert sum(attempts.values()) == 62, "the two that were running were begun again, and no other"


def test_ctrl_c_ends_the_workers_leaves_honest_states_and_says_how_to_go_on(here: Toys) -> None:
    here.write({"seed": list(range(4))})
    here.accident("slow", 1, 2)
    with here.driver() as interrupted:
        until(lambda: len(here.attempts()) == 3)
        interrupted.send_signal(signal.SIGINT)
        out, err = interrupted.communicate(timeout=60)
    assert (interrupted.returncode, out) == (130, "")
    runs = here.folder / "runs"
    assert err.splitlines()[-1] == f"interrupted with 1 of 4 cells done; go on with: crossattack sweep {here.file} --runs {runs}"
    assert "Traceback" not in err
    assert all(is_gone(pid) for pid in here.workers())
    found = [(row.state, row.attempts, row.owner) for row in here.rows()]
    assert found == [("done", 1, None), ("pending", 1, None), ("pending", 1, None), ("pending", 0, None)]
    told = json.loads((runs / "toys/sweep.json").read_text())
    assert told["counts"] == {"pending": 3, "running": 0, "done": 1, "failed": 0}


def test_a_second_driver_is_refused_and_status_looks_on(here: Toys, capfd: pytest.CaptureFixture[str]) -> None:
    here.write({"seed": list(range(8))})
    slow = here.accident("slow", 3)
    with here.driver(jobs=1) as first:
        until(lambda: here.states()["done"] >= 3 and here.states()["running"] == 1)
        with pytest.raises(UsageError, match="is being run by another process; see it with --status") as refusal:
            here.run()
        assert "\n" not in str(refusal.value)
        command = ["sweep", str(here.file), "--runs", str(here.folder / "runs"), "--status"]
        assert main(command) == 0
        table, _ = capfd.readouterr()
        assert [line.split()[0] for line in table.splitlines()[1:9]] == ["done"] * 3 + ["running"] + ["pending"] * 4
        assert "4 pending, 1 running, 3 done, 0 failed" in table
        assert main([*command, "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["counts"] == {"pending": 4, "running": 1, "done": 3, "failed": 0}
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert main(command) == 0
        assert "running (its driver is gone)  " in capfd.readouterr().out
    slow.unlink()


def test_status_comes_without_torch_and_wants_a_sweep(here: Toys) -> None:
    here.write({"seed": [0]})
    program = "import sys; from crossattack.cli import main; code = main(); assert 'torch' not in sys.modules; sys.exit(code)"
    command = [sys.executable, "-c", program, "sweep", "toys.yaml", "--status"]
    refused = subprocess.run(command, cwd=here.folder, capture_output=True, text=True)
    wanted = "error: status: a sweep that was started wanted, none got in runs/toys; start it without `--status`.\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", wanted)
    assert not (here.folder / "runs").exists()
    assert here.run()
    shown = subprocess.run(command, cwd=here.folder, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "0 pending, 0 running, 1 done, 0 failed" in shown.stdout


def test_a_full_disk_ends_neither_the_driver_nor_the_other_cells(
    here: Toys, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(driver, "AGAIN", 0.05)
    here.write({"seed": list(range(6))})
    slow, said = here.accident("slow", 2), list[str]()
    (here.folder / "runs").mkdir()
    with mounted(here.folder / "runs", "size=512k"):
        filler = here.folder / "runs/filler"

        def meddle() -> None:
            until(lambda: here.states()["done"] == 2 and here.states()["running"] == 1)
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"0" * 512)
                except OSError as error:
                    said.append(str(error.strerror))
            slow.unlink()
            try:
                until(lambda: "the disk is full" in said[-1] or said.append(capfd.readouterr().err), seconds=20)
            finally:
                filler.unlink()

        meddler = threading.Thread(target=meddle)
        meddler.start()
        finished = here.run(jobs=1, quiet=False)
        meddler.join()
        found = {row.values["seed"]: (row.state, row.reason) for row in here.rows()}
        assert said[0] == "No space left on device"
        assert "the disk is full" in said[-1]
        assert not finished
        assert found.pop(2) == ("failed", "OSError: [Errno 28] No space left on device")
        assert set(found.values()) == {("done", None)}
        assert len(found) == 5


def test_only_its_own_process_is_taken_for_a_driver() -> None:
    me = this_process()
    assert Owner.parse(str(me)) == me
    assert is_alive(me, expires=0.0, now=1.0), "a living process needs no heartbeat"
    assert not is_alive(Owner(me.host, me.boot, me.pid, "1"), expires=2.0, now=1.0), "its number was another's before"
    assert not is_alive(Owner(me.host, "before", me.pid, me.began), expires=2.0, now=1.0), "the machine has started since"
    assert is_alive(Owner("elsewhere", "", 1, ""), expires=2.0, now=1.0)
    assert not is_alive(Owner("elsewhere", "", 1, ""), expires=1.0, now=2.0)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        until(lambda: is_gone(ended.pid))
        assert not is_alive(Owner(me.host, me.boot, ended.pid, me.began), expires=2.0, now=1.0), "not yet waited for, and dead"


@pytest.mark.parametrize("content", ["no database", ""])
def test_a_file_of_something_else_is_refused_and_kept(content: str, here: Toys) -> None:
    here.write({"seed": [0]})
    path = here.folder / "runs/toys/sweep.sqlite"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    if content:
        with pytest.raises(RecordError, match="is no record of a sweep, or a damaged one"):
            here.run()
        assert path.read_text() == content
    else:
        assert here.run(), "an empty file is one that was not laid out yet"


def test_a_record_says_what_it_was_told(here: Toys) -> None:
    here.write({"seed": [0, 1]})
    assert here.run()
    told = json.loads((here.folder / "runs/toys/sweep.json").read_text())
    assert told == summary("toys", ("seed",), here.rows())
    assert (told["schema"], told["keys"], told["counts"]["done"]) == (1, ["seed"], 2)
    assert told["cells"][1]["values"] == {"seed": 1}
    assert told["cells"][1]["directions"]["image_to_text"]["over_noise"] is None


def test_a_run_of_the_same_name_keeps_its_folder(here: Toys) -> None:
    here.write({"seed": [0]})
    (here.folder / "runs/toys").mkdir(parents=True)
    (here.folder / "runs/toys/config.yaml").touch()
    with pytest.raises(UsageError, match="toys is a run's folder; give the sweep another"):
        here.run()
    assert [path.name for path in (here.folder / "runs/toys").iterdir()] == ["config.yaml"]
