"""The suite's story: data -> target -> oracle -> triplets -> surrogate -> attack -> evaluation -> results.

`run` tells it. What it leaves in the run's folder is enough to compute every figure again without a query; whatever was
finished before an interruption is read back, batch by batch, and is neither paid for nor trained again.
"""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossattack.attacks import AttackContext, Pictures, WhiteBox, Words
from crossattack.catalogue import Catalogue
from crossattack.config import RunConfig
from crossattack.evaluation import compare, judge
from crossattack.evidence import Evidence, keep_codes
from crossattack.index import build_index
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle, Referee, Reveals
from crossattack.perturbing import Condition, kept, noise_like, perturb_all, untouched
from crossattack.progress import Progress
from crossattack.results import Clock, assemble
from crossattack.streams import Streams


def run(config: RunConfig, folder: Path, progress: Progress) -> dict[str, Any]:
    """Attack the target as configured. Returns what results.json says, which lies in `folder` with all its evidence."""
    clock, started, device, streams = Clock(), datetime.now(UTC), config.torch_device(), Streams(config.seed)
    with clock("data"):
        pairs, split = config.data.plugin.load(progress)
        query, database = pairs.take(split.query[: config.attacked]), pairs.take(split.database)
        own, held_back = pairs.take(split.attacker), pairs.take(split.held_back)
    with clock("target"):
        target = config.target.plugin.load(pairs.take(split.train), device=device, progress=progress)
        index = build_index(target, database, device=device, progress=progress)

    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger:
        shop = Catalogue(database.images, database.texts, index.images, index.texts)
        endpoint = LocalEndpoint(target, Reveals[config.oracle.reveals.upper()], device=device, catalogue=shop, top_k=config.oracle.shown)
        oracle = Oracle(ledger, endpoint, budget=config.oracle.budget, per_item=config.oracle.per_item)
        referee = Referee(ledger, LocalEndpoint(target, device=device), cap=config.evaluation.cap)  # the owner, who sees codes
        black_box = AttackContext(
            oracle, own.images, own.texts, streams, device, progress, folder, attacked=len(query), recipe=config.surrogate.plugin
        )
        white_box = replace(black_box, white_box=WhiteBox(target, index.images, index.texts, database.labels, query.labels))
        contenders = {
            "noise": (noise_like(config.attack.plugin), black_box),
            "attacked": (config.attack.plugin, white_box if config.oracle.white_box else black_box),
            "ceiling": (config.ceiling.plugin, white_box),
        }

        ids = tuple(range(len(query)))
        clean: Condition = {"images": untouched(Pictures(ids, query.images)), "texts": untouched(Words(ids, query.texts))}
        conditions = {"clean": clean}
        for name, (attack, context) in contenders.items():
            with clock(name):
                conditions[name] = perturb_all(name, attack, context, clean)
        conditions = kept(folder / "items.h5", conditions)

        with clock("evaluation"):
            rankings = judge(referee, conditions, query, database, index, progress)
            compared = compare(referee, black_box.made, held_back, device)
            evidence = Evidence(config, pairs.groups, split, ledger, conditions, rankings, compared)
            keep_codes(folder / "codes.h5", evidence)
        return assemble(evidence, started, clock, folder / "results.json")
