"""Both doors to a service, and items whose codes are known, for tests of the bill."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from faulty_service import code_of
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.ledger import Bill, Ledger
from crossattack.oracle import Oracle, Referee
from crossattack.progress import Silent
from crossattack.targets._http_shown import Shown
from crossattack.targets._http_wire import as_png
from crossattack.targets.http import Http, RemoteTarget

QUICK: dict[str, Any] = {"rate": 1e6, "backoff": 0.002, "longest_wait": 0.02, "read_seconds": 10.0, "total_seconds": 20.0, "attempts": 40}
QUICK |= {"reply_bytes": 1 << 20, "batch": 8}
BUSY_AND_LOST = {"busy": 0.2, "lost": 0.2}
EVERYTHING = {
    **BUSY_AND_LOST,
    **{
        "slow": 0.02,
        "truncated": 0.07,
        "malformed": 0.07,
        "short": 0.07,
        "impossible": 0.07,
        "fewer": 0.03,
        "oversized": 0.05,
        "unavailable": 0.05,
    },
}
DIGEST = "0123456789abcdef"


def pictures(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


TEXTS = [f"a red square number {number}" for number in range(40)]


@dataclass
class Doors:
    """What a run has of a service."""

    ledger: Ledger
    oracle: Oracle
    referee: Referee

    def ask_everything(self) -> Tensor:
        """200 items through both doors, a few of them twice."""
        mined = [self.oracle.query_images(pictures(100), phase="mining").codes, self.oracle.query_texts(TEXTS, phase="mining").codes]
        judged = [
            self.referee.query_images(pictures(50)[:40], phase="clean").codes,
            self.referee.query_texts(TEXTS[:20], phase="clean").codes,
        ]
        again = self.oracle.query_images(pictures(10), phase="attack").codes
        return torch.cat([*mined, *judged, again])

    def bills(self) -> tuple[Bill, Bill]:
        return self.ledger.bill("attacker"), self.ledger.bill("referee")

    def spent(self) -> int:
        return sum(bill.spent for bill in self.bills())


def load(url: str, **settings: Any) -> RemoteTarget:
    """The service at `url`, once it has said what it is."""
    nothing = Pairs(pictures(0), (), torch.zeros(0, 1, dtype=torch.bool), torch.zeros(0, dtype=torch.int64), ("none",))
    return Http(url=url, **{**QUICK, **settings}).load(nothing, device="cpu", progress=Silent())


@contextmanager
def doors(folder: Path, url: str, budget: int = 1000, per_item: int | None = None, **settings: Any) -> Iterator[Doors]:
    """Both doors to the service at `url`, on the ledger in `folder`."""
    folder.mkdir(exist_ok=True)
    target = load(url, **settings)
    shown = Shown(folder / "shown.jsonl", (16, 16)) if target.info.top_k else None
    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger, target.connect(shown) as endpoint:
        yield Doors(ledger, Oracle(ledger, endpoint, budget=budget, per_item=per_item), Referee(ledger, endpoint, cap=1000))


def true_codes() -> Tensor:
    images = torch.tensor([code_of(as_png(pictures(100), place), 16) for place in range(100)], dtype=torch.int8)
    texts = torch.tensor([code_of(f'"{text}"'.encode(), 16) for text in TEXTS], dtype=torch.int8)
    return torch.cat([images, texts, images[:40], texts[:20], images[:10]])
