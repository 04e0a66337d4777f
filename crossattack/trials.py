"""Trials: a few things tried on the first of the attacked items, by which a run's figures can be doubted.

    asked twice     the same items again: a target that answers at random makes every comparison of single answers a draw
    wider           the ceiling's attack with twice its radius: farther must not be less
    unbounded       the same with every picture and every text within reach: what stops it then is no radius but a broken attack
    slopes          one step down the target's own slope, and one of the same length at random: a slope that does not
                    lead down is masked, and every attack by gradients looks weaker than it is

A target in this process that lies open is asked again at no cost, as its owner may; any other is asked for `fresh` answers, which
the referee pays for. Attacks by radius and slopes need a white box. `try_out` makes them, `tried` makes figures of them.

Paper: Athalye, Carlini, Wagner, "Obfuscated Gradients Give a False Sense of Security", ICML 2018; Carlini and others, "On Evaluating
Adversarial Robustness", 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.attacks import Attack, AttackContext, Items, Pictures
from crossattack.attacks._aims import modality_of
from crossattack.attacks._context import WhiteBox
from crossattack.attacks._gradient import Strides
from crossattack.attacks._ground import Ground, ground_of
from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.evaluation import DIRECTIONS
from crossattack.fingerprint import fingerprint_images
from crossattack.goals import chosen_ids, is_targeted
from crossattack.ledger import Modality
from crossattack.oracle import Referee
from crossattack.perturbing import Condition, first_of
from crossattack.rankings import Judged, Lists, Ranking, Similar

TRIED, ASKED_TWICE = 20, 5  # attacked items of either modality
STEPS, STRIDE = 10, 0.05  # of the attacks by radius; a stride is the share of everything within reach
CLOSE = 1e-3  # of an item's largest output: what two sums in another order may differ by
FLAT = 1e-3  # of tanh's largest slope: below it a bit is saturated
LOOKED_THROUGH = 20_000  # pictures of the database that are compared byte by byte
WEIGHT = 0.02  # of a word: the length of a step of its bag


@dataclass(frozen=True)
class Trials:
    """What came of them, by modality and name; tensors of the first items, in their order.

    first, again: outputs, or answers that were paid for. wider, unbounded: codes or features after the attack. slopes, (items, 4): how
    much each item keeps of its output where it is, a step down its slope and a random step away, and the largest slope.
    copies: attacked pictures whose very bytes are in another role.
    """

    found: Mapping[Modality, Mapping[str, Tensor]]
    paid: bool
    copies: Mapping[str, int]


def try_out(
    ceiling: Attack,
    white_box: AttackContext | None,
    referee: Referee,
    clean: Condition,
    rankings: Mapping[str, Judged],
    query: Pairs,
    **roles: Pairs,
) -> Trials:
    """All trials that the target allows, on the first of the clean items; and how many attacked pictures are in other roles."""
    answers = {DIRECTIONS[direction]: ranking.queries["clean"] for direction, ranking in rankings.items()}
    box, found = white_box.white_box if white_box else None, dict[Modality, Mapping[str, Tensor]]()
    for modality, untouched in clean.items():
        if white_box is None or box is None:
            found[modality] = _asked_again(referee, first_of(untouched.items, ASKED_TWICE), answers[modality])
        else:
            found[modality] = _opened(ceiling, white_box, box, first_of(untouched.items, TRIED))
    return Trials(found, box is None, copies_of(query, **roles))


def _opened(ceiling: Attack, context: AttackContext, box: WhiteBox, items: Items) -> dict[str, Tensor]:
    """The trials of a target that lies open. Texts that are no bags of words have no slope here, and no radius."""
    first, again = (encode(box.answering, modality_of(items), items.values, device=context.device) for _ in range(2))
    found = {"first": first, "again": again}
    if isinstance(items, Pictures) or box.encoder.vocabulary:
        found |= {"slopes": slopes(context, box, items), **_by_radius(ceiling, context, box, items)}
    return found


def _asked_again(referee: Referee, items: Items, answers: Tensor) -> dict[str, Tensor]:
    """The same items once more on the referee's bill, as far as its cap goes."""
    if referee.remaining < len(items.ids):
        return {}
    if isinstance(items, Pictures):
        again = referee.query_images(items.values, phase="asked twice", fresh=True)
    else:
        again = referee.query_texts(items.values, phase="asked twice", fresh=True)
    return {"first": answers[: len(items.ids)], "again": again.values}


def _by_radius(ceiling: Attack, context: AttackContext, box: WhiteBox, items: Items) -> dict[str, Tensor]:
    """The ceiling with other radii, where it goes by strides and away from what is relevant."""
    if not isinstance(ceiling, Strides) or is_targeted(ceiling) or chosen_ids(ceiling) or modality_of(items) not in ceiling.needs.changes:
        return {}
    whole = items.values[0].numel() ** 0.5 if isinstance(items, Pictures) and ceiling.norm == "l2" else 1.0
    strides = {
        "wider": replace(
            ceiling,
            steps=STEPS,
            eps=min(2 * ceiling.eps, whole),
            alpha=ceiling.alpha and 2 * ceiling.alpha,
            text_eps=min(2 * ceiling.text_eps, 1.0),
            text_alpha=min(2 * ceiling.text_alpha, 1.0),
        ),
        "unbounded": replace(ceiling, steps=STEPS, eps=whole, alpha=STRIDE * whole, text_eps=1.0, text_alpha=2 * STRIDE, perception="none"),
    }
    found, here = {}, context if box.encoder.vocabulary else replace(context, texts=())  # what stays as it is was said before
    for name, attack in strides.items():
        outputs = encode(box.answering, modality_of(items), attack.fit(here)(items).items.values, device=context.device)
        found[name] = harden(outputs) if box.similarity is Similarity.HAMMING else outputs.float()
    return found


