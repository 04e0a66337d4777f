"""results.json: the contract that scripts read, schema 1.

Keys may be added without a new schema number. Null means not measurable here; `checks` says why.
"""

import json
import platform
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from crossattack._machine_memory import forget_peak, peak_memory
from crossattack.attacks import Pictures, Words
from crossattack.attacks._bags import as_bags
from crossattack.cache import whole_file
from crossattack.checks import run_checks
from crossattack.config import OracleConfig
from crossattack.evaluation import agreement, measure
from crossattack.evidence import Evidence
from crossattack.findings import findings
from crossattack.ledger import Ledger
from crossattack.metrics.perceptual import distortion
from crossattack.metrics.texts import of_bags, of_texts
from crossattack.perturbing import Condition
from crossattack.service import facts
from crossattack.streams import Streams
from crossattack.trainings import trainings
from crossattack.trials import tried
from surrogates.texts import Bags, Texts
from surrogates.towers import own_weights

SCHEMA = 1
RUN_ONLY = ("versions", "machine", "started", "seconds", "memory")  # facts of the run itself, which no file can prove
PACKAGES = ("crossattack", "torch", "torchvision", "transformers", "numpy", "scipy", "h5py", "safetensors")


@dataclass
class Clock:
    """Seconds by stage, and the most memory in MB that the process held in each."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float | None] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        forget_peak()
        yield
        self.seconds[stage] = round(time.monotonic() - began, 2)
        most = peak_memory()
        self.memory[stage] = most and round(most, 1)


def figures(evidence: Evidence) -> dict[str, Any]:
    """Everything that results.json says and that the run's folder proves: a run and its replay call the same function."""
    config, split, judged = evidence.config, evidence.split, next(iter(evidence.rankings.values()))
    surrogates = agreement(evidence.compared)
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "name": config.name,
        "seed": config.seed,
        "config": config.resolved(),
        "dataset": {
            "name": config.data.name,
            "pairs": len(evidence.groups),
            **{role: len(getattr(split, role)) for role in ("query", "database", "train", "attacker", "held_back")},
            "split_digest": split.digest(),
        },
        "target": {
            "name": config.target.name,
            "dim": judged.dim,
            "digest": evidence.ledger.target_digest,
        },
        "service": facts(evidence.ledger.path.parent),
        "threat_model": threat_model(evidence),
        "budget": bill(evidence.ledger),
        "directions": measure(evidence.rankings, evidence.conditions, Streams(config.seed), config.evaluation.resamples),
        "distortion": changes(evidence.conditions["clean"], evidence.conditions["attacked"], evidence.apart),
        "surrogates": surrogates,
    }
    if evidence.trials is not None:
        results["trials"] = tried(evidence.trials, evidence.rankings)
    if told := trainings(evidence.ledger.path.parent):  # a model that somebody brings, asked without a surrogate, has none
        results["training"] = told
    if found := findings(evidence.ledger.path.parent):
        results["findings"] = found
    results["checks"] = [asdict(check) for check in run_checks(results, evidence.groups, split)]
    return results


