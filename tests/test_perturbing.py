"""Items that a target will not answer: kept as they were, and nothing is bought twice for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from worlds import attackers_world

from crossattack.attacks import Perturbed, Pictures, Status
from crossattack.attacks.simba import Simba
from crossattack.endpoint import Endpoint, Request, Terms
from crossattack.errors import ItemRefused
from crossattack.oracle import Oracle
from crossattack.perturbing import perturbed


@dataclass
class Prudish:
    """A target that answers everything but changed versions of one picture."""

    endpoint: Endpoint
    picture: Tensor

    @property
    def terms(self) -> Terms:
        return self.endpoint.terms

    def answer(self, request: Request) -> Sequence[Any]:
        if not isinstance(request.items, Tensor):
            return self.endpoint.answer(request)
        apart = (request.items.int() - self.picture.int()).abs().amax((1, 2, 3))
        changed = ((apart > 0) & (apart < 20)).tolist()
        reply = self.endpoint.answer(request)
        return [ItemRefused("an answer wanted, a refusal got.") if no else answer for no, answer in zip(changed, reply, strict=True)]


def test_a_refused_item_is_kept_as_it_was_and_the_others_end_as_they_would(tmp_path: Path) -> None:
    attack = Simba(queries=8)
    found = dict[str, Perturbed]()
    spent = dict[str, int]()
    for name in ("open", "prudish"):
        with attackers_world(tmp_path / name, budget=60) as world:
            oracle = world.black.oracle
            if name == "prudish":
                oracle = Oracle(world.ledger, Prudish(oracle._account.endpoint, world.pictures.values[2]), budget=60)
            found[name] = perturbed(attack.fit(replace(world.black, oracle=oracle)), world.pictures)
            spent[name] = oracle.cap - oracle.remaining
    others = [0, 1, 3, 4, 5]
    items = {name: one.items for name, one in found.items()}
    assert isinstance(items["open"], Pictures)
    assert isinstance(items["prudish"], Pictures)
    assert torch.equal(items["prudish"].values[others], items["open"].values[others])
    assert torch.equal(items["prudish"].values[2], world.pictures.values[2])
    assert [found["prudish"].status[item] for item in others] == [found["open"].status[item] for item in others]
    assert found["prudish"].status[2] is Status.ERROR
    assert found["open"].status[2] is not Status.ERROR
    assert spent["prudish"] == spent["open"] - 8 + 2, "its clean picture, and the first that was refused, which counts as sent"
