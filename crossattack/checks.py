"""Validity checks: what must hold for a run's figures to mean what they say."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from crossattack.datasets import Split

TOLERANCE = 0.02  # of mAP, for comparisons of two attacks on the same items
REACHED = 0.9  # of the way from clean to the best possible codes, with everything within reach
DOWNHILL = 0.75  # share of items that their slopes must lead down; a half is chance
SATURATED = 0.5  # share of bits without a slope


@dataclass(frozen=True)
class Check:
    """One claim, whether it holds (None: not measurable here), and the figures it rests on."""

    name: str
    ok: bool | None
    detail: str


def run_checks(results: dict[str, Any], groups: Int64[Tensor, " items"], split: Split) -> list[Check]:
    """All checks that part of a run can answer, in the order a reader would ask."""
    found_again = list(results["directions"]) == ["image_to_image"]
    measured = [*_budget(results["budget"]), *_service(results), *_inside(results), *_strength(results), *_trials(results)]
    return [*measured, *_leaks(groups, split, found_again), *_copies(results), *_nulls(results)]


def _budget(bill: dict[str, Any]) -> Iterator[Check]:
    sums = bill["spent"] == bill["images"] + bill["texts"] == sum(bill["phases"].values())
    yield Check("budget kept", sums and bill["spent"] <= bill["cap"], f"{bill['spent']} of {bill['cap']} queries, phases {bill['phases']}")


def _inside(results: dict[str, Any]) -> Iterator[Check]:
    eps, norm = results["threat_model"]["eps"], results["threat_model"]["norm"]
    reached = results["distortion"]["images"][f"{norm}_max"]
    if eps is not None and reached is not None:
        largest = "largest change of a pixel" if norm == "linf" else "largest L2 change of a picture"
        detail = f"{largest} {reached:.5f}, eps {eps:.5f}; of the pictures read back from the file"
        yield Check("pictures inside eps", reached <= eps + (1e-6 if norm == "linf" else 1e-2) / 255, detail)
        if norm == "linf" and 0 < eps * 255 < 1 - 1e-6:
            yield Check("eps reaches a grey level", False, f"eps is {eps * 255:.2f}/255: pictures are bytes, so nothing could move")


def _strength(results: dict[str, Any]) -> Iterator[Check]:
    changes = results["threat_model"]["changes"]
    for direction, found in results["directions"].items():
        if (queries := direction.split("_")[0] + "s") not in changes:
            detail = f"this attack changes {' and '.join(changes)} only, so {queries} are as they were"
            yield Check(f"{direction}: the attack does something", None, detail)
            continue
        scores = found["map"]
        if None in (scores["clean"], scores["attacked"], scores["noise"]):
            continue
        lost = {name: scores["clean"] - scores[name] for name in ("noise", "attacked", "ceiling") if scores[name] is not None}
        titles = {"noise": "noise", "attacked": "attack", "ceiling": "ceiling"}
        losses = "mAP lost: " + ", ".join(f"{titles[name]} {value:.3f}" for name, value in lost.items())
        losses += "; the white box does not know the target's defence" if results["threat_model"].get("defence_known") is False else ""
        if "ceiling" in lost:
            yield Check(f"{direction}: the ceiling is above the attack", lost["ceiling"] >= lost["attacked"] - TOLERANCE, losses)
        yield Check(f"{direction}: the attack does something", lost["attacked"] > TOLERANCE, losses)
        yield Check(f"{direction}: noise does far less than the attack", lost["noise"] <= max(lost["attacked"], TOLERANCE) / 2, losses)
        if "clean" not in found["metrics"]["code_entropy"]:
            continue  # there are no codes, or nobody sees them
        entropy = found["metrics"]["code_entropy"]["clean"]
        yield Check(f"{direction}: clean codes use their bits", entropy > 0.5, f"mean entropy of a bit {entropy:.2f} of 1")


def _trials(results: dict[str, Any]) -> Iterator[Check]:
    """What was tried on some items; nothing of a run of before there were trials."""
    for direction, found in results.get("trials", {}).get("directions", {}).items():
        yield from _radius(direction, found)
        yield from _slopes(direction, found)
        yield _twice(direction, found, results.get("threat_model", {}).get("defence") or {})


def _radius(direction: str, found: dict[str, Any]) -> Iterator[Check]:
    """The white box with more room: farther must not be less, and with everything within reach nothing may be left."""
    scores = found["map"]
    if scores is None or scores["clean"] is None:
        return
    at, wider, everything, best = (scores[name] for name in ("ceiling", "wider", "unbounded", "opposite_code"))
    of = f"of {found['items']} items under the white box"
    yield Check(
        f"{direction}: a larger radius is at least as strong", wider <= at + TOLERANCE, f"mAP {of}: {at:.3f}, twice as far {wider:.3f}"
    )
    if best is not None:
        reached = scores["clean"] - everything >= REACHED * (scores["clean"] - best)
        detail = f"mAP {of}, everything within reach: {everything:.3f}; of the best possible codes {best:.3f}, clean {scores['clean']:.3f}"
        yield Check(f"{direction}: without a radius the best possible codes are reached", reached, detail)


def _slopes(direction: str, found: dict[str, Any]) -> Iterator[Check]:
    if found["downhill"] is not None:
        detail = f"a step down its slope takes {found['downhill']:.0%} of {found['items']} items lower than a random step does"
        detail += f"; {found['without_slope']} have no slope at all" if found["without_slope"] else ""
        yield Check(f"{direction}: gradients are not masked", found["downhill"] >= DOWNHILL, detail)
    if found["saturated"] is not None:
        detail = f"{found['saturated']:.0%} of the relaxed bits of {found['items']} items have next to no slope left"
        yield Check(f"{direction}: tanh is not saturated", found["saturated"] < SATURATED, detail)


def _twice(direction: str, found: dict[str, Any], defence: dict[str, Any]) -> Check:
    """Whether answers repeat. A defence that draws for each picture repeats them, and is random all the same."""
    name, asked = f"{direction}: the target repeats its answers", found["asked_twice"]
    if asked is None:
        return Check(name, None, "nothing was left of evaluation.cap to ask for an answer twice")
    bill = ", paid by the referee" if found["paid"] else ""
    suspicion = "" if not found["differed"] else "; it may answer at random, and single answers then say little"
    if direction.startswith("image") and "redraws" in defence:
        once = "once for each picture, so one that differs by a grey level meets another draw"
        when = "at each question, so single answers say little" if defence["redraws"] else once
        suspicion = f"; its defence, {defence['name']}, draws at random {when}"
    return Check(
        name, not found["differed"], f"{found['differed']} of {asked} items asked twice were answered in two ways{bill}{suspicion}"
    )


def _copies(results: dict[str, Any]) -> Iterator[Check]:
    """Queries that leak byte by byte, whatever their groups say."""
    if copies := results.get("trials", {}).get("copies"):
        told = ", ".join(f"{count} of the {role}'s" for role, count in copies.items())
        yield Check("no attacked picture in another role", not any(copies.values()), f"attacked pictures that are byte by byte {told}")


def _service(results: dict[str, Any]) -> Iterator[Check]:
    noted, bill = results["service"], results["budget"]
    if noted is None:
        return
    spent, repeated = bill["spent"] + bill["evaluation"], bill["resent"] + bill["evaluation_resent"]
    if not noted["idempotency_seconds"]:
        detail = f"the service knows no keys, so each attempt that it may have counted is charged: {repeated} of {spent} are repeats"
        yield Check("every item charged once", None, detail)
    before, after = (noted["counted"].get(when) for when in ("before", "after"))
    if before is None or after is None:
        yield Check("the service counted the same", None, f"the service does not tell what it counted; the ledger has {spent}")
    else:
        same = after - before == spent or (not noted["idempotency_seconds"] and after - before < spent)
        detail = f"{after - before} items counted by the service during the run, {spent} by the ledger; others may share the token"
        yield Check("the service counted the same", same, detail)


def _lists(results: dict[str, Any]) -> Iterator[Check]:
    """What nobody can know of a service that shows lists."""
    model = results["threat_model"]
    if results["service"] is None or model["reveals"] != "ranking":
        return
    for direction in results["directions"]:
        if model["whole_database"]:
            detail = "of the service's own lists, ties in its own order; the mAP of codes is an expectation over all orders of ties"
            yield Check(f"{direction}: mAP and ties", None, detail)
        else:
            detail = f"the service shows its top {model['top_k']} only, so every mAP but the floor, and recovered, is null"
            yield Check(f"{direction}: mAP", None, f"{detail}; top10_gone is from those lists")
    detail = "the service shows lists and no codes: target.dim, agreement of surrogates, bits flipped and entropy of bits are null"
    yield Check("codes of the target", None, detail)


def _leaks(groups: Int64[Tensor, " items"], split: Split, found_again: bool) -> Iterator[Check]:
    """The attacker's pairs are of nothing that is attacked or searched, and no item has two of these roles.

    found_again: pictures are to find the same person or thing, so queries and database share what they depict.
    """
    roles = {role: getattr(split, role) for role in ("query", "database", "attacker", "held_back")}
    shared = [f"{one} and {other}" for one, other in combinations(roles, 2) if torch.isin(groups[roles[one]], groups[roles[other]]).any()]
    learned = split.train[~torch.isin(split.train, split.database)]  # what the target learns from is part of the database, as a rule
    shared += [f"{role} and train" for role in roles if role != "database" and torch.isin(groups[roles[role]], groups[learned]).any()]
    detail = "query, database, attacker and held-back pairs share no group"
    if found_again:
        shared = [pair for pair in shared if pair != "query and database"]
        shared += ["query and database, which have pictures in common"] if torch.isin(split.query, split.database).any() else []
        detail = "attacker's and held-back pictures share no group with each other, queries or database; no query is in the database"
    yield Check("no group in two roles", not shared, f"shared by {', '.join(shared)}" if shared else detail)


def _nulls(results: dict[str, Any]) -> Iterator[Check]:
    yield from _lists(results)
    for direction, found in results["directions"].items():
        if found["success"]["attacker"] is None:
            detail = "the attack asked the target nothing about the changed items, so its own view of success is null"
            yield Check(f"{direction}: attacker's success", None, detail)
        if found["metrics"]["top10_gone"] is None:
            detail = "the changed texts exist in feature space only and this target takes none, so noise, attacked and recovered are null"
            yield Check(f"{direction}: attack", None, detail)
        if found["map"]["clean"] is not None and found["map"]["ceiling"] is None:
            of = "a service" if results["service"] else "a model that is called and not looked into"
            detail = f"there is no white box of {of}, so ceiling and recovered are null"
            yield Check(f"{direction}: ceiling", None, detail)
        elif found["recovered_ci95"] is None:
            detail = "the ceiling does no damage in some resample, or there is one group: no interval"
            yield Check(f"{direction}: interval of recovered", None, detail)
    if not results["distortion"].get("texts", {}).get("realisable", True):
        yield Check("texts can be typed", None, "an additive change of a bag of words is feature space: nobody can send it to a service")
