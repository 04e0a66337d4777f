"""The docs' table of targets: what the plugins say of themselves, beside what they were measured to find.

python -m crossattack.report.quality docs/results/targets.json
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from crossattack.registry import TARGETS
from crossattack.report._block import markdown
from crossattack.report._rows import NONE, number
from crossattack.report.attacks import paper

HEADER = ("target", "learns from", "paper", "seeds", "pictures ask for texts", "texts ask for pictures", "floor", "seconds", "parameters")


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a target that is trained here, in Markdown; means over the seeds, a dash where nothing was measured.

    measured: by target and seed, as `benchmarks/targets.py` writes it.
    """
    names = [name for name in TARGETS.names() if not {"remote", "brought"} & set(vars(TARGETS.load(name)))]
    return markdown(HEADER, (_row(name, measured.get(name, {})) for name in names))


def _row(name: str, seeds: Mapping[str, Any]) -> tuple[str, ...]:
    plugin = TARGETS.load(name)
    supervised = getattr(plugin, "supervised", None)
    learns = NONE if supervised is None else "labels" if supervised else "pairs alone"
    said = (f"`{name}`", learns, paper(str(plugin.__doc__)))
    if not seeds:
        return (*said, *(NONE,) * (len(HEADER) - len(said)))
    told = list(seeds.values())

    def over_seeds(value: Callable[[Any], float]) -> float:
        return mean(value(one) for one in told)

    return (
        *said,
        str(len(told)),
        number(over_seeds(lambda one: one["map"]["image_to_text"])),
        number(over_seeds(lambda one: one["map"]["text_to_image"])),
        number(over_seeds(lambda one: one["floor"])),
        number(over_seeds(lambda one: one["seconds"]), 0),
        number(over_seeds(lambda one: one["parameters"] / 1e6), 1) + " M",
    )


def main() -> None:
    """Print the table of the file that is named."""
    print(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["targets"]), end="")


if __name__ == "__main__":
    main()
