"""The docs' table of defences: a row a defence and what the attack knows, from a sweep that was kept.

python -m crossattack.report.defences docs/results/defences.json docs/defences.md
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from crossattack.cache import whole_file
from crossattack.report._block import markdown, put
from crossattack.report._rows import NONE, number

HEADER = (
    "defence",
    "the attack knows it",
    "seeds",
    "pictures, clean",
    "texts, clean",
    "noise",
    "black box",
    "white box",
    "texts, white box",
)
HARDENED = {"target.adversarial": "adversarial training", "target.smoothing": "smoothing"}


def table(kept: Mapping[str, Any]) -> str:
    """mAP of the target, in Markdown, as means over the seeds that are done; a dash where nothing was measured.

    kept: what `crossattack report defences --keep` writes.
    """
    rows = dict[tuple[str, str], list[Mapping[str, Any]]]()
    for cell in kept["cells"]:
        if cell["state"] == "done":
            rows.setdefault(_key(cell["values"]), []).append(cell["directions"])
    return markdown(HEADER, ((*key, str(len(cells)), *_figures(cells)) for key, cells in rows.items()))


def filled(page: str, kept: Mapping[str, Any] | None) -> str:
    """The page with the table in its block; with nothing in it where nothing is kept."""
    return put(page, "defences", "" if kept is None else f"\n{table(kept)}\n")


def _key(values: Mapping[str, Any]) -> tuple[str, str]:
    """What defends, and whether the attack knows."""
    hardened = [f"{told}, {values[key]}" for key, told in HARDENED.items() if key in values]
    front = [f"`{values['defence']}`"] if values.get("defence", "none") != "none" else []
    defences = [*front, *hardened]
    return " and ".join(defences) or "none", ("yes" if values.get("oracle.adaptive", True) else "no") if defences else NONE


def _figures(cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    def over_seeds(direction: str, condition: str) -> str:
        found = [cell[direction]["map"][condition] for cell in cells]
        return NONE if None in found else number(mean(found))

    pictures, texts = "image_to_text", "text_to_image"
    columns = (
        (pictures, "clean"),
        (texts, "clean"),
        (pictures, "noise"),
        (pictures, "attacked"),
        (pictures, "ceiling"),
        (texts, "ceiling"),
    )
    return tuple(over_seeds(direction, condition) for direction, condition in columns)


def main() -> None:
    """Put the table of a kept sweep into a page."""
    kept, page = Path(sys.argv[1]), Path(sys.argv[2])
    told = filled(page.read_text(encoding="utf-8"), json.loads(kept.read_text(encoding="utf-8")))
    with whole_file(page) as file:
        file.write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
