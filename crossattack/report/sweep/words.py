"""A sweep in a few sentences, for somebody who reads the first such page."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossattack.report._rows import count, number, share
from crossattack.report.sweep.curves import Line, Scale, area
from crossattack.report.sweep.layout import BUDGET, Layout, label, named
from crossattack.report.sweep.listing import Entry
from crossattack.report.sweep.matrix import Gap, Matrix, gap
from crossattack.report.sweep.merging import KINDS, RECOVERED, Figure, Group

MOST = 8  # lines that are told of in words


def standing(sweep: Mapping[str, Any]) -> str:
    """How far it got."""
    counts = sweep["counts"]
    of = sum(counts.values())
    rest = ", ".join(f"{count(counts[state])} {state}" for state in ("failed", "running", "pending") if counts.get(state))
    if not rest:
        return f"All {count(of)} runs are done."
    done = f"{count(counts.get('done', 0))} of {count(of)} runs are done, {rest}"
    return f"This sweep is not complete: {done}. All below is of those that are done."


def told_lines(lines: Sequence[Line], direction: str, layout: Layout, scale: Scale) -> list[str]:
    """Of each line where it begins and where it ends, and what it comes to over the axis."""
    said = []
    for line in lines[:MOST]:
        known = [(point, figure) for point in line.points if (figure := point.group.figure(direction, "attacked"))]
        if not known:
            continue
        clean = known[0][0].group.figure(direction, "clean")
        before = f"mAP, which is {number(clean.value)} without an attack, is" if clean else "mAP is"
        (first, start), (last, end) = known[0], known[-1]
        unit = " queries" if layout.along == BUDGET else f" ({named(str(layout.along))})"
        told = f"{line.label}: {before} {_with(start)} at {_place(first.x)}{unit}"
        told += f" and {_with(end)} at {_place(last.x)}" if last is not first else ""
        shares = [point.group.figure(direction, RECOVERED) for point in (first, last)]
        if shares[0] and shares[1]:
            told += f"; recovered {share(shares[0].value)}" + (f" and {share(shares[1].value)}" if last is not first else "")
        under = area(line, direction, RECOVERED, scale)
        if under:
            told += f", {share(under.value)} on average over the axis"
        said.append(told + ".")
    more = len(lines) - MOST
    return said + ([f"{more} more lines are in the tables."] if more > 0 else [])


def told_gap(matrix: Matrix, direction: str) -> list[str]:
    """What it is worth to have the target's own kind of network."""
    found = gap(matrix, direction, RECOVERED)
    title = f"{matrix.title}: " if matrix.title else ""
    if found is not None:
        return [title + _gap(found)]
    if matrix.diagonal:
        return [f"{title}No seed has every cell of the matrix yet, so there is no gap between own and other networks to tell of."]
    known = [(group, figure) for row in matrix.groups for group in row if group and (figure := group.figure(direction, RECOVERED))]
    if not known:
        return []
    (best, high), (worst, low) = max(known, key=_value), min(known, key=_value)
    keys = list(best.values)
    least = f"least with {label(worst.values, keys)} ({share(low.value)})"
    return [f"{title}Most is recovered with {label(best.values, keys)} ({share(high.value)}), {least}."]


def told_list(ranked: Sequence[Entry]) -> list[str]:
    """The strongest and the weakest."""
    if not ranked:
        return []
    first, last = ranked[0], ranked[-1]
    rest = f", the weakest {last.name}, which leaves {number(last.left.value)}" if last is not first else ""
    return [f"The strongest is {first.name}, which leaves {number(first.left.value)} mAP{rest}."]


def kinds_of(groups: Sequence[Group], directions: Sequence[str]) -> list[str]:
    """What the intervals are that are shown, each kind once."""
    seen = {figure.kind for group in groups for direction in directions if (figure := group.figure(direction, "attacked")) and figure.kind}
    return [told for kind, told in KINDS.items() if kind in seen]


def _gap(found: Gap) -> str:
    told = (
        f"An attacker whose network is of the target's own kind recovers {share(found.same)} on average, one with another kind "
        f"{share(found.other)}: a gap of {100 * found.value:.0f} points"
    )
    if found.interval is None:
        return f"{told}, from one seed, which has no interval."
    low, high = (100 * end for end in found.interval)
    verdict = "zero is outside" if low > 0 or high < 0 else "zero is inside, so it may be chance"
    return f"{told}, between {low:.0f} and {high:.0f} (95 %, Student's over {found.seeds} seeds); {verdict}."


def _value(each: tuple[Group, Figure]) -> float:
    return each[1].value


def _with(figure: Figure) -> str:
    return number(figure.value) + (f" [{number(figure.interval[0])}, {number(figure.interval[1])}]" if figure.interval else "")


def _place(x: float) -> str:
    return f"{x:,.0f}" if x >= 10 else f"{x:.3g}"
