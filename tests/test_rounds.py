"""Rounds of questions that a process dies in: the next one pays and trains nothing twice, and ends the same to the byte."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from understudies import quick
from worlds import attackers_world

from crossattack.progress import Event, Kind, Told

ROUNDS = [f"training {name}" for name in ("rehearsal-1", "rehearsal-2", "performance-3", "performance-6")]


class Dies(Exception):
    """The process, for all that the run's folder knows."""


def performed(folder: Path, dies_in: str = "") -> tuple[torch.Tensor, list[str], int]:
    """Changed pictures, the rounds that surrogates were trained in, and what was spent. dies_in: the stage that is never ended."""
    attack, trained = quick(queries=10, rehearsed=0.3), list[str]()

    def heard(event: Event) -> None:
        if event.kind is Kind.TICKED and event.stage == dies_in:
            raise Dies
        if event.kind is Kind.ENDED and event.stage in ROUNDS:
            trained.append(event.stage)

    with attackers_world(folder, budget=130, attacked=6) as world:
        images = attack.fit(replace(world.context(attack), progress=Told(heard)))(world.pictures).items.values
        return images, trained, world.ledger.bill("attacker").spent


@pytest.mark.parametrize("place", [1, 3], ids=["rehearsal", "performance"])
def test_a_run_that_was_killed_in_a_round_trains_no_earlier_one_again(place: int, tmp_path: Path) -> None:
    whole, trained, spent = performed(tmp_path / "whole")
    assert trained == ROUNDS
    with pytest.raises(Dies):
        performed(tmp_path / "killed", ROUNDS[place])
    images, trained, paid = performed(tmp_path / "killed")
    assert trained == ROUNDS[place:]
    assert torch.equal(images, whole)
    assert paid == spent
    again, trained, _ = performed(tmp_path / "killed")
    assert trained == []
    assert torch.equal(again, whole)


def test_weights_that_are_damaged_are_learned_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole, _, _ = performed(tmp_path)
    (tmp_path / "checkpoints/performance-3-0.safetensors").write_bytes(b"no weights")
    again, trained, _ = performed(tmp_path)
    assert trained == ["training performance-3"]
    assert "performance-3-0.safetensors cannot be used" in caplog.text
    assert torch.equal(again, whole)
