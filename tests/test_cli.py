"""The command line: what it prints where, what it writes, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from example_results import results

from crossattack import experiment
from crossattack.cli import main
from crossattack.config import RunConfig
from crossattack.errors import BudgetRefused
from crossattack.progress import Progress
from crossattack.report.catalogue import FOLDERS, MORE

USUAL = "dcmh-aach-pictograms-32bits-seed0"
SMALL = [
    *("--data", "scenes", "--budget", "200", "--attacked", "24", "--bits", "16", "--steps", "4", "--device", "cpu"),
    *("--set", "data.pairs=400", "--set", "data.pixels=32", "--set", "target.image_tower=convnet", "--set", "target.epochs=1"),
    *(
        "--set",
        "surrogate.image_tower=convnet",
        "--set",
        "surrogate.epochs=2",
        "--set",
        "ceiling.steps=4",
        "--set",
        "evaluation.resamples=50",
    ),
]
Behaviour = Callable[[RunConfig, Path, Progress], dict[str, Any]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, here: Path) -> list[RunConfig]:
    """An experiment that takes no time; the list holds the configurations it was run with."""
    seen: list[RunConfig] = []

    def run(config: RunConfig, folder: Path, progress: Progress) -> dict[str, Any]:
        assert (folder / "config.yaml").is_file()
        seen.append(config)
        with progress.stage("pretending", 1) as tick:
            tick(1, "")
        found = results(str(config.name))
        (folder / "results.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(experiment, "run", run)
    return seen


def behave(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(config: RunConfig, folder: Path, progress: Progress) -> dict[str, Any]:
        raise error

    monkeypatch.setattr(experiment, "run", run)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--target", "dcmmh"], "error: target: no target is called 'dcmmh' (did you mean 'dcmh'?); choose one of "),
        (["--budget", "-5"], "error: oracle.budget: 0 or more wanted, -5 got; the nearest is 0."),
        (["--eps", "300"], "error: attack.eps: 1 or less wanted, 300 got; the nearest is 1."),
        (["--config", "typo.yaml"], "error: oracle.bugdet: no such key (did you mean 'budget'?)"),
        (["--config", "typ.yaml"], "error: config: a YAML file wanted, no file at typ.yaml (did you mean 'typo.yaml'?)."),
        (["--bits", "many"], "error: target.bits: a whole number wanted, 'many' got."),
        (["--bugdet", "5"], "error: No such option: --bugdet"),
        (["--target"], "error: Option '--target' requires an argument."),
        (["extra"], "error: Got unexpected extra argument(s) (extra)"),
        (["--root", "x"], "error: data.root: no such key"),
        (["--resume"], f"error: resume: a run in runs/{USUAL} wanted, none got; drop `--resume` to start it."),
        (["--runs", "typo.yaml/x"], "error: runs: a folder to write to wanted, typo.yaml/x got"),
    ],
)
def test_bad_usage_is_one_line_exit_code_2_and_nothing_written(
    arguments: list[str], line: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "typo.yaml").write_text("oracle: {bugdet: 5}\n")
    assert main(["run", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert [file.name for file in here.iterdir()] == ["typo.yaml"]


def test_a_real_process_refuses_the_same_way_without_importing_torch(here: Path) -> None:
    program = "import sys; from crossattack.cli import main; code = main(); assert 'torch' not in sys.modules; sys.exit(code)"
    ended = subprocess.run([sys.executable, "-c", program, "run", "--config", "no.yaml"], cwd=here, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "error: config: a YAML file wanted, no file at no.yaml.\n")
    assert not list(here.iterdir())


def test_help_shows_examples_without_importing_torch() -> None:
    program = "import sys; from crossattack.cli import main; code = main(); assert 'torch' not in sys.modules; sys.exit(code)"
    ended = subprocess.run([sys.executable, "-c", program, "run", "--help"], capture_output=True, text=True)
    assert ended.returncode == 0
    flags = "target attack data root config set bits budget per-item eps steps attacked seed device name runs resume tensorboard quiet json"
    for part in ("Examples:\n    crossattack run\n", "Exit codes: 0 done", *(f"--{flag} " for flag in flags.split())):
        assert part in ended.stdout


def test_a_run_writes_its_folder_and_prints_the_table(pretended: list[RunConfig], here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 0
    folder = here / "runs" / USUAL
    files = {file.name for file in folder.iterdir() if file.name != ".lock"}
    assert files == {"config.yaml", "results.json", "report.html", "log.jsonl"}
    out, err = capfd.readouterr()
    assert "mAP, attacked" in out
    assert out.endswith(f"run: runs/{USUAL}\n")
    assert "pretending ..." in err
    assert [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()] == ["started", "stage", "finished"]
    assert pretended[0].name == USUAL


@pytest.mark.usefixtures("pretended")
def test_json_is_alone_on_stdout_and_quiet_leaves_the_path(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == results()
    assert "pretending" in err
    assert main(["run", "--quiet"]) == 0
    assert capfd.readouterr() == (f"runs/{USUAL}-2\n", "")


def test_flags_end_up_where_they_belong(pretended: list[RunConfig], here: Path) -> None:
    flags = "--attack noise --data scenes --bits 64 --budget 7 --per-item 2 --eps 4/255 --attacked 9 --seed 3 --device cpu --name mine"
    assert main(["run", *flags.split(), "--set", "data.pairs=400", "--runs", "elsewhere"]) == 0
    (config,) = pretended
    assert (config.attack.name, config.attack.plugin.eps, config.ceiling.plugin.eps) == ("noise", 4 / 255, 4 / 255)
    assert (config.data.plugin.pairs, config.target.plugin.bits, config.oracle.budget, config.oracle.per_item) == (400, 64, 7, 2)
    assert (config.attacked, config.seed, config.device, config.name) == (9, 3, "cpu", "mine")
    saved = yaml.safe_load((here / "elsewhere" / "mine" / "config.yaml").read_text())
    assert saved == config.resolved()


@pytest.mark.usefixtures("pretended")
def test_a_taken_name_is_refused_and_the_usual_one_is_numbered(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert [main(["run", "--quiet"]) for _ in range(3)] == [0, 0, 0]
    assert sorted(folder.name for folder in (here / "runs").iterdir()) == [USUAL, f"{USUAL}-2", f"{USUAL}-3"]
    capfd.readouterr()
    assert main(["run", "--name", USUAL]) == 2
    assert capfd.readouterr().err.startswith(f"error: name: a new name wanted, '{USUAL}' is in runs already;")


def test_an_interrupted_run_says_how_to_go_on_and_does(
    pretended: list[RunConfig], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        behave(patch, KeyboardInterrupt())
        assert main(["run", "--seed", "4", "--name", "mine", "--runs", "my runs"]) == 130
    command = "crossattack run --name mine --resume --runs 'my runs'"
    assert capfd.readouterr().err == f"interrupted; go on with: {command}\n"
    assert main(["run", "--name", "mine", "--resume", "--runs", "my runs"]) == 0
    assert [config.seed for config in pretended] == [4]


def test_resume_without_a_name_takes_the_latest_of_the_usual_name(
    pretended: list[RunConfig], monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    assert main(["run", "--quiet"]) == 0
    with monkeypatch.context() as patch:
        behave(patch, KeyboardInterrupt())
        assert main(["run", "--quiet"]) == 130
    assert main(["run", "--quiet", "--resume"]) == 0
    assert [config.name for config in pretended] == [USUAL, f"{USUAL}-2"]
    events = [json.loads(line)["event"] for line in (here / "runs" / f"{USUAL}-2" / "log.jsonl").read_text().splitlines()]
    assert events == ["started", "interrupted", "started", "stage", "finished"]


def test_resuming_with_other_settings_names_the_first_that_differs(pretended: list[RunConfig], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--name", "mine"]) == 0
    capfd.readouterr()
    assert main(["run", "--name", "mine", "--resume", "--budget", "500", "--attacked", "9"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: attacked: 500 wanted, as in runs/mine/config.yaml, 9 got;")
    assert len(pretended) == 1


def test_a_finished_run_is_shown_again(pretended: list[RunConfig], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--name", "mine"]) == 0
    first = capfd.readouterr().out
    assert main(["run", "--name", "mine", "--resume"]) == 0
    assert capfd.readouterr().out == first
    assert len(pretended) == 1


@pytest.mark.usefixtures("here")
def test_a_refused_budget_is_one_line_and_exit_code_3(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    behave(monkeypatch, BudgetRefused(3, 0, 5))
    assert main(["run"]) == 3
    assert capfd.readouterr().err == "error: 3 queries wanted, 0 of 5 left; nothing was sent. Ask for fewer or raise `budget`.\n"


@pytest.mark.usefixtures("here")
def test_our_own_bugs_leave_a_traceback_and_a_line_in_the_log(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    behave(monkeypatch, ZeroDivisionError("oops"))
    with pytest.raises(ZeroDivisionError):
        main(["run", "--name", "mine"])
    assert json.loads((here / "runs/mine/log.jsonl").read_text().splitlines()[-1])["error"] == "ZeroDivisionError: oops"


def test_what_there_is_to_choose_is_listed(capfd: pytest.CaptureFixture[str]) -> None:
    known = {
        "attacks": "aach",
        "objectives": "own",
        "targets": "dcmh",
        "defences": "jpeg",
        "surrogates": "convnet",
        "datasets": "scenes",
        "metrics": "ranking",
    }
    assert set(known) == set(FOLDERS)
    for kind, name in known.items():
        assert main(["list", kind]) == 0
        lines = capfd.readouterr().out.splitlines()
        assert any(line.startswith(f"{name} ") for line in lines)
        assert kind not in MORE or lines.pop() == MORE[kind]
        assert all(re.fullmatch(r"\w+ +[A-Z0-9].{18,}[.:]", line) for line in lines), "a name, and a sentence from its docstring"
    assert main(["list", "attakcs"]) == 2
    assert "did you mean 'attacks'?" in capfd.readouterr().err


def test_a_data_set_is_shown_with_counts_and_a_contact_sheet(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "scenes", "--set", "data.pairs=60", "--out", "sheet.png"]) == 0
    assert (here / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert capfd.readouterr().out.startswith("pairs  ")
    assert main(["data", "show", "scnes"]) == 2
    assert capfd.readouterr().err.startswith("error: data: no data set is called 'scnes' (did you mean 'scenes'?)")


def test_a_resumed_run_ends_like_one_that_was_not_interrupted(here: Path) -> None:
    environment = {**os.environ, "CROSSATTACK_CACHE": str(here / "cache")}
    command = [sys.executable, "-m", "crossattack.run", *SMALL]
    started = subprocess.Popen(command, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = here / "runs" / "dcmh-aach-scenes-16bits-seed0"
    deadline = time.monotonic() + 120
    while not (folder / "ledger.sqlite").exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert (started.returncode, out) == (130, ""), err
    assert err.endswith(f"interrupted; go on with: crossattack run --name {folder.name} --resume\n")
    resumed, undisturbed = [
        subprocess.run([*command, *more, "--json"], cwd=here, env=environment, capture_output=True, text=True, timeout=300)
        for more in (["--resume"], ["--runs", "others"])
    ]
    assert (resumed.returncode, undisturbed.returncode) == (0, 0), resumed.stderr + undisturbed.stderr
    assert json.loads(resumed.stdout) == json.loads((folder / "results.json").read_text())
    assert without_times(resumed.stdout) == without_times(undisturbed.stdout)
    assert "Content-Security-Policy" in (folder / "report.html").read_text()


def without_times(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return {key: value for key, value in found.items() if key not in ("started", "seconds", "memory")}
