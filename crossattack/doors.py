"""Doors to a target: the attacker's oracle, the evaluation's referee, and what lies open besides.

A target in this process lies open: its database is encoded at no cost, and its gradients may be granted. A service behind
HTTP is asked for everything, the codes of its database too, which the referee pays for; there is no white box of it, and where
it shows lists nobody sees a code.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import torch

from crossattack.attacks import AttackContext, WhiteBox
from crossattack.attacks._granted import with_slopes
from crossattack.catalogue import Catalogue
from crossattack.config import RunConfig
from crossattack.datasets import Pairs
from crossattack.deployed import Deployed
from crossattack.endpoint import Endpoint, Similarity
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.index import Index, build_index
from crossattack.ledger import Ledger, Modality
from crossattack.oracle import LocalEndpoint, Oracle, Referee, Reveals
from crossattack.progress import Progress
from crossattack.service import Visit, visited
from crossattack.targets.http import RemoteTarget

BATCH = 128  # items of a service's database asked about at a time


@dataclass(frozen=True)
class Roles:
    """The pairs of a run by what they are for."""

    query: Pairs
    database: Pairs
    own: Pairs
    held_back: Pairs


@dataclass(frozen=True)
class Doors:
    """What there is to ask, and whom.

    `index` is None where nobody sees codes. `visit` is what is known of a service; None for a target in this process.
    """

    oracle: Oracle
    referee: Referee
    index: Index | None
    system: Deployed
    roles: Roles
    visit: Visit | None

    def white_box(self, context: AttackContext) -> AttackContext | None:
        """The same context with everything granted, or None where there is no looking inside."""
        target = self.system.target
        followed = target if self.system.followed is None else self.system.followed
        if self.visit is not None or self.index is None or getattr(target, "opaque", False):
            return None
        query = self.roles.query
        labels = self.roles.database.labels, query.labels, self.roles.own.labels
        box = WhiteBox(followed, self.index.images, self.index.texts, *labels, target.similarity, target)
        return replace(context, white_box=with_slopes(box, query.images[:2].to(context.device)))


@contextmanager
def open_doors(
    config: RunConfig,
    system: Deployed,
    ledger: Ledger,
    roles: Roles,
    device: str,
    progress: Progress,
    clock: Callable[[str], AbstractContextManager[None]],
) -> Iterator[Doors]:
    """Both doors on the accounts of this ledger, and the codes of the target's database."""
    target = system.target
    if isinstance(target, RemoteTarget):
        with visited(target, config, ledger, roles.query, roles.database, roles.held_back) as visit:
            oracle, referee = _open(config, ledger, visit.endpoint, visit.endpoint)
            with clock("database"):
                asked = asked_index(referee, roles.database, progress) if oracle.reveals is Reveals.CODES else None
            yield Doors(oracle, referee, asked, system, roles, visit)
    else:
        with clock("database"):
            index = build_index(target, roles.database, device=device, progress=progress)
        catalogue = None
        if index.texts is not None and target.similarity is Similarity.HAMMING:
            catalogue = Catalogue(roles.database.images, roles.database.texts, index.images, index.texts)
        reveals = Reveals[config.oracle.reveals.upper()]
        endpoint = LocalEndpoint(target, reveals, device=device, catalogue=catalogue, top_k=config.oracle.shown)
        shown = Reveals.CODES if target.similarity is Similarity.HAMMING else Reveals.FEATURES  # the owner sees what is compared
        oracle, referee = _open(config, ledger, endpoint, LocalEndpoint(target, shown, device=device))
        yield Doors(oracle, referee, index, system, roles, None)


def asked_index(referee: Referee, database: Pairs, progress: Progress) -> Index:
    """The codes of a service's database, asked for item by item on the referee's account."""
    images, texts = [], []
    with progress.stage("asking for the database", 2 * len(database)) as tick:
        for start in range(0, len(database), BATCH):
            here = slice(start, start + BATCH)
            images.append(referee.query_images(database.images[here], phase="database").codes)
            texts.append(referee.query_texts(database.texts[here], phase="database").codes)
            tick(2 * len(database.texts[here]), queries_left=referee.remaining)
    keys: dict[Modality, list[bytes]] = {"images": fingerprint_images(database.images), "texts": fingerprint_texts(database.texts)}
    return Index(torch.cat(images), torch.cat(texts), keys)


def _open(config: RunConfig, ledger: Ledger, attackers: Endpoint, referees: Endpoint) -> tuple[Oracle, Referee]:
    oracle = Oracle(ledger, attackers, budget=config.oracle.budget, per_item=config.oracle.per_item)
    return oracle, Referee(ledger, referees, cap=config.evaluation.cap)
