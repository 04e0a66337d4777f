"""What the page draws of a sweep: places of lines, bands, marks and names in a picture of fixed width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

from crossattack.report._rows import CONDITIONS, number, share
from crossattack.report.sweep.curves import Line, Scale, figures, laid_out, references, ticks
from crossattack.report.sweep.merging import RECOVERED, Figure

WIDTH, HEIGHT = 640, 320
LEFT, TOP, RIGHT, BOTTOM = 52, 12, 212, 44  # margins; the right one holds the names
APART = 17.0  # lines of text
SHAPES = ("circle", "square", "triangle", "diamond")
SERIES = 8  # colours, after which they begin anew with another mark
QUIET: Final = ("clean", "noise", "ceiling", "floor")


Text: TypeAlias = Callable[[float], str]


@dataclass(frozen=True)
class Drawn:
    """One line: its class, marks with what each says, the outline of its band, and where its name stands."""

    key: str
    label: str
    shape: str | None
    points: tuple[tuple[float, float, str], ...]
    band: tuple[tuple[float, float], ...]
    y: float


@dataclass(frozen=True)
class Chart:
    """Lines in one picture, with its axes and words for those who do not see it."""

    title: str
    caption: str
    height: int
    size: tuple[int, int, int]  # width, left and right margin
    lines: tuple[Drawn, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    axis: str
    summary: str


def charts(lines: Sequence[Line], direction: str, title: str, axis: str, scale: Scale) -> list[Chart]:
    """mAP with what it is held against, and the share recovered; without those of which nothing is known."""
    made = [_chart(lines, direction, title, axis, scale, name) for name in ("attacked", RECOVERED)]
    return [one for one in made if one is not None]


def _chart(lines: Sequence[Line], direction: str, title: str, axis: str, scale: Scale, name: str) -> Chart | None:
    text: Text = share if name == RECOVERED else number
    known = [(place, line, figures(line, direction, name)) for place, line in enumerate(lines)]
    known = [each for each in known if each[2]]
    quiet = {} if name == RECOVERED else {one: points for one in QUIET if (points := references(lines, direction, one))}
    if not known:
        return None
    marks = ticks(lines)
    ends = [laid_out(x, scale) for x, _ in (marks[0], marks[-1])]
    reached = [end for _, _, points in known for _, figure in points for end in (figure.value, *(figure.interval or ()))]
    reached += [value for points in quiet.values() for _, value in points]
    low = min(0.0, *reached)
    high: float = max(1.0, *reached) if name == RECOVERED else max(0.2, ceil(10 * max(reached)) / 10)
    names = [line.label for _, line, _ in known] + [CONDITIONS[one] for one in quiet]
    height = max(HEIGHT, TOP + BOTTOM + int(APART) * len(names))

    def x(value: float) -> float:
        part = (laid_out(value, scale) - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        place: float = TOP + (high - value) / (high - low) * (height - TOP - BOTTOM)
        return round(place, 1)

    last = [y(points[-1][1].value) for _, _, points in known] + [y(points[-1][1]) for points in quiet.values()]
    stands = spread(last, APART, TOP + 4.0, float(height - BOTTOM))
    drawn = [
        Drawn(
            f"series-{place % SERIES}",
            line.label,
            SHAPES[(place + place // SERIES) % len(SHAPES)],
            tuple((x(at), y(figure.value), f"{line.label}, {axis} {at:,.6g}: {_said(figure, text)}") for at, figure in points),
            _band([(x(at), figure) for at, figure in points], y),
            stand,
        )
        for (place, line, points), stand in zip(known, stands, strict=False)
    ]
    for (one, points), stand in zip(quiet.items(), stands[len(known) :], strict=True):
        told = tuple((x(at), y(value), f"{CONDITIONS[one]}: {text(value)}") for at, value in points)
        if len(told) == 1 or told[0][0] == told[-1][0]:  # of one value of the number: a line across all the same
            told = ((LEFT, told[0][1], told[0][2]), (WIDTH - RIGHT, told[0][1], told[0][2]))
        drawn.append(Drawn(f"quiet-{one}", CONDITIONS[one], None, told, (), stand))
    steps = [step / 5 for step in range(-20, 21) if low <= step / 5 <= high + 1e-9] or [0.0]
    what = "share recovered" if name == RECOVERED else "mAP"
    told_ends = "; ".join(f"{line.label} {_said(points[0][1], text)} to {_said(points[-1][1], text)}" for _, line, points in known)
    return Chart(
        title,
        f"{what[0].upper() + what[1:] if what != 'mAP' else what} when {title}, by {axis}",
        height,
        (WIDTH, LEFT, RIGHT),
        tuple(drawn),
        tuple(_thinned([(x(at), tick) for at, tick in marks])),
        tuple((y(step), share(step) if name == RECOVERED else f"{step:.1f}") for step in steps),
        axis,
        f"{what} when {title}, from the lowest {axis} to the highest: {told_ends}",
    )


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as leaves them so far apart, between low and high where there is room; order is kept.

    Those that crowd stand evenly around their mean.
    """
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place], place))
    heaps = list[list[int]]()
    for place in order:
        heaps.append([place])
        while len(heaps) > 1 and _top(heaps[-1], wanted, apart, low, high) < _top(heaps[-2], wanted, apart, low, high) + apart * len(
            heaps[-2]
        ):
            heaps[-2:] = [heaps[-2] + heaps[-1]]
    found = [0.0] * len(wanted)
    for heap in heaps:
        for step, place in enumerate(heap):
            found[place] = _top(heap, wanted, apart, low, high) + apart * step
    return found


def _top(heap: Sequence[int], wanted: Sequence[float], apart: float, low: float, high: float) -> float:
    """Where the first of a heap stands."""
    tall = apart * (len(heap) - 1)
    middle = sum(wanted[place] for place in heap) / len(heap)
    return max(low, min(middle - tall / 2, high - tall))


def _band(points: Sequence[tuple[float, Figure]], y: Callable[[float], float]) -> tuple[tuple[float, float], ...]:
    """Up the upper ends, back along the lower ones."""
    known = [(x, figure.interval) for x, figure in points if figure.interval]
    return tuple([(x, y(high)) for x, (_, high) in known] + [(x, y(low)) for x, (low, _) in reversed(known)]) if len(known) > 1 else ()


def _said(figure: Figure, text: Text) -> str:
    return text(figure.value) + (f" [{text(figure.interval[0])}, {text(figure.interval[1])}]" if figure.interval else "")


def _thinned(marks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Without those whose words would stand on others'; the last one always stands."""
    kept = list[tuple[float, str]]()
    for x, tick in reversed(marks):
        if not kept or kept[-1][0] - x > 5 * (len(tick) + len(kept[-1][1])):
            kept.append((x, tick))
    return kept[::-1]
