"""One self-contained HTML page of a sweep, of the family of a run's page: what was varied, what came of it, every run."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file
from crossattack.errors import UsageError
from crossattack.report import _bars
from crossattack.report._rows import DIRECTIONS, NONE, number, share
from crossattack.report.page import rendered
from crossattack.report.sweep import tables
from crossattack.report.sweep.curves import lines_of, scale_of
from crossattack.report.sweep.drawing import Chart, charts
from crossattack.report.sweep.layout import Layout, layout_of, named
from crossattack.report.sweep.listing import bars, ranked
from crossattack.report.sweep.matrix import Matrix, matrices_of
from crossattack.report.sweep.merging import RECOVERED, Group, directions_of, groups_of
from crossattack.report.sweep.words import kinds_of, standing, told_gap, told_lines, told_list

SHADES = 5


@dataclass(frozen=True)
class Shaded:
    """A cell of a matrix: its figure, the lines below it, how dark it is, and whether it is on the diagonal."""

    value: str
    more: tuple[str, ...]
    shade: int
    own: bool


@dataclass(frozen=True)
class Shown:
    """A matrix as a table of words."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shaded, ...]], ...]


def write_sweep_page(sweep: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all; `UsageError` where nothing can be written to `path`."""
    text = sweep_page(sweep)
    try:
        with whole_file(path) as file:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"out: a file to write to wanted, {path} got ({error.strerror}); name another with `--out FILE`.") from error


def sweep_page(sweep: Mapping[str, Any]) -> str:
    """The page as HTML, from sweep.json."""
    groups, directions = groups_of(sweep), directions_of(sweep)
    layout = layout_of([group.values for group in groups])
    titles = {direction: DIRECTIONS.get(direction, direction.replace("_", " ")) for direction in directions}
    drawn, matrices, listed = _curves(groups, titles, layout), _matrices(groups, titles, layout), []
    if not drawn and not matrices:
        listed = [bars(ranked(groups, layout, one), one, title) for one, title in titles.items() if ranked(groups, layout, one)]
    along, crossed = _by(layout.along), _against(layout)
    named_parts = (("curves", along, drawn), ("matrix", crossed, matrices), ("list", "In order of strength", listed))
    pictures = [(id_, title) for id_, title, part in named_parts if part]
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return rendered(
        "sweep/page.html.j2",
        extra_style=style,
        name=sweep["name"],
        standing=standing(sweep),
        complete=all(cell["state"] == "done" for cell in sweep["cells"]),
        pictures=pictures,
        sentences=[(title, _sentences(groups, direction, layout)) for direction, title in titles.items()],
        varied=tables.varied(sweep, layout),
        shared=[(key, value if isinstance(value, str) else json.dumps(value)) for key, value in (sweep.get("shared") or {}).items()],
        charts=drawn,
        curves_title=along,
        areas=tables.areas(sweep, groups, layout),
        matrices=matrices,
        matrix_title=crossed,
        twins=layout.twins,
        gaps=tables.gaps(sweep, groups, layout),
        bars=listed,
        bars_size=(_bars.WIDTH, _bars.LEFT, _bars.BAR),
        kinds=kinds_of(groups, directions),
        merged=tables.merged(sweep, groups),
        cells=tables.cells(sweep),
        took=f"What is done took {tables.seconds_of(sweep) / 3600:.1f} hours, one run after another.",
        failed=tables.failed(sweep),
        file=bool(sweep.get("file")),
        command=command(sweep),
    )


def command(sweep: Mapping[str, Any]) -> str:
    """What makes the same sweep again, to be pasted into a shell."""
    name = shlex.quote(f"{sweep['name']}.yaml")
    again = f"crossattack sweep {name}"
    return f"cat > {name} <<'END'\n{sweep['file'].rstrip()}\nEND\n{again}" if sweep.get("file") else again


def _by(along: str | None) -> str:
    return f"By {named(along)}" if along else ""


def _against(layout: Layout) -> str:
    words = f"{named(layout.rows)} against {named(layout.columns)}" if layout.rows and layout.columns else ""
    return words[:1].upper() + words[1:]


def _curves(groups: Sequence[Group], titles: Mapping[str, str], layout: Layout) -> list[Chart]:
    if layout.along is None:
        return []
    lines = lines_of(groups, layout)
    return [one for direction, title in titles.items() for one in charts(lines, direction, title, named(layout.along), scale_of(lines))]


def _sentences(groups: Sequence[Group], direction: str, layout: Layout) -> list[str]:
    if layout.along is not None:
        lines = lines_of(groups, layout)
        return told_lines(lines, direction, layout, scale_of(lines))
    if layout.rows is not None:
        return [said for matrix in matrices_of(groups, layout) for said in told_gap(matrix, direction)]
    return told_list(ranked(groups, layout, direction))


def _matrices(groups: Sequence[Group], titles: Mapping[str, str], layout: Layout) -> list[Shown]:
    """What was recovered by direction, or mAP where no ceiling is known, and then how well the surrogates agree."""
    found = list[Shown]()
    for matrix in matrices_of(groups, layout) if layout.rows is not None else ():
        of = f", {matrix.title}" if matrix.title else ""
        for direction, title in titles.items():
            known = any(group and group.figure(direction, RECOVERED) for row in matrix.groups for group in row)
            what = "Share recovered" if known else "mAP attacked"
            found.append(_shown(matrix, layout, f"{what} when {title}{of}", lambda group, one=direction: _outcome(group, one)))
        if any(group and group.agreement["rank_agreement"] is not None for row in matrix.groups for group in row):
            found.append(
                _shown(matrix, layout, f"How well surrogate and target agree on held-back pairs: in ranks, and in bits{of}", _fidelity)
            )
    return found


def _shown(matrix: Matrix, layout: Layout, caption: str, outcome: Any) -> Shown:
    rows = []
    for row, title in enumerate(matrix.rows):
        cells = []
        for column, group in enumerate(matrix.groups[row]):
            value, text, more = outcome(group) if group else (None, NONE, ())
            shade = 0 if value is None else round(SHADES * max(0.0, min(1.0, value)))
            cells.append(Shaded(text, more, shade, (row, column) in matrix.diagonal))
        rows.append((title, tuple(cells)))
    return Shown(f"{caption}; a row is {named(str(layout.rows))}, a column {named(str(layout.columns))}", matrix.columns, tuple(rows))


def _outcome(group: Group, direction: str) -> tuple[float | None, str, tuple[str, ...]]:
    recovered, left = group.figure(direction, RECOVERED), group.figure(direction, "attacked")
    clean = group.figure(direction, "clean")
    told = () if left is None or clean is None else (f"mAP {number(clean.value)} → {number(left.value)}",)
    if recovered is None:
        return (left.value if left else None), number(left.value if left else None), told
    ends = (f"[{share(recovered.interval[0])}, {share(recovered.interval[1])}]",) if recovered.interval else ()
    return recovered.value, share(recovered.value), (*ends, *told)


def _fidelity(group: Group) -> tuple[float | None, str, tuple[str, ...]]:
    bits, rank, features = (group.agreement[name] for name in ("bit_agreement", "rank_agreement", "feature_agreement"))
    first = bits if bits is not None else features
    what = "of bits" if bits is not None else "cosine of features"
    return rank, number(rank), (() if first is None else (f"{share(first) if bits is not None else number(first)} {what}",))
