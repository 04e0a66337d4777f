"""Larger caps for a run that was interrupted: it ends like one that had them from the start, and buys nothing twice."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_run_folder import SMALL, results

from crossattack.cli import main
from crossattack.config import load_config
from crossattack.ledger import Ledger
from crossattack.replay import replay

STAGES = {
    "mined": "crossattack.attacks._context.fit_surrogate",
    "trained": "crossattack.experiment.kept",
    "judged": "crossattack.experiment.keep_codes",
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., int]:
    """`crossattack run` of a small run, with more of its settings."""

    def call(*more: str, runs: str = "runs") -> int:
        return main([*SMALL, "--set", "data.pairs=240", "--budget", "40", *more, "--runs", str(tmp_path / runs)])

    return call


def interrupted(command: Callable[..., int], stage: str, *more: str) -> None:
    """The run, interrupted once that stage is over."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(STAGES[stage], interrupt)
        assert command(*more) == 130


def log(folder: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines if line["event"] == event]


@pytest.mark.parametrize("stage", STAGES)
def test_a_larger_budget_counts_as_if_it_had_been_there_from_the_start(
    stage: str, command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs/small"
    interrupted(command, stage)
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        bought = ledger.bill("attacker").spent
    assert 35 < bought <= 40
    assert command("--resume", "--budget", "60") == 0
    assert command("--budget", "60", runs="fresh") == 0
    found, fresh = results(folder), results(tmp_path / "fresh/small")
    if stage == "judged":  # what the smaller budget's attack came to was judged, which is on the referee's bill for good
        bills: list[Any] = [found["budget"], fresh["budget"]]
        assert bills[0].pop("evaluation") > bills[1].pop("evaluation")
        assert bills[0].pop("ledger_digest") != bills[1].pop("ledger_digest")
    assert found == fresh
    assert found["budget"]["spent"] > bought + 15  # type: ignore[index]
    assert load_config(folder / "config.yaml").oracle.budget == 60
    assert log(folder, "raised") == [{"event": "raised", "key": "oracle.budget", "had": 40, "wanted": 60}]
    assert replay(folder)[0] == []
    capfd.readouterr()


def test_a_referee_that_ran_out_is_given_more_and_nothing_is_trained_again(command: Callable[..., int], tmp_path: Path) -> None:
    folder = tmp_path / "runs/small"
    assert command("--set", "evaluation.cap=10") == 3
    surrogate = folder / "surrogate.safetensors"
    before = surrogate.stat().st_mtime_ns
    assert command("--resume", "--set", "evaluation.cap=400") == 0
    assert command("--set", "evaluation.cap=400", runs="fresh") == 0
    assert surrogate.stat().st_mtime_ns == before
    assert results(folder) == results(tmp_path / "fresh/small")
    assert log(folder, "raised") == [{"event": "raised", "key": "evaluation.cap", "had": 10, "wanted": 400}]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--budget", "39"), "oracle.budget: 40 or more wanted, as in {}/config.yaml, 39 got; a resumed run can raise it and never"),
        (("--set", "evaluation.cap=9"), "evaluation.cap: 100000 or more wanted, as in {}/config.yaml, 9 got; a resumed run can"),
        (("--budget", "60", "--seed", "1"), "seed: 0 wanted, as in {}/config.yaml, 1 got; a resumed run keeps its settings"),
        (("--budget", "60", "--per-item", "9"), "oracle.per_item: None wanted, as in {}/config.yaml, 9 got; a resumed run keeps"),
    ],
)
def test_what_differs_otherwise_is_refused_and_changes_nothing(
    more: tuple[str, ...], line: str, command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs/small"
    interrupted(command, "mined")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    capfd.readouterr()
    assert command("--resume", *more) == 2
    assert capfd.readouterr().err.startswith(f"error: {line.format(folder)}")
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_finished_run_keeps_the_budget_of_its_results(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    folder = tmp_path / "runs/small"
    before = results(folder)
    capfd.readouterr()
    assert command("--resume", "--budget", "60") == 2
    says = f"error: oracle.budget: 40 wanted, which the results in {folder} were reached with, 60 got; start a new run"
    assert capfd.readouterr().err.startswith(says)
    assert results(folder) == before
    assert load_config(folder / "config.yaml").oracle.budget == 40
    assert command("--resume") == 0


def test_an_attack_that_has_spent_keeps_its_budget(command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    verified = ("--set", "attack.verify=true")
    interrupted(command, "trained", *verified)
    folder = tmp_path / "runs/small"
    surrogate = (folder / "surrogate.safetensors").read_bytes()
    capfd.readouterr()
    assert command("--resume", "--budget", "60", *verified) == 2
    says = "error: oracle.budget: 40 wanted, as the attack has spent 16 queries on the strength of it, 60 got; go on with 40, or start"
    assert capfd.readouterr().err.startswith(says)
    assert (folder / "surrogate.safetensors").read_bytes() == surrogate
    assert command("--resume", *verified) == 0
    assert results(folder)["budget"]["phases"]["attack"] == 16  # type: ignore[index]


def test_killed_while_it_is_raised_a_run_goes_on_with_what_it_had(command: Callable[..., int], tmp_path: Path) -> None:
    interrupted(command, "trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crossattack.run_folder.write_config", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert command("--resume", "--budget", "60") == 130
    assert command("--resume") == 0
    assert command(runs="fresh") == 0
    assert results(tmp_path / "runs/small") == results(tmp_path / "fresh/small")


def test_the_command_in_the_docs_raises_a_budget(command: Callable[..., int], tmp_path: Path) -> None:
    told = (Path(__file__).parents[1] / "docs/results.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    crossattack (run .*--resume .*)$", told, re.M)
    interrupted(command, "mined")
    assert main([*line.replace("NAME", "small").split(), "--runs", str(tmp_path / "runs")]) == 0
    bill: Any = results(tmp_path / "runs/small")["budget"]
    assert bill["cap"] == 3000
    assert bill["spent"] > 60


@pytest.mark.parametrize("left", [[], [""]], ids=["no ledger", "an empty one"])
def test_a_run_that_was_killed_before_it_asked_anything_can_be_given_more(
    left: list[str], command: Callable[..., int], tmp_path: Path
) -> None:
    interrupted(command, "mined")
    for file in (tmp_path / "runs/small").glob("ledger.sqlite*"):
        file.unlink()
    for content in left:
        (tmp_path / "runs/small/ledger.sqlite").write_text(content)
    assert command("--resume", "--budget", "60") == 0
    assert command("--budget", "60", runs="fresh") == 0
    assert results(tmp_path / "runs/small") == results(tmp_path / "fresh/small")
