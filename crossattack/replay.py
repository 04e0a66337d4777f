"""Replay: every figure of results.json, computed again from the run's folder, without a target and without a query.

    differences, replayed = replay(Path("runs/mine"))
    differences[0].key, differences[0].kept, differences[0].recomputed

The ledger is opened to be read only. Each file is held against another: items against the answers that the ledger has for
them, codes against the same answers, figures against the codes. So whoever changes one of them has to change them all.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from crossattack.attacks import Items, Pictures, Status
from crossattack.attacks._verdict import left_its_place
from crossattack.errors import UsageError
from crossattack.evaluation import DIRECTIONS
from crossattack.evidence import Evidence, read
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.ledger import Ledger, Modality
from crossattack.oracle import FINDS, Answer, Reveals
from crossattack.rankings import Ranking
from crossattack.results import RUN_ONLY, figures
from crossattack.service import facts

NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """Something that the folder says in two ways."""

    key: str
    kept: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.key}: kept {self.kept}, recomputed {self.recomputed}"


def replay(folder: Path) -> tuple[list[Difference], int]:
    """Where the run's files disagree, and how many values of results.json were computed again."""
    try:
        kept = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert isinstance(kept, dict)
    except (OSError, ValueError, AssertionError) as error:
        raise UsageError(f"results.json of a finished run wanted in {folder}, none got; finish it with `--resume`.") from error
    with Ledger.read(folder / "ledger.sqlite") as ledger:
        evidence = read(folder, ledger)
        found = [Difference("ledger.sqlite", "an unbroken ledger", finding) for finding in ledger.findings()]
        found += _answered(evidence)
        found += _database(evidence)
        found += _compared(evidence)
        found += _verdicts(evidence)
        recomputed = leaves(json.loads(json.dumps(figures(evidence))))
    ours = leaves({key: value for key, value in kept.items() if key not in RUN_ONLY})
    for key in {**ours, **recomputed}:
        if not _equal(ours.get(key, NOTHING), recomputed.get(key, NOTHING)):
            found.append(Difference(key, _said(ours.get(key, NOTHING)), _said(recomputed.get(key, NOTHING))))
    return found, len(recomputed)


def leaves(tree: Any, above: str = "") -> dict[str, Any]:
    """Nested values by dotted key, list items by their position; what is empty stands for itself."""
    if not isinstance(tree, dict | list) or not tree:
        return {above: tree}
    found = dict[str, Any]()
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        found |= leaves(value, f"{above}.{key}" if above else str(key))
    return found


def _answered(evidence: Evidence) -> Iterator[Difference]:
    """Codes of every condition's items against what the ledger says that the target answered to them."""
    for direction, ranking in evidence.rankings.items():
        modality = DIRECTIONS[direction]
        for name, codes in ranking.queries.items():
            keys = _keys(evidence.conditions[name][modality].items)
            yield from _against_the_ledger(evidence.ledger, modality, keys, codes, f"codes.h5/{direction}/queries/{name}")


def _database(evidence: Evidence) -> Iterator[Difference]:
    """Codes of a service's database, which the referee asked for item by item. One that lies open is nobody's to ask."""
    if facts(evidence.ledger.path.parent) is None:
        return
    for direction, ranking in evidence.rankings.items():
        if isinstance(ranking, Ranking):
            side = FINDS[DIRECTIONS[direction]]
            yield from _against_the_ledger(evidence.ledger, side, ranking.keys, ranking.database, f"codes.h5/{direction}/database")


def _compared(evidence: Evidence) -> Iterator[Difference]:
    """The same of the held-back pairs, whose items are known by their fingerprints only."""
    for name, one in evidence.compared.items():
        for modality, codes in one.theirs.items():
            yield from _against_the_ledger(evidence.ledger, modality, one.keys[modality], codes, f"codes.h5/agreement/{name}/{modality}")


def _verdicts(evidence: Evidence) -> Iterator[Difference]:
    """The attacker's view of success against the answers that it paid for, before and after."""
    reveals = Reveals[evidence.config.oracle.reveals.upper()]
    for modality, attacked in evidence.conditions["attacked"].items():
        pairs = [
            evidence.ledger.known_answers("attacker", modality, _keys(items))
            for items in (evidence.conditions["clean"][modality].items, attacked.items)
        ]
        for position, (status, before, after) in enumerate(zip(attacked.status, *pairs, strict=True)):
            if status in (Status.SUCCEEDED, Status.FAILED):
                where = f"items.h5/attacked/{modality}/status[{position}]"
                if before is None or after is None:
                    yield Difference(where, status.name, "unknown: the ledger has no paid answer to the item before and after")
                    continue
                clean, changed = (Answer(reveals, torch.from_numpy(answer.copy())[None]) for answer in (before, after))
                verdict = Status.SUCCEEDED if left_its_place(clean, changed)[0] else Status.FAILED
                if verdict is not status:
                    yield Difference(where, status.name, verdict.name)


def _against_the_ledger(
    ledger: Ledger, modality: Modality, keys: list[bytes], codes: Shaped[Tensor, "items dim"], where: str
) -> Iterator[Difference]:
    if len(keys) != len(codes):
        yield Difference(where, f"{len(codes)} codes", f"{len(keys)} items")
        return
    for position, (answer, code) in enumerate(zip(ledger.known_answers("referee", modality, keys), codes.numpy(), strict=True)):
        if answer is None:
            yield Difference(f"{where}[{position}]", _told(code), "no answer: the ledger knows no such item")
        elif not np.array_equal(answer, code):
            yield Difference(f"{where}[{position}]", _told(code), _told(answer))


def _keys(items: Items) -> list[bytes]:
    return fingerprint_images(items.values) if isinstance(items, Pictures) else fingerprint_texts(items.values)


def _told(code: np.ndarray[Any, np.dtype[Any]]) -> str:
    """A code as its bits; the head of a feature or a list."""
    if code.dtype == np.int8:
        return np.packbits(code > 0).tobytes().hex()
    return f"ids {code[:10].tolist()}" if code.dtype == np.int32 else f"feature {code[:3].round(4).tolist()}..."


def _equal(kept: Any, recomputed: Any) -> bool:
    """Floats may differ in their last digits, as another machine sums in another order."""
    if isinstance(kept, float) and isinstance(recomputed, float):
        return math.isclose(kept, recomputed, rel_tol=1e-9, abs_tol=1e-12)
    return type(kept) is type(recomputed) and bool(kept == recomputed)


def _said(value: Any) -> str:
    return value if value is NOTHING else json.dumps(value)


def summary(differences: list[Difference], replayed: int) -> Mapping[str, Any]:
    """The same as plain values, fit for JSON."""
    return {
        "equal": not differences,
        "replayed": replayed,
        "not_replayed": list(RUN_ONLY),
        "differences": [vars(one) for one in differences],
    }
