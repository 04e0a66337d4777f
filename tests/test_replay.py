"""Replay: a run's files prove its figures, and whoever changes one of them is found."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from test_experiment import SMALL

from crossattack.cli import main
from crossattack.config import load_config, to_yaml
from crossattack.errors import LedgerError
from crossattack.experiment import run
from crossattack.ledger import Ledger
from crossattack.progress import Silent
from crossattack.replay import replay

FEW = ("evaluation.resamples=200",)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, its configuration beside it, as the command line leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs") / "small"
        folder.mkdir()
        config = load_config(overrides=[*SMALL, *FEW])
        (folder / "config.yaml").write_text(to_yaml(config))
        run(config, folder, Silent())
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "runs" / "small"))


def test_an_untouched_run_is_equal_in_every_value_and_stays_untouched(copied: Path) -> None:
    before = {file.name: file.read_bytes() for file in copied.iterdir() if file.is_file()}
    differences, replayed = replay(copied)
    assert differences == []
    assert replayed > 200
    assert {file.name: file.read_bytes() for file in copied.iterdir() if file.is_file()} == before


def flip_a_query_bit(folder: Path) -> None:
    with h5py.File(folder / "codes.h5", "r+") as file:
        file["image_to_text/queries/attacked"][3, 5] *= -1


def flip_a_database_bit(folder: Path) -> None:
    with h5py.File(folder / "codes.h5", "r+") as file:
        file["text_to_image/database"][7, 0] *= -1


def flip_a_held_back_bit(folder: Path) -> None:
    with h5py.File(folder / "codes.h5", "r+") as file:
        file["agreement/surrogate/texts/theirs"][0, 0] *= -1


def change_a_picture(folder: Path) -> None:
    with h5py.File(folder / "items.h5", "r+") as file:
        file["attacked/images/images"][2, 0, 4, 4] ^= 1


def change_relevance(folder: Path) -> None:
    with h5py.File(folder / "codes.h5", "r+") as file:
        file["image_to_text/relevant"][0, 0] ^= True


def in_the_ledger(statement: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        db = sqlite3.connect(folder / "ledger.sqlite")
        assert db.execute(statement).rowcount == 1
        db.commit()
        db.close()

    return tamper


def edit_a_number(folder: Path) -> None:
    path = folder / "results.json"
    results = json.loads(path.read_text())
    results["directions"]["image_to_text"]["map"]["attacked"] -= 0.01
    path.write_text(json.dumps(results))


def edit_an_interval(folder: Path) -> None:
    path = folder / "results.json"
    results = json.loads(path.read_text())
    results["directions"]["text_to_image"]["map_ci95"]["clean"][1] += 1e-6
    path.write_text(json.dumps(results))


def leave_a_check_out(folder: Path) -> None:
    path = folder / "results.json"
    results = json.loads(path.read_text())
    results["checks"].pop()
    path.write_text(json.dumps(results))


MINED = "(SELECT max(id) FROM charge WHERE phase = 'mining')"


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (flip_a_query_bit, {"codes.h5/image_to_text/queries/attacked[3]", "directions.image_to_text.metrics.bits_flipped"}),
        (flip_a_database_bit, {"directions.text_to_image.map.clean"}),
        (flip_a_held_back_bit, {"codes.h5/agreement/surrogate/texts[0]", "surrogates.0.bit_agreement"}),
        (change_a_picture, {"codes.h5/image_to_text/queries/attacked[2]", "distortion.images.l2"}),
        (change_relevance, {"directions.image_to_text.map.clean"}),
        (in_the_ledger(f"DELETE FROM charge WHERE id = {MINED}"), {"ledger.sqlite", "budget.spent", "budget.ledger_digest"}),
        (in_the_ledger("DELETE FROM answer WHERE charge = (SELECT max(id) FROM charge)"), {"ledger.sqlite", "budget.ledger_digest"}),
        (in_the_ledger("UPDATE account SET cap = 121 WHERE name = 'attacker'"), {"budget.cap", "budget.ledger_digest"}),
        (in_the_ledger(f"UPDATE charge SET phase = 'attack' WHERE id = {MINED}"), {"budget.phases.mining", "budget.ledger_digest"}),
        (edit_a_number, {"directions.image_to_text.map.attacked"}),
        (edit_an_interval, {"directions.text_to_image.map_ci95.clean.1"}),
        (leave_a_check_out, {"checks"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_was_changed_is_found_and_named(tamper: Callable[[Path], None], found: set[str], copied: Path) -> None:
    tamper(copied)
    keys = {difference.key for difference in replay(copied)[0]}
    assert {key for key in found if not any(other == key or other.startswith(f"{key}.") for other in keys)} == set()


def test_the_command_says_where_and_ends_with_1(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = ["--runs", str(copied.parent)]
    assert main(["replay", "small", *where]) == 0
    assert " 0 differences; not replayed: versions, machine, started, seconds" in capfd.readouterr().out
    edit_a_number(copied)
    assert main(["replay", str(copied)]) == 1
    line, last = capfd.readouterr().out.splitlines()
    assert line.startswith("directions.image_to_text.map.attacked: kept 0.")
    assert ", recomputed 0." in line
    assert ", 1 differences;" in last
    assert main(["replay", "small", *where, "--json"]) == 1
    (told,) = json.loads(capfd.readouterr().out)["differences"]
    assert told["key"] == "directions.image_to_text.map.attacked"


@pytest.mark.parametrize("lost", ["items.h5", "codes.h5", "results.json", "config.yaml", "ledger.sqlite"])
def test_a_folder_without_one_of_its_files_says_so_in_one_line(lost: str, copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copied / lost).unlink()
    assert main(["replay", "small", "--runs", str(copied.parent)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert main(["replay", "smal", "--runs", str(copied.parent)]) == 2


def test_the_bill_is_shown_by_account_phase_and_modality(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (copied / "ledger.sqlite").read_bytes()
    assert main(["ledger", "show", "small", "--runs", str(copied.parent), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    kept = json.loads((copied / "results.json").read_text())["budget"]
    assert found["accounts"]["attacker"]["spent"] == kept["spent"] == sum(kept["phases"].values())
    assert found["accounts"]["referee"]["spent"] == kept["evaluation"]
    assert found["accounts"]["attacker"]["repeats"] == kept["repeats"]
    assert found["digest"] == kept["ledger_digest"]
    phases = {(line["account"], line["phase"], line["modality"]): line["spent"] for line in found["lines"]}
    assert phases["attacker", "mining", "images"] == kept["images"]
    assert phases["referee", "noise", "texts"] == 30
    assert sum(line["attempts"] for line in found["lines"]) == sum(line["spent"] for line in found["lines"])
    assert main(["ledger", "show", str(copied)]) == 0
    table = capfd.readouterr().out
    assert table.splitlines()[0].split() == ["account", "phase", "of", "spent", "repeats", "in", "doubt", "attempts"]
    assert table.endswith("integrity: ok\n")
    assert (copied / "ledger.sqlite").read_bytes() == before


def test_a_broken_ledger_is_shown_and_ends_with_1(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    in_the_ledger(f"DELETE FROM charge WHERE id = {MINED}")(copied)
    assert main(["ledger", "show", str(copied)]) == 1
    assert "'attacker' says 120 spent, its rows say 119" in capfd.readouterr().out


def test_a_ledger_that_is_read_cannot_be_written(copied: Path) -> None:
    with Ledger.read(copied / "ledger.sqlite") as ledger, pytest.raises(LedgerError, match="readonly database"):
        ledger.charge("referee", phase="mining", modality="images", keys=[bytes(16)])
