"""The page of a finished run, from its folder and the data set it ran on. Nothing is asked again, nothing is trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crossattack.cache import whole_file
from crossattack.datasets import Pairs, Split
from crossattack.errors import CrossattackError, UsageError
from crossattack.evidence import Evidence, read
from crossattack.ledger import Ledger
from crossattack.progress import Progress
from crossattack.report.examples import Examples, examples
from crossattack.report.page import Shown, page

PRIVATE = "The pictures are of real people, so none is shown; `crossattack report --pictures` shows them, where those people agreed."
HIDDEN = "Pictures were left out of this page on request."


@dataclass(frozen=True)
class Wish:
    """What a page is to show. pictures: None shows them unless they are of real people. count: of each direction."""

    pictures: bool | None = None
    count: int = 24
    seed: int = 0


def results_of(folder: Path) -> dict[str, Any]:
    """What results.json says; `UsageError` where there is none, or one that cannot be read."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"results.json of a finished run wanted in {folder}, none got; finish it with `--resume`.") from error
    if not isinstance(results, dict) or "directions" not in results:
        raise UsageError(f"results.json of a finished run wanted in {folder}, something else got; finish it with `--resume`.")
    return results


def write_report(folder: Path, path: Path, wish: Wish, progress: Progress) -> Shown:
    """Write the page, whole or not at all. Returns the examples on it, with what had to be said about them.

    `UsageError` where there are no results, or nothing can be written to `path`.
    """
    results = results_of(folder)
    shown = shown_of(folder, results, wish, progress)
    text = page(results, shown)
    try:
        with whole_file(path) as file:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"out: a file to write to wanted, {path} got ({error.strerror}); name another with `--out FILE`.") from error
    return shown


def shown_of(folder: Path, results: Mapping[str, Any], wish: Wish, progress: Progress) -> Shown:
    """Examples of the run; where something of it is missing, the rest, and a note that says what and why."""
    try:
        with Ledger.read(folder / "ledger.sqlite") as ledger:
            evidence = read(folder, ledger)
    except CrossattackError as error:
        return Shown(notes=(f"There are no examples: {error}",))
    notes = []
    try:
        pairs: Pairs | None = pairs_of(evidence, results, progress)
    except CrossattackError as error:
        pairs = None
        notes.append(f"What was found has numbers instead of pictures, texts and labels: {error}")
    private = bool(getattr(evidence.config.data.plugin, "real_people", False))
    pictures = not private if wish.pictures is None else wish.pictures
    notes += [] if pictures else [PRIVATE if private else HIDDEN]
    made: list[Examples] = examples(evidence, pairs, pictures=pictures, count=wish.count, seed=wish.seed)
    notes += [] if made else ["There are no examples: the target was asked about no changed item."]
    return Shown(made, notes)


def pairs_of(evidence: Evidence, results: Mapping[str, Any], progress: Progress) -> Pairs:
    """The data set of the run, loaded again; `UsageError` where it is no longer the same."""
    loaded: tuple[Pairs, Split] = evidence.config.data.plugin.load(progress)
    pairs, split = loaded
    wanted = results.get("dataset", {}).get("split_digest", evidence.split.digest())
    if split.digest() != wanted or not torch.equal(pairs.groups, evidence.groups):
        raise UsageError(f"the data set with split {wanted} wanted, {split.digest()} got; it has changed since the run.")
    return pairs
