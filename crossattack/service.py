"""A visit to a service: what must fit before anything is sent, what is said beforehand, and what is noted for the report.

`service.json` in the run's folder holds what the service said of itself and what it had counted for us, before the run and
after it; with the ledger, that shows whether both counted the same.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crossattack.cache import whole_file
from crossattack.config import RunConfig
from crossattack.datasets import Pairs
from crossattack.endpoint import Endpoint, Reveals
from crossattack.errors import ConfigError, TargetError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.ledger import Ledger
from crossattack.targets import _http_shown
from crossattack.targets.http import RemoteTarget, is_loopback
from crossattack.trials import ASKED_TWICE

FILE = "service.json"


@dataclass(frozen=True)
class Visit:
    """A service that is being asked, and the file of notes on it."""

    endpoint: Endpoint
    target: RemoteTarget
    notes: Path

    def note_count(self, when: str) -> None:
        """Note what the service has counted for us so far: "before" the run, once, or "after" it."""
        known = facts(self.notes.parent) or {
            "url": self.target.settings.url,
            "name": self.target.info.name,
            "authorised": self.target.settings.authorised,
            "idempotency_seconds": self.target.info.idempotency_seconds,
            "counted": {},
        }
        if when == "after" or when not in known["counted"]:
            known["counted"][when] = self.target.counted()
            with whole_file(self.notes) as file:
                file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def facts(folder: Path) -> dict[str, Any] | None:
    """What was noted of a service in a run's folder; None where the target was in our own process."""
    path = folder / FILE
    if not path.is_file():
        return None
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return noted


@contextmanager
def visited(target: RemoteTarget, config: RunConfig, ledger: Ledger, query: Pairs, database: Pairs, held_back: Pairs) -> Iterator[Visit]:
    """A connection to the service, once everything fits and, on another machine, once it was said what will be sent."""
    refuse_another_database(target, config, database)
    refuse_another_threat_model(target, config, len(database))
    lists = target.info.reveals is Reveals.RANKING  # then the codes of database and held-back pairs are nobody's to see
    judged = most_to_judge(query, *(() if lists else (database, held_back)))
    if judged > config.evaluation.cap:
        wanted = f"evaluation.cap: {judged:,} or more wanted, as a service is asked for everything that is judged"
        raise ConfigError(f"{wanted}, {config.evaluation.cap:,} got; raise it, or attack fewer items with `--attacked`.")
    if not is_loopback(urlsplit(target.settings.url).hostname or ""):
        print(announcement(target, config.oracle.budget, judged, query), file=sys.stderr, flush=True)
    folder = ledger.path.parent
    height, width = query.images.shape[2:]
    with target.connect(_http_shown.Shown(folder / _http_shown.FILE, (height, width)) if lists else None) as endpoint:
        visit = Visit(endpoint, target, folder / FILE)
        visit.note_count("before")
        yield visit


def refuse_another_database(target: RemoteTarget, config: RunConfig, database: Pairs) -> None:
    """`TargetError` where the service searches in something else than the data set's database."""
    got = target.info.images, target.info.texts
    if got != (len(database), len(database)):
        wanted = f"a service whose database is that of {config.data.name}, {len(database):,} pictures and as many texts, wanted"
        raise TargetError(f"{wanted}, one with {got[0]:,} pictures and {got[1]:,} texts got; choose its own data set with `--data`.")


def refuse_another_threat_model(target: RemoteTarget, config: RunConfig, database: int) -> None:
    """`ConfigError` where the service shows something else, or more or less of its list, than the run is said to see."""
    info, oracle = target.info, config.oracle
    top_k = None if oracle.reveals != "ranking" else oracle.shown or database
    if info.reveals.value != oracle.reveals or info.top_k != top_k:
        says = f"{info.reveals.value}" + (f" of the top {info.top_k}" if info.top_k else "")
        asked = oracle.reveals + (f" of the top {top_k}" if top_k else "")
        more = f" --set oracle.top_k={info.top_k}" if info.top_k else " --set oracle.top_k=null" if top_k else ""
        advice = f"say `--set oracle.reveals={info.reveals.value}{more}`, or ask its owner."
        raise ConfigError(f"oracle.reveals: {says} wanted, as the service shows, {asked} got; {advice}")


def most_to_judge(query: Pairs, *others: Pairs) -> int:
    """The most queries that the referee can come to: equal items once, and every attacked item in all three conditions."""
    known = {key for pairs in (query, *others) for key in fingerprint_images(pairs.images) + fingerprint_texts(pairs.texts)}
    return len(known) + 2 * 2 * len(query) + 2 * min(ASKED_TWICE, len(query))  # pictures and texts: noise and attacked, and asked twice


def announcement(target: RemoteTarget, budget: int, judged: int, query: Pairs) -> str:
    """What will be sent, where and how much."""
    settings, (_, height, width) = target.settings, query.images.shape[1:]
    back = f"what they find, {target.info.top_k:,} items each, comes back" if target.info.top_k else "their codes come back"
    lines = [
        f"To {settings.url} (service {target.info.name!r}), as you said that you are authorised to test it, are sent:",
        f"  up to {budget:,} queries of the attacker and {judged:,} of the referee, {settings.rate:g} items a second at most:",
        f"  {width} x {height} pictures as PNG, and texts as JSON; {back}.",
    ]
    if settings.url.startswith("http:"):
        lines.append("  The connection is not encrypted: the token and the items can be read on their way.")
    return "\n".join(lines)
