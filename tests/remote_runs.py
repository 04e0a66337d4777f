"""Whole runs against a service, for tests: small, quick, and what two of them must have in common."""

from pathlib import Path
from typing import Any

from services import Running

from crossattack.config import load_config
from crossattack.datasets.scenes import Scenes
from crossattack.experiment import run
from crossattack.progress import Silent

ATTACK = [
    *("data=scenes", "data.pairs=240", "data.pixels=16", "device=cpu", "oracle.budget=80", "attacked=12", "evaluation.resamples=50"),
    *("surrogate.image_tower=convnet", "surrogate.epochs=1", "surrogate.least_steps=0", "surrogate.batch=16", "attack.steps=2"),
]
QUICK = ["rate=1e6", "backoff=0.002", "longest_wait=0.1", "read_seconds=20", "attempts=60", "batch=16"]
FAULTS = {
    **{"busy": 0.2, "lost": 0.2, "slow": 0.01, "truncated": 0.03, "malformed": 0.03, "short": 0.03, "impossible": 0.03, "repeated": 0.03},
    **{"fewer": 0.03, "oversized": 0.02, "unavailable": 0.03},
}
LISTS = ["oracle.reveals=ranking", "oracle.top_k=12"]
VERIFIED = ["attack.verify=true"]
TOKEN = "t0ken-that-nobody-may-see"
DATABASE = len(Scenes(pairs=240, pixels=16).load(Silent())[1].database)


def settings(url: str, *more: str) -> list[str]:
    return [*ATTACK, "target=http", f"target.url={url}", *(f"target.{each}" for each in QUICK), "target.reply_bytes=1000000", *more]


def results_of(folder: Path, url: str, *more: str) -> dict[str, Any]:
    """A run in this process."""
    folder.mkdir(parents=True)
    return run(load_config(overrides=[*settings(url, *more), "name=remote"]), folder, Silent())


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    """All of results.json but times, the address of the service and the name of the run."""
    left = {key: value for key, value in results.items() if key not in ("started", "seconds", "memory", "name")}
    config, target = dict(results["config"]), dict(results["config"]["target"])
    config |= {"name": None, "target": target | {"url": None}}
    return left | {"config": config, "service": results["service"] | {"url": None}}


def figures(results: dict[str, Any]) -> dict[str, Any]:
    """What two runs against one model have in common wherever it answers."""
    return {key: results[key] for key in ("directions", "budget", "distortion", "surrogates", "threat_model", "checks")}


def check(results: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in results["checks"] if one["name"] == name]
    return dict(found)


def command(running: Running, *more: str) -> list[str]:
    return ["run", *more, "--quiet", *(part for each in settings(running.url) for part in ("--set", each))]