def slopes(context: AttackContext, box: WhiteBox, items: Items) -> Float[Tensor, "items 4"]:
    """How much each item keeps of its output where it is, a step down its own slope and a random step away; and its largest slope.

    What is kept of a code is the mean of its relaxed bits times their signs; of a feature its product with a direction drawn for
    the item. A step is a grey level of every pixel, or two hundredths of every word's weight. Slopes are those that are followed, what is
    kept is what the target makes.
    """
    ground = ground_of(items, box.encoder, context.device, eps=1.0, norm="linf", text_eps=1.0)
    start, length = ground.ball.clean, 1 / 255 if ground.bags is None else WEIGHT
    drawn = [context.streams.torch("trials", modality_of(items), item) for item in items.ids]
    signs = torch.stack([torch.randint(0, 2, start.shape[1:], generator=each) for each in drawn]).to(start) * 2 - 1
    meets = replace(ground, encoder=box.answering)
    with torch.no_grad():
        outputs = meets.relaxed(start)
    kept = outputs.sign() if box.similarity is Similarity.HAMMING else _directions(outputs, drawn)
    down = _slope(ground, start, kept)
    points = (start, (start - length * down.sign()).clamp(0, 1), (start - length * signs).clamp(0, 1))
    with torch.no_grad():
        values = [(meets.relaxed(point) * kept).mean(1) for point in points]
    return torch.stack([*values, down.abs().flatten(1).amax(1)], dim=1).double().cpu()


def _directions(outputs: Tensor, drawn: list[torch.Generator]) -> Tensor:
    return torch.stack([torch.randn(outputs.shape[1], generator=each) for each in drawn]).to(outputs)


def _slope(ground: Ground, start: Tensor, kept: Tensor) -> Tensor:
    """The gradient of what is kept; nought where none comes through or it is no number."""
    points = start.detach().clone().requires_grad_()
    total = (ground.relaxed(points) * kept).mean(1).sum()
    if not total.requires_grad:
        return torch.zeros_like(start)
    (slope,) = torch.autograd.grad(total, points, allow_unused=True)
    return torch.zeros_like(start) if slope is None else slope.nan_to_num(0.0, 0.0, 0.0)


def copies_of(query: Pairs, **roles: Pairs) -> dict[str, int]:
    """How many attacked pictures are in each other role byte by byte, of the database in its first 20,000."""
    asked = fingerprint_images(query.images)
    found = {}
    for role, pairs in roles.items():
        known = set(fingerprint_images(pairs.take(torch.arange(min(len(pairs), LOOKED_THROUGH))).images))
        found[role] = sum(key in known for key in asked)
    return found


def tried(trials: Trials, rankings: Mapping[str, Judged]) -> dict[str, Any]:
    """`trials` of results.json: figures by direction; null what this target does not allow."""
    directions = {
        direction: _figures(trials.found.get(DIRECTIONS[direction], {}), trials.paid, ranking) for direction, ranking in rankings.items()
    }
    return {"copies": dict(sorted(trials.copies.items())), "directions": directions}


def _figures(found: Mapping[str, Tensor], paid: bool, ranking: Judged) -> dict[str, Any]:
    twice = (found["first"], found["again"]) if "again" in found else None
    return {
        "items": len(next(iter(found.values()))) if found else 0,
        "asked_twice": twice and len(twice[0]),
        "paid": paid,
        "differed": twice and int(_differ(*twice).sum()),
        "saturated": None if paid or twice is None or not isinstance(ranking, Ranking) else saturation(twice[0]),
        "downhill": downhill(found["slopes"]) if "slopes" in found else None,
        "without_slope": int((found["slopes"][:, 3] == 0).sum()) if "slopes" in found else None,
        "map": None if "wider" not in found or isinstance(ranking, Lists) else _maps(found, ranking),
    }


def _differ(first: Tensor, again: Tensor) -> Tensor:
    """Which items were answered in two ways."""
    allowed = CLOSE * first.abs().double().amax(1, keepdim=True) if first.is_floating_point() else 0.0
    return ((first.double() - again.double()).abs() > allowed).any(1)


def saturation(relaxed: Float[Tensor, "items bits"]) -> float:
    """Share of the relaxed bits at which tanh has less than a thousandth of its largest slope, which is 1 - tanh^2."""
    return float((1 - relaxed.double().square() < FLAT).double().mean())


def downhill(found: Float[Tensor, "items 4"]) -> float:
    """Share of the items that a step down their slope takes lower than a random step does; about a half where slopes are noise."""
    return float((found[:, 1] < found[:, 2]).double().mean())


def _maps(found: Mapping[str, Tensor], ranking: Ranking | Similar) -> dict[str, float | None]:
    """mAP of the items that were tried, in each condition and after each trial."""
    count = len(found["wider"])
    queries = {name: ranking.queries[name][:count] for name in ("clean", "ceiling")} | {
        name: found[name] for name in ("wider", "unbounded")
    }
    relevant = ranking.relevant[:count]
    few: Ranking | Similar = replace(ranking, queries=queries, relevant=relevant, groups=ranking.groups[:count], wanted=None)
    if isinstance(few, Similar) and few.junk is not None:
        few = replace(few, junk=few.junk[:count])
    scores = few.scores(few.relevant)
    if (best := few.best()) is not None:
        scores["opposite_code"] = best
    names = ("clean", "ceiling", "wider", "unbounded", "opposite_code")
    known = {name: scores[name][np.isfinite(scores[name])] for name in names if name in scores}
    return {name: float(known[name].mean()) if len(known.get(name, ())) else None for name in names}
