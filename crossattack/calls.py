"""Runs that a Python program asks for, with objects of its own or with names of the suite.

    results = evaluate(engine, (pairs, split), "aach", budget=500, attacked=100, folder="runs/mine")
    results["directions"]["image_to_text"]["map"]     # {"clean": ..., "noise": ..., "attacked": ..., "ceiling": ..., "floor": ...}

What comes back is what `results.json` says. The run's folder is one like any other: `crossattack replay`, `report` and `compare`
read it, and the same call goes on with a run that was interrupted and shows a finished one again.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch

from crossattack.attacks import Attack
from crossattack.config import RunConfig, config_of
from crossattack.datasets import Dataset, Pairs, Split
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.given import NOTHING, Given, data_section, target_section, tried
from crossattack.one_run import carry_out, finished
from crossattack.progress import Listener, Silent, Told
from crossattack.registry import ATTACKS, DATASETS, TARGETS, Registry
from crossattack.run_folder import new_folder, refuse_larger_caps, same_config
from crossattack.targets import Target


def evaluate(
    target: Target | Any,
    data: tuple[Pairs, Split] | Dataset | str,
    attack: Attack | str = "aach",
    *,
    budget: int | None = None,
    attacked: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Mapping[str, Any] | None = None,
    folder: Path | str | None = None,
    on_event: Listener | None = None,
) -> Mapping[str, Any]:
    """Attack a target on a query budget and measure how far that got. Returns what results.json says.

    target: an object of yours (`crossattack.Target`), a recipe of the suite (`target("dcmh", bits=16)`) or its name.
    data: pairs and their split, a data set of the suite or its name. attack: an attack or its name.
    budget: queries that the attacker may pay for, in all; 2,000 where not said. attacked: items attacked, of either modality; 500.
    device: where the networks are; for a target of yours where its parameters are, unless said otherwise.
    settings: anything else by its dotted key, as in `configs/default.yaml`: {"oracle.reveals": "ranking", "oracle.top_k": 10}.
    folder: where the run is kept; None keeps nothing. on_event: called with every `Event` of its progress.

    `ConfigError`, `UsageError`: what was asked for cannot be; said before anything is written, trained or spent.
    """
    tree: dict[str, Any] = {"attack": _section(attack, ATTACKS)}
    changes = {"oracle.budget": budget, "attacked": attacked, "seed": seed, **(settings or {})}
    given_data = data if isinstance(data, tuple) else None
    tree["data"] = data_section(*given_data) if given_data else _section(data, DATASETS)
    given_target = None
    if isinstance(target, str) or hasattr(target, "load"):
        tree["target"] = _section(target, TARGETS)
    else:
        device = device or _device_of(target)
        pairs, split = given_data or config_of({"data": dict(tree["data"])}).data.plugin.load(Told(on_event) if on_event else Silent())
        given_data = pairs, split
        given_target = tried(target, pairs.take(split.query), device)
        tree["target"] = target_section(given_target)
        if given_target.similarity is not Similarity.HAMMING:
            tree["oracle"] = {"reveals": "features"}
    changes["device"] = device
    config = config_of(tree, [(key, value) for key, value in changes.items() if value is not None])
    return run_experiment(config, folder, on_event=on_event, given=Given(given_target, given_data))


def run_experiment(
    config: RunConfig, folder: Path | str | None = None, *, on_event: Listener | None = None, given: Given = NOTHING
) -> Mapping[str, Any]:
    """Run what a configuration says, as `crossattack run --config` does. Returns what results.json says.

    folder: of this run; None keeps nothing. A folder that is there has to hold the same run: it is gone on with, or shown again.
    given: a target or pairs that are at hand already; `evaluate` is the way to hand them over.
    """
    progress = Told(on_event) if on_event else Silent()
    if folder is None:
        with tempfile.TemporaryDirectory() as scratch:
            return run_experiment(config, Path(scratch) / (config.name or "run"), on_event=on_event, given=given)
    folder = Path(folder)
    config = config_of(config.resolved(), [("name", folder.name)])
    resumed = (folder / "config.yaml").is_file()
    if resumed:
        config = same_config(config, folder)
        if (results := finished(folder)) is not None:
            refuse_larger_caps(config, folder)
            return results
    else:
        config, folder = new_folder(config, folder.parent)
    return carry_out(config, folder, progress, resumed=resumed, given=given)


def _section(plugin: Any, registry: Registry) -> dict[str, Any]:
    """What a configuration says of a plugin, or of one by its name."""
    if isinstance(plugin, str):
        return {"name": plugin}
    name = registry.name_of(plugin)
    if not is_dataclass(plugin) or not registry.knows(name):
        wanted = f"{registry.kind}: one of the suite wanted"
        if registry.members:
            wanted += f", or a frozen dataclass with {', '.join(registry.members)} at the top of a module"
        raise UsageError(f"{wanted}, {name} got.")
    return {"name": name, **asdict(plugin)}  # type: ignore[arg-type]


def _device_of(target: Any) -> str:
    """Where a target's parameters are; the CPU where it has none."""
    parameters = target.parameters() if isinstance(target, torch.nn.Module) else iter(())
    first = next(parameters, None)
    return "cpu" if first is None else str(first.device)
