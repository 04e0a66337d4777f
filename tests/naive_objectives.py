"""The objectives once more, each as a plain loop over the bits and the known codes of one attacked item."""

from collections.abc import Callable
from math import exp, log, sqrt

from crossattack.objectives import View

Row = list[float]


class Naive:
    """One attacked item, everything known of it as Python lists."""

    def __init__(self, view: View, item: int) -> None:
        self.own: Row = view.own[item].tolist()
        self.chosen: list[Row] = view.chosen.tolist()
        self.other, self.same = (
            {name: getattr(known, name)[item].tolist() for name in ("relevant", "irrelevant", "wanted", "drawn")}
            | {"codes": known.codes.tolist()}
            for known in (view.other, view.same)
        )


def sign(value: float) -> float:
    return 1.0 if value >= 0 else -1.0


def mean(codes: list[Row], weights: Row) -> Row:
    total = sum(weights)
    return [sum(w * code[k] for w, code in zip(weights, codes, strict=True)) / total if total else 0.0 for k in range(len(codes[0]))]


def product(first: Row, second: Row) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def away(h: Row, seen: Naive) -> float:
    return -sum((a - b) ** 2 for a, b in zip(h, seen.own, strict=True)) / len(h)


def odfa(h: Row, seen: Naive) -> float:
    return sum((a + b) ** 2 for a, b in zip(h, seen.own, strict=True)) / len(h)


def own(h: Row, seen: Naive) -> float:
    return product(h, [sign(b) for b in seen.own]) / len(h)


def consensus(h: Row, seen: Naive) -> float:
    near, far = (mean(seen.other["codes"], seen.other[kind]) for kind in ("relevant", "irrelevant"))
    kept = [a * sign(n - f) for a, n, f in zip(h, near, far, strict=True)]
    open_bits = [s for s in kept if s > -0.5]
    return sum((s + 2) * s for s in open_bits) / len(open_bits) if open_bits else 0.0


def hag(h: Row, seen: Naive, tolerance: float = 0.5, beta: float = 1.0) -> float:
    open_bits = [(a, sign(b)) for a, b in zip(h, seen.own, strict=True) if abs(a - sign(b)) < 1 + tolerance]
    kept = sum(a * b for a, b in open_bits) / len(open_bits) if open_bits else 0.0
    return (kept + 1) ** 2 + beta * (sum(a for a, _ in open_bits) / len(h)) ** 2


def triplet(h: Row, seen: Naive, margin: float = 1.0, quantisation: float = 0.01) -> float:
    near, far = (mean(seen.other["codes"], seen.other[kind]) for kind in ("relevant", "irrelevant"))
    distances = [(1 - product(h, code) / len(h)) / 2 for code in (near, far)]
    settled = sum((a - sign(a)) ** 2 for a in h) / len(h)
    return max(0.0, margin + distances[1] - distances[0]) + quantisation * settled


def cmla(h: Row, seen: Naive, intra: float = 1.0) -> float:
    total = 0.0
    for known, weight, turn in ((seen.other, 1.0, -1.0), (seen.same, intra, 1.0)):
        terms = []
        for code, near, far in zip(known["codes"], known["relevant"], known["irrelevant"], strict=True):
            if near > 0 or far > 0:
                likeness = turn * product(h, code)
                terms.append(log(1 + exp(likeness)) - (near > 0) * likeness)
        total += weight * sum(terms) / len(terms)
    return total


def sdha(h: Row, seen: Naive, members: int = 32) -> float:
    order = sorted(range(len(seen.other["relevant"])), key=lambda r: -seen.other["relevant"][r])[:members]
    terms = []
    for r in order:
        if seen.other["relevant"][r] > 0:
            code = seen.other["codes"][r]
            distance = max(1, sum(sign(a) != b for a, b in zip(h, code, strict=True)))
            same = [1 / (1 + exp(-5 * a * b)) for a, b in zip(h, code, strict=True)]
            spread = sum(abs(a - b) * s / 2 + (1 - s) for a, b, s in zip(h, code, same, strict=True))
            terms.append(spread / sqrt(distance))
    return -25 / len(h) * sum(terms) / len(terms)


def dhta(h: Row, seen: Naive, members: int = 9) -> float:
    votes = [seen.other["codes"][r] for r in seen.other["drawn"][:members]]
    return -product(h, [sign(sum(vote[k] for vote in votes)) for k in range(len(h))]) / len(h)


def prototype(h: Row, seen: Naive) -> float:
    others = [float(weight == 0) for weight in seen.other["wanted"]]
    near, far = mean(seen.other["codes"], seen.other["wanted"]), mean(seen.other["codes"], others)
    return -product(h, [sign(n - f) for n, f in zip(near, far, strict=True)]) / len(h)


def promote(h: Row, seen: Naive) -> float:
    return -sum(product(h, code) for code in seen.chosen) / len(seen.chosen) / len(h)


def demote(h: Row, seen: Naive) -> float:
    return -promote(h, seen)


FORMULAS: dict[str, Callable[..., float]] = {
    each.__name__: each for each in (away, cmla, consensus, demote, dhta, hag, odfa, own, promote, prototype, sdha, triplet)
}
