"""UAA-GAN in its three scenarios, beside noise, PGD and the ceiling, on three seeds: what docs/uaa_gan.md tells.

uv run python benchmarks/uaa_gan.py docs/results/uaa_gan.json [SCENARIO ...] [--seeds 0 1 2] [--faces att_faces.zip]

A scenario is a file of configs/uaa_gan; `faces` is face_search on the faces given. Runs that the file has already are not made
again; name a scenario to renew it. A run trains a generator for three to eight minutes on two cores. What is told of each:

    map, rank-1, precision@10    clean, noise, attacked, ceiling; `pgd` is a run of PGD-20 on the loss `away` at the same eps
    transfer                     the same attacked pictures on another backbone, trained by itself on the same pictures
    textured_over_flat           mean |change| on edges and texture over that on surfaces, median over pictures; and of noise
    items_per_second             of the generator and of PGD, on the attacked items

With `--sensitivity`, image_retrieval on seed 0 and 100 queries instead, with one weight of the loss at a time away from its
default. `--figure FILE` draws what the file has of that.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from crossattack.attacks.uaa_gan import UaaGan
from crossattack.cache import whole_file
from crossattack.config import load_config
from crossattack.datasets._relevance import relevance
from crossattack.encoding import encode
from crossattack.metrics.features import average_precision, places_of
from crossattack.metrics.texture import textured_over_flat
from crossattack.perturbing import read_back
from crossattack.progress import Silent
from crossattack.targets.gem import Gem

SCENARIOS = ("image_retrieval", "re_identification", "face_search")
ATTACKED = 200
AROUND = {"lambda_r": (0.0, 0.01, 0.1, 1.0), "lambda_m": (3.0, 30.0, 300.0), "margin": (0.1, 0.5, 1.0)}
SECOND = Gem(image_tower="convnet", epochs=15, lr=2e-3)  # the other backbone: another family, from scratch


def measure(scenario: str, seed: int, more: list[str]) -> dict[str, Any]:
    """One seed of one scenario: the generator's run, and PGD's."""
    config = f"configs/uaa_gan/{'face_search' if scenario == 'faces' else scenario}.yaml"
    command = ["--config", config, "--seed", str(seed), "--attacked", str(ATTACKED), *more]
    with tempfile.TemporaryDirectory() as runs:
        found = run([*command, "--name", "gan"], runs)
        pgd = run([*command, "--attack", "pgd", "--set", "attack.objective=away", "--set", "ceiling.steps=1", "--name", "pgd"], runs)
        shown = [Path(word).name if before == "--root" else word for before, word in pairwise(["run", *command])]
        told = figures(found) | {"pgd": figures(pgd)["attacked"], "command": shlex.join(["crossattack", "run", *shown])}
        return told | moved(Path(runs) / "gan") | {"items_per_second": {"uaa_gan": speed(runs, "gan"), "pgd": speed(runs, "pgd")}}


def table(kept: dict[str, Any]) -> str:
    """The scenarios in Markdown: means over seeds; the interval reaches from the lowest to the highest bound of any seed's."""
    head = (
        "scenario",
        "seeds",
        "clean",
        "noise",
        "PGD-20",
        "UAA-GAN",
        "of clean",
        "rank-1",
        "another backbone: clean, noise, UAA-GAN",
        "x PGD's speed",
    )
    rows = [head, ("---",) * len(head)]
    for name, runs in kept["scenarios"].items():
        seeds = list(runs.values())
        mean = {key: _mean([one[key]["map"] for one in seeds]) for key in ("clean", "noise", "pgd", "attacked")}
        low, high = (pick(one["attacked"]["map_ci95"][end] for one in seeds) for end, pick in ((0, min), (1, max)))
        ranks = " → ".join(f"{_mean([one[key]['rank-1'] for one in seeds]):.3f}" for key in ("clean", "attacked"))
        other = ", ".join(f"{_mean([one['transfer'][key] for one in seeds]):.3f}" for key in ("clean", "noise", "attacked"))
        faster = _mean([one["items_per_second"]["uaa_gan"] / one["items_per_second"]["pgd"] for one in seeds])
        reached = f"**{mean['attacked']:.3f}** [{low:.3f}, {high:.3f}]"
        share = f"{100 * mean['attacked'] / mean['clean']:.0f} %"
        cells = [f"{mean[key]:.3f}" for key in ("clean", "noise", "pgd")]
        rows.append((f"`{name}`", str(len(seeds)), *cells, reached, share, ranks, other, f"{faster:.0f}"))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def sensitivity(setting: str, value: float) -> dict[str, Any]:
    """Image retrieval with one setting of the attack changed."""
    command = ["--config", "configs/uaa_gan/image_retrieval.yaml", "--attacked", "100", "--set", f"attack.{setting}={value}"]
    with tempfile.TemporaryDirectory() as runs:
        found = run([*command, "--set", "ceiling.steps=1", "--name", "gan"], runs)
    told = figures(found)
    return {
        "command": shlex.join(["crossattack", "run", *command]),
        **{name: told[name]["map"] for name in ("clean", "noise", "attacked")},
        "map_ci95": told["attacked"]["map_ci95"],
        "l2": told["distortion"]["l2"],
        "ssim": told["distortion"]["ssim"],
    }


