"""The docs' table of attacks: what the plugins say of themselves, beside what a run of each was measured to do.

python -m crossattack.report.attacks docs/results/attacks.json
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.attacks import Needs
from crossattack.evaluation import ALONE, DIRECTIONS
from crossattack.registry import ATTACKS
from crossattack.report._block import markdown
from crossattack.report._rows import NONE, number

HEADER = ("attack", "family", "needs", "paper", "queries", "seconds", "pictures: mAP", "recovered", "texts: mAP", "recovered")


@dataclass(frozen=True)
class Facts:
    """What an attack says of itself."""

    family: str
    needs: str
    paper: str


def facts(name: str) -> Facts:
    """Read off the plugin: its family, what it cannot do without, and who published it."""
    attack = ATTACKS.load(name)
    needs = attack.needs
    parts = [
        what
        for what, wanted in {"surrogate or white box": needs.gradients, "surrogate": needs.surrogate, "white box": needs.white_box}.items()
        if wanted
    ]
    if set(needs.reveals) != set(Needs().reveals):
        parts.append(" or ".join(needs.reveals))
    elif needs.queries:
        parts.append("queries")
    return Facts(attack.family, ", ".join(parts) or "nothing", paper(str(attack.__doc__)))


def paper(docstring: str) -> str:
    """Venue and year of the source: the end of its `Paper:` paragraph."""
    told = " ".join(docstring.partition("Paper:")[2].split())
    found = re.search(r"\"(?P<title>[^\"]*)\",\s*(?P<venue>[^.;]*\d{4})", told)
    return f"{told.split(',')[0].split(' and ')[0]} et al., {found['venue']}" if found else NONE


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A row an attack, in Markdown; a dash where nothing was measured."""
    return markdown(HEADER, (_row(name, measured.get(name)) for name in ATTACKS.names()))


def _row(name: str, one: Mapping[str, Any] | None) -> tuple[str, ...]:
    own = facts(name)
    said = (f"`{name}`", own.family, own.needs, own.paper)
    if one is None:
        return (*said, *(NONE,) * (len(HEADER) - len(said)))
    changed = ATTACKS.load(name).needs.changes
    cells = [
        cell
        for direction, modality in DIRECTIONS.items()
        if direction not in ALONE
        for cell in (_measured(one["directions"][direction]) if modality in changed else (NONE, NONE))
    ]
    return (*said, f"{one['spent']:,}", number(one["seconds"], 0), *cells)


def _measured(found: Mapping[str, Any]) -> tuple[str, str]:
    """0.693 → 0.212 and 79 %; a star where the interval of what is taken beyond noise does not reach above zero."""
    beyond = found["over_noise_ci95"]
    star = "" if beyond and beyond[0] > 0 else " *"
    share = NONE if found["recovered"] is None else f"{round(100 * found['recovered'])} %"
    return f"{number(found['map']['clean'])} → {number(found['map']['attacked'])}{star}", share


def main() -> None:
    """Print the table of the file that is named."""
    print(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["attacks"]), end="")


if __name__ == "__main__":
    main()
