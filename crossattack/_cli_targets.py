"""The commands `crossattack targets`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crossattack.leave import Leave

targets_app = typer.Typer(
    help="The systems under test: train one, list them, see how well one finds.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A target: `crossattack targets list`. [dcmh]")]
Data = Annotated[str | None, typer.Option(metavar="NAME", help="Its data set: `crossattack list datasets`. [pictograms]")]
Root = Annotated[str | None, typer.Option(metavar="DIR", help="Where your files of the data set lie.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Settings as YAML; flags win over it.")]
Override = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Any other setting, by its dotted key. Repeatable.")]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N. [auto]")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the code that a configuration file names as its target.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, alone, on stdout.")]


@targets_app.command("list")
def targets_list(as_json: AsJson = False) -> None:
    """The targets in a line each, and those that were trained on this machine.

    \b
    Examples:
      crossattack targets list
    """
    from crossattack.report.catalogue import catalogue
    from crossattack.report.targets import kept_targets, print_kept

    known, kept = catalogue("targets"), kept_targets()
    if as_json:
        print(json.dumps({"targets": dict(known), "trained": kept}, indent=2))
        return
    for name, summary in known:
        print(f"{name:<20} {summary}")
    if kept:
        print()
        print_kept(kept)


@targets_app.command("train")
def targets_train(
    name: Name = None,
    data: Data = None,
    root: Root = None,
    config: Config = None,
    set_: Override = None,
    device: Device = None,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """Train a target on its data set and keep it; a run with the same settings finds it. Nothing is trained twice.

    \b
    Examples:
      crossattack targets train dcmh --data pictograms
      crossattack targets train dcmh --set target.image_tower=mobilenet_v2 --set target.weights=default
      torchrun --nproc-per-node 2 --no-python crossattack targets train dcmh

    Exit codes: 0 trained, or there already, 2 bad usage, 130 interrupted, 1 anything else.
    """
    from surrogates.ranks import joined, rank

    with joined():
        told, target, _, _ = _loaded(name, data, root, config, set_, device, allow_code)
        if rank() > 0:
            return
    manifest = getattr(target, "facts", {})
    told |= {key: manifest[key] for key in ("validation", "seconds", "curve") if key in manifest}
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(f"{told['name']} {told['digest']}: {target.dim} numbers an item, compared by {target.similarity.value}")
    for direction, score in manifest.get("validation", {}).items():
        print(f"{direction:<15} mAP {score:.3f} on the train pairs that were put aside")
    print(f"trained in {manifest['seconds']:.1f} s" if "seconds" in manifest else "nothing to train")


@targets_app.command("eval")
def targets_eval(
    name: Name = None,
    data: Data = None,
    root: Root = None,
    config: Config = None,
    set_: Override = None,
    device: Device = None,
    allow_code: AllowCode = False,
    as_json: AsJson = False,
) -> None:
    """How well a target finds while nobody attacks it: mAP of the query split beside the floor. Trained on first use.

    \b
    Examples:
      crossattack targets eval dcmh --data pictograms
      crossattack targets eval dcmh --set target.bits=64 --json
      crossattack targets eval codes --set target.path=codes.npz

    Exit codes: 0 evaluated, 2 bad usage, 130 interrupted, 1 anything else.
    """
    from crossattack.progress import progress_for
    from crossattack.quality import quality
    from crossattack.report.targets import print_quality

    told, target, chosen, (pairs, split) = _loaded(name, data, root, config, set_, device, allow_code)
    found = quality(target, pairs, split, device=chosen.torch_device(), progress=progress_for(sys.stderr))
    seconds = getattr(target, "facts", {}).get("seconds")
    told |= {**found, "data": chosen.data.name, "training_seconds": seconds}
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        print_quality(told)


def _loaded(
    name: str | None,
    data: str | None,
    root: str | None,
    path: Path | None,
    overrides: list[str] | None,
    device: str | None,
    allow_code: bool,
) -> tuple[dict[str, Any], Any, Any, Any]:
    """What there is to tell of the target, the target, the configuration, and pairs with their split."""
    from crossattack.config import load_config
    from crossattack.deployed import deployed
    from crossattack.errors import UsageError
    from crossattack.progress import progress_for

    flags = {
        "target.name": name,
        "data.name": data,
        "data.root": root,
        "device": device,
        "target.allow_code": Leave() if allow_code else None,
    }
    config = load_config(path, overrides or [], flags).fit_to_load()
    if getattr(config.target.plugin, "remote", False):
        raise UsageError(f"a target in this process wanted, {config.target.name} got, a service; `crossattack run` asks it.")
    from surrogates.ranks import rank

    progress = progress_for(sys.stderr, quiet=rank() > 0)
    pairs, split = config.data.plugin.load(progress)
    target = deployed(config, pairs.take(split.train), device=config.torch_device(), progress=progress).target
    return {"name": config.target.name, "digest": target.digest, "settings": config.target.resolved()}, target, config, (pairs, split)