def draw(kept: dict[str, Any], path: Path) -> None:
    """mAP after the attack against each weight of the loss, with intervals; the default's is the filled point."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "crossattack"
    figure = Figure(figsize=(8.4, 2.4), layout="constrained")
    for axes, (setting, values) in zip(figure.subplots(1, len(AROUND), sharey=True), AROUND.items(), strict=True):
        for place, value in enumerate(values):
            one = kept["sensitivity"][setting][str(value)]
            low, high = one["map_ci95"]
            usual = "black" if value == getattr(UaaGan, setting) else "white"
            error = [[one["attacked"] - low], [high - one["attacked"]]]
            axes.errorbar(place, one["attacked"], yerr=error, fmt="o", color="black", mfc=usual, capsize=2, lw=1)
        axes.axhline(0.15 * one["clean"], color="#ee6677", lw=1, ls=":")
        axes.set(
            xticks=range(len(values)),
            xticklabels=[f"{value:g}" for value in values],
            xlabel=setting,
            xlim=(-0.5, len(values) - 0.5),
            ylim=(0, None),
        )
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("mAP after the attack\n(dotted: 15 % of clean)", fontsize=8)
    with whole_file(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})


def run(arguments: list[str], runs: str) -> dict[str, Any]:
    """results.json of one run."""
    command = [sys.executable, "-m", "crossattack.run", *arguments, "--runs", runs, "--json", "--quiet"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def figures(results: dict[str, Any]) -> dict[str, Any]:
    """mAP with its interval, rank-1 and precision@10 by condition."""
    found = results["directions"]["image_to_image"]
    metrics, told = found["metrics"], dict[str, Any]()
    for name, value in found["map"].items():
        told[name] = {"map": value, "map_ci95": found["map_ci95"][name]}
        if name in metrics["cmc"]:
            told[name] |= {"rank-1": metrics["cmc"][name]["1"], "precision@10": metrics["precision_at"][name]["10"]}
            told[name]["map_trapezoid"] = metrics["map_trapezoid"][name]
    return told | {"over_noise_ci95": found["over_noise_ci95"], "distortion": results["distortion"]["images"]}


def moved(folder: Path) -> dict[str, Any]:
    """What the run's own pictures do to another backbone, and where their change goes."""
    config, conditions = load_config(folder / "config.yaml"), read_back(folder / "items.h5")
    pairs, split = config.data.plugin.load(Silent())
    second = SECOND.load(pairs.take(split.train), device="cpu", progress=Silent())
    query, database = pairs.take(split.query[: config.attacked]), pairs.take(split.database)
    relevant, junk = relevance(query, database)
    stored, transfer = encode(second, "images", database.images), dict[str, float]()
    pictures = {name: condition["images"].items.values for name, condition in conditions.items()}
    for name, images in pictures.items():
        places = places_of(encode(second, "images", images), stored, relevant, junk, "cosine")  # type: ignore[arg-type]
        transfer[name] = float(torch.from_numpy(average_precision(places)).nanmean())
    ratios = {name: textured_over_flat(pictures["clean"], pictures[name]).nanmedian().item() for name in ("noise", "attacked")}  # type: ignore[arg-type]
    return {"transfer": transfer, "textured_over_flat": ratios}


def speed(runs: str, name: str) -> float:
    """Attacked items a second, by the run's log of its stage."""
    for line in (Path(runs) / name / "log.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("title") == "perturbing: attacked":
            return round(event["total"] / event["seconds"], 2)
    raise SystemExit(f"{name} says nothing of the seconds of its attack")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--faces", help="the AT&T faces, LFW or CFP: adds the scenario `faces`")
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--table", action="store_true", help="print the table of what the file has")
    asked = parser.parse_args()
    kept = json.loads(asked.path.read_text(encoding="utf-8")) if asked.path.exists() else {"scenarios": {}}
    if asked.table:
        print(table(kept), end="")
        return
    if asked.figure:
        draw(kept, asked.figure)
        return
    if asked.sensitivity:
        done, usual = kept.setdefault("sensitivity", {}), UaaGan()
        for setting, value in [(setting, value) for setting, values in AROUND.items() for value in values]:
            if str(value) in done.setdefault(setting, {}):
                continue
            print(setting, value, file=sys.stderr, flush=True)
            known = [other[default] for key, other in done.items() if (default := str(getattr(usual, key))) in other]
            done[setting][str(value)] = known[0] if known and value == getattr(usual, setting) else sensitivity(setting, value)
            save(kept, asked.path)
        return
    names = [*SCENARIOS, "faces"] if asked.faces else list(SCENARIOS)
    for seed in asked.seeds:  # every scenario once before any of them twice
        for name in asked.scenarios or names:
            scenario = kept["scenarios"].setdefault(name, {})
            if str(seed) in scenario and not asked.scenarios:
                continue
            print(name, seed, file=sys.stderr, flush=True)
            scenario[str(seed)] = measure(name, seed, ["--data", "faces", "--root", asked.faces] if name == "faces" else [])
            save(kept, asked.path)


def save(kept: dict[str, Any], path: Path) -> None:
    """Write what is known so far, whole."""
    with whole_file(path) as file:
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