def assemble(evidence: Evidence, started: datetime, clock: Clock, path: Path) -> dict[str, Any]:
    """Put results.json together, check it, write it whole."""
    with clock("metrics"):
        results = figures(evidence)
    results["versions"] = {name: version(name) for name in PACKAGES}
    results["versions"] |= {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    results["machine"] = {"device": evidence.config.torch_device(), "threads": torch.get_num_threads(), "processor": platform.machine()}
    results["started"] = started.isoformat(timespec="seconds")
    results["seconds"] = {**clock.seconds, "total": round(time.monotonic() - clock.began, 2)}
    results["memory"] = clock.memory
    with whole_file(path) as file:
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return written


def threat_model(evidence: Evidence) -> dict[str, Any]:
    """What the attacker sees, may change, and knows beforehand.

    `family_known`: a surrogate has the target's own picture network; `start_known`: and the weights that it started from.
    `vocabulary_known`: a surrogate's words are all the target's; they come from the attacker's own pairs. `defence_known`: white
    boxes and surrogates know the target's defence, in front of it or in its training; null where it has none.
    """
    config = evidence.config
    attack, target, recipe = config.attack.plugin, config.target.plugin, config.surrogate.plugin
    uses_surrogate = bool(evidence.compared)
    return {
        "reveals": config.oracle.reveals,
        **_list(config.oracle, database=next(iter(evidence.rankings.values())).items),
        "white_box": config.oracle.white_box,
        "eps": getattr(attack, "eps", None),
        "norm": getattr(attack, "norm", "linf"),
        "changes": [modality for modality in attack.needs.changes if modality in evidence.conditions["clean"]],
        "text": _kind_of_change(evidence.conditions),
        "text_eps": getattr(attack, "text_eps", None),
        "family_known": uses_surrogate and recipe.image_tower == getattr(target, "image_tower", None),
        "start_known": uses_surrogate and start(recipe) is not None and start(recipe) == start(target),
        "vocabulary_known": False,
        "defence": config.defence and config.defence.resolved(),
        "defence_known": config.oracle.adaptive if config.defence or getattr(target, "plain", target) != target else None,
    }


def start(recipe: Any) -> tuple[str, str] | None:
    """Which trained weights a recipe's picture network starts from; None for one from scratch, or one that does not say."""
    tower, weights = getattr(recipe, "image_tower", None), getattr(recipe, "weights", None)
    if tower is None or weights is None:
        return None
    resolved = own_weights(tower) if weights == "own" else weights
    return None if resolved == "none" else (tower, resolved)


def _list(oracle: OracleConfig, database: int) -> dict[str, Any]:
    """How much of the target's ranking an answer shows, and whether that is all of it; null where it shows none."""
    if oracle.reveals != "ranking":
        return {"top_k": None, "whole_database": None}
    top_k = oracle.shown or database
    return {"top_k": top_k, "whole_database": top_k == database}


def _kind_of_change(conditions: Mapping[str, Condition]) -> str:
    """What became of the texts, in words."""
    if all_bags(conditions["attacked"]):
        return "additive change of the bag of words"
    texts = changes(conditions["clean"], conditions["attacked"]).get("texts")
    return "there are none" if texts is None else "edited texts" if texts["edited"] else "unchanged"


def all_bags(condition: Condition) -> bool:
    """Whether the texts of a condition exist in feature space only."""
    return "texts" in condition and isinstance(condition["texts"].items.values, Bags)


def bill(ledger: Ledger) -> dict[str, Any]:
    """Both accounts: the attacker's in full, the referee's as one number."""
    attacker, referee = ledger.bill("attacker"), ledger.bill("referee")
    return {**asdict(attacker), "evaluation": referee.spent, "evaluation_resent": referee.resent, "ledger_digest": ledger.digest()}


def changes(clean: Condition, attacked: Condition, apart: Float64[Tensor, " items"] | None = None) -> dict[str, Any]:
    """How far the attack moved pictures and texts. apart: how far meanings did, by text, where that was measured."""
    moved: dict[str, Any] = {}
    for modality, perturbed in attacked.items():
        before, after = clean[modality].items, perturbed.items
        if isinstance(before, Pictures) and isinstance(after, Pictures):
            moved[modality] = distortion(before.values, after.values)
        elif isinstance(before, Words) and isinstance(after, Words):
            moved[modality] = {"realisable": perturbed.realisable, **_of_texts(before.values, after.values, apart)}
    return moved


def _of_texts(clean: Texts, changed: Texts, apart: Float64[Tensor, " items"] | None) -> dict[str, Any]:
    if isinstance(changed, Bags):
        return of_bags(as_bags(clean, changed.words), changed)
    assert not isinstance(clean, Bags), "texts as people send them"
    return of_texts(clean, changed, apart)
