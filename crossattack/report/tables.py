"""results.json as tables: one form for the page, for CSV and for LaTeX. A cell has the value as it is and as it is told."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from crossattack.report._doubts import doubt
from crossattack.report._rows import CONDITIONS, NONE, bill_line, conditions, count, directions, number, share

Value: TypeAlias = str | int | float | None
VERDICTS = {True: "✓ ok", False: "✗ failed", None: "– not measurable"}
LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"–": "--", "→": r"$\to$", "∞": r"$\infty$", "Δ": r"$\Delta$", "✓": "", "✗": "", "<": r"$<$", ">": r"$>$"},
}
MEASURES = {
    "linf": ("L∞, mean", ".4f"),
    "linf_max": ("L∞, largest", ".4f"),
    "l2": ("L2, mean", ".3f"),
    "l2_max": ("L2, largest", ".3f"),
    "l0": ("changed pixels", ",.0f"),
    "psnr": ("PSNR in dB", ".1f"),
    "unchanged": ("pictures left as they were", ",d"),
    "ssim": ("SSIM (1: the same)", ".3f"),
    "ms_ssim": ("MS-SSIM (1: the same)", ".3f"),
    "ciede2000": ("colour difference, CIEDE2000 (below 1 hardly seen)", ".2f"),
    "perceptibility": ("perceptibility, over the set", ".4f"),
    "perceptibility_per_picture": ("perceptibility, mean of pictures", ".4f"),
    "edited": ("texts edited", ",d"),
    "edits": ("edits a text", ".2f"),
    "words_added": ("words added a text", ".2f"),
    "words_removed": ("words removed a text", ".2f"),
    "embedding_distance": ("1 - cosine of sentence vectors", ".3f"),
    "weight_linf": ("largest change of a word's weight", ".3f"),
    "weight_l1": ("change of all weights of a text", ".3f"),
    "words_moved": ("words moved a text", ".1f"),
}


@dataclass(frozen=True)
class Cell:
    """The value, which is sorted by and exported, and how it is told."""

    value: Value
    text: str


@dataclass(frozen=True)
class Table:
    """`key` names its files."""

    key: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def words(text: str) -> Cell:
    """A cell that says what it holds."""
    return Cell(text, text)


def tables(results: Mapping[str, Any]) -> list[Table]:
    """Those that have rows."""
    made = (scores(results), curves(results), distortion(results), bill(results), training(results), checks(results))
    return [table for table in made if table.rows]


def scores(results: Mapping[str, Any]) -> Table:
    """mAP of each condition in each direction, and its interval."""
    rows, names = [], conditions(results)
    for key, title in directions(results).items():
        found = results["directions"][key]
        for name in CONDITIONS:
            value, (low, high) = found.get("map", {}).get(name), found.get("map_ci95", {}).get(name) or (None, None)
            rows.append((words(title), words(names[name]), *(Cell(each, number(each)) for each in (value, low, high))))
    return Table("scores", "mAP with 95 % intervals", ("direction", "condition", "mAP", "from", "to"), tuple(rows))


def curves(results: Mapping[str, Any]) -> Table:
    """Precision at recalls of 0.1, 0.2, ... 1, where the target has codes."""
    rows, names = [], conditions(results)
    for key, title in directions(results).items():
        for name, curve in curves_of(results["directions"][key]).items():
            told = words(title), words(names.get(name, name))
            rows += [
                (*told, *(Cell(value, number(value, digits)) for value, digits in ((recall, 1), (precision, 3))))
                for recall, precision in curve
            ]
    return Table("precision_recall", "Precision at each recall", ("direction", "condition", "recall", "precision"), tuple(rows))


def curves_of(direction: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Points (recall, precision) by condition."""
    known = (direction.get("metrics") or {}).get("pr_curve") or {}
    return {name: [((place + 1) / len(curve), value) for place, value in enumerate(curve)] for name, curve in known.items() if curve}


def distortion(results: Mapping[str, Any]) -> Table:
    """How far pictures and texts were moved."""
    rows = [
        (words({"images": "pictures"}.get(what, what)), words(label), Cell(value, NONE if value is None else format(value, shape)))
        for what, measured in results.get("distortion", {}).items()
        for key, (label, shape) in MEASURES.items()
        if key in measured
        for value in (measured[key],)
    ]
    return Table("distortion", "How far attacked items differ from clean ones", ("of", "measure", "value"), tuple(rows))


def bill(results: Mapping[str, Any]) -> Table:
    """Who spent how many queries on what."""
    found = results.get("budget", {})
    spent = found.get("spent")
    lines = [("attacker", phase, queries) for phase, queries in found.get("phases", {}).items()]
    lines += [("attacker", "in all", spent), ("referee", "judging, on a bill of its own", found.get("evaluation"))] if found else []
    rows = [
        (words(who), words(phase), Cell(queries, count(queries)), _part(queries if who == "attacker" else None, found.get("cap")))
        for who, phase, queries in lines
    ]
    return Table("bill", bill_line(found), ("account", "phase", "queries", "of the budget"), tuple(rows))


def _part(queries: int | None, cap: int | None) -> Cell:
    part = queries / cap if queries is not None and cap else None
    return Cell(part, share(part))


def training(results: Mapping[str, Any]) -> Table:
    """Loss, and mAP on what was put aside, of each epoch of what was trained."""
    rows = [
        (words(name), Cell(place, str(place)), *(Cell(epoch.get(key), number(epoch.get(key))) for key in ("loss", "validation")))
        for name, curve in (results.get("training") or {}).items()
        for place, epoch in enumerate(curve, 1)
    ]
    return Table("training", "How the trainings went", ("of", "epoch", "loss", "mAP put aside"), tuple(rows))


def checks(results: Mapping[str, Any]) -> Table:
    """What must hold for the figures to mean what they say."""
    rows = [
        (
            Cell(str(one.get("ok")), VERDICTS[one.get("ok")]),
            words(_in_words(str(one.get("name", NONE)), results)),
            words(str(one.get("detail", NONE))),
            words(doubt(str(one.get("name", NONE)).rpartition(": ")[2])),
        )
        for one in results.get("checks", ())
    ]
    return Table("checks", "Validity checks", ("verdict", "check", "what it rests on", "what is wrong where it fails"), tuple(rows))


def _in_words(name: str, results: Mapping[str, Any]) -> str:
    """A check's name with its direction as it is called."""
    direction, colon, claim = name.partition(": ")
    return f"{directions(results).get(direction, direction)}{colon}{claim}"


def as_csv(table: Table) -> str:
    """The values, numbers in full, empty where there is none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows([["" if cell.value is None else cell.value for cell in row] for row in table.rows])
    return file.getvalue()


def as_latex(table: Table) -> str:
    """A `tabular` as it is told, to be put into a paper with \\input."""
    rows = [tuple(cell.text for cell in row) for row in table.rows]
    numeric = [all(isinstance(row[column].value, int | float | None) for row in table.rows) for column in range(len(table.header))]
    shape = "".join("r" if each else "l" for each in numeric)
    lines = [" & ".join("".join(LATEX.get(sign, sign) for sign in text).strip() for text in row) + r" \\" for row in (table.header, *rows)]
    return "\n".join([rf"\begin{{tabular}}{{{shape}}}", r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}", ""])
