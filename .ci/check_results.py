"""Hold a run's results.json against its contract: `python .ci/check_results.py PRINTED FOLDER`.

PRINTED is what `--json` wrote to stdout, FOLDER the run's own; both must say the same. Every breach is one sentence on
stderr, and any breach is exit code 1. The contract is schema 1: keys may be added, none may go.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NUMBER = (int, float)
MAYBE = (int, float, type(None))
Keys = dict[str, Any]  # names of keys, parted by blanks -> the type they all have
TOP: Keys = {
    "schema seed": int,
    "name started": str,
    "config versions seconds dataset target threat_model budget directions distortion": dict,
    "surrogates checks": list,
}
PARTS: dict[str, Keys] = {
    "seconds": {"total": NUMBER},
    "dataset": {"name split_digest": str, "pairs query database train attacker": int},
    "target": {"name digest": str, "dim": int},
    "threat_model": {"reveals norm": str, "text": (str, dict), "eps": NUMBER, "top_k": MAYBE, "family_known vocabulary_known": bool},
    "budget": {"cap spent images texts repeats evaluation": int, "per_item": MAYBE, "phases": dict, "ledger_digest": str},
}
DIRECTION: Keys = {
    "attacked_items": int,
    "map map_ci95 success status metrics": dict,
    "recovered": MAYBE,
    "recovered_ci95": (list, type(None)),
}
MAPS = ("clean", "noise", "attacked", "ceiling", "floor")
SLACK = 0.02  # of mAP, over a few dozen items: an attack may fail, it may not help by more than this
EPS = 8 / 255
ANSWERS = {True: "ok", False: "no", None: "--"}


def breaches(results: dict[str, Any]) -> Iterator[str]:
    """A sentence for each way in which the results break the contract."""
    if top := list(typed("results.json", results, TOP)):
        yield from [*top, "results.json: without these, nothing more was looked at."]
        return
    if results["schema"] != 1:
        yield f"schema: 1 wanted, {results['schema']} got."
    broken = {part: list(typed(part, results[part], keys)) for part, keys in PARTS.items()}
    for sentences in broken.values():
        yield from sentences
    if not broken["budget"]:
        yield from budget(results["budget"])
    for name in ("image_to_text", "text_to_image"):
        found = results["directions"].get(name)
        yield from direction(name, found) if isinstance(found, dict) else [f"directions: {name} wanted, {found!r} got."]
    yield from distortion(results["distortion"])
    if not results["surrogates"]:
        yield "surrogates: one at least wanted, none got; aach cannot do without."
    for i, surrogate in enumerate(results["surrogates"]):
        yield from typed(f"surrogates[{i}]", surrogate, {"image_tower text_tower": str, "bit_agreement rank_agreement": MAYBE})
    for i, check in enumerate(results["checks"]):
        yield from typed(f"checks[{i}]", check, {"name detail": str, "ok": (bool, type(None))})


def typed(where: str, part: Any, keys: Keys) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"{where}: an object wanted, {part!r} got."
        return
    for names, kind in keys.items():
        kinds = kind if isinstance(kind, tuple) else (kind,)
        for key in names.split():
            if key not in part:
                yield f"{where}: no key {key!r}."
            elif type(part[key]) not in kinds:
                wanted = " or ".join(each.__name__ for each in kinds)
                yield f"{where}.{key}: {wanted} wanted, {part[key]!r} got."


def budget(bill: dict[str, Any]) -> Iterator[str]:
    spent, phases = bill["spent"], bill["phases"]
    if spent != sum(phases.values()):
        yield f"budget: phases {phases} do not add up to the {spent} spent."
    if spent != bill["images"] + bill["texts"]:
        yield f"budget: {bill['images']} images and {bill['texts']} texts do not add up to the {spent} spent."
    if not 0 < spent <= bill["cap"]:
        yield f"budget: between 1 and {bill['cap']} queries wanted, {spent} spent."
    if bill["evaluation"] <= 0:
        yield "budget.evaluation: the referee paid for nothing, so nothing was judged."


def direction(name: str, found: dict[str, Any]) -> Iterator[str]:
    if broken := [*typed(name, found, DIRECTION), *typed(f"{name}.map", found.get("map"), {" ".join(MAPS): NUMBER})]:
        yield from broken
        return
    maps, recovered, statuses = found["map"], found["recovered"], found["status"]
    for key in MAPS:
        if not 0 < maps[key] <= 1:
            yield f"{name}.map.{key}: within (0, 1] wanted, {maps[key]} got."
    for key, interval in found["map_ci95"].items():
        if interval is not None and not interval[0] <= maps[key] <= interval[1]:
            yield f"{name}.map_ci95.{key}: {maps[key]} lies outside of {interval}."
    for below, above, slack in (("floor", "clean", 0), ("floor", "attacked", 0), ("ceiling", "clean", 0), ("attacked", "clean", SLACK)):
        if maps[below] >= maps[above] + slack:
            yield f"{name}.map: {below} below {above} wanted, {maps[below]:.3f} and {maps[above]:.3f} got."
    if recovered is not None and maps["ceiling"] != maps["clean"]:
        if not -0.5 <= recovered <= 1.2:
            yield f"{name}.recovered: within [-0.5, 1.2] wanted, {recovered} got."
        expected = (maps["clean"] - maps["attacked"]) / (maps["clean"] - maps["ceiling"])
        if abs(recovered - expected) > 1e-6:
            yield f"{name}.recovered: (clean - attacked) / (clean - ceiling) is {expected:.6f}, {recovered} got."
    if sum(statuses.values()) != found["attacked_items"]:
        yield f"{name}.status: {statuses} do not add up to {found['attacked_items']} attacked items."
    for view in ("attacker", "referee"):
        share = found["success"].get(view, "nothing")
        if share is not None and not (isinstance(share, NUMBER) and 0 <= share <= 1):
            yield f"{name}.success.{view}: a share or null wanted, {share!r} got."


def distortion(found: dict[str, Any]) -> Iterator[str]:
    measures = {"linf l2 psnr ssim perceptibility": NUMBER}
    if broken := [*typed("distortion", found, {"images texts": dict}), *typed("distortion.images", found.get("images"), measures)]:
        yield from broken
        return
    for key in ("linf", "linf_max"):
        if not 0 < found["images"].get(key, EPS) <= EPS + 1e-9:
            yield f"distortion.images.{key}: within (0, 8/255] wanted, {found['images'][key]} got."


def main(printed: str, folder: str) -> int:
    results = json.loads(Path(printed).read_text())
    found = list(breaches(results))
    if json.loads(Path(folder, "results.json").read_text()) != results:
        found.append(f"what --json printed is not what {folder}/results.json holds.")
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    for check in [] if found else results["checks"]:
        print(f"{ANSWERS[check['ok']]:<3} {check['name']}: {check['detail']}")
    print(f"results.json: {len(found)} breaches of the contract." if found else "results.json keeps its contract.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
