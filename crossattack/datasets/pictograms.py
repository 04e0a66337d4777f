"""Pictograms: one emoji drawn by up to nine hands, with the words that people give it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from crossattack.cache import cache_folder
from crossattack.datasets import Pairs, Split
from crossattack.datasets._emoji import EMOJIBASE, EMOJILIB, OPENMOJI, Emoji, read_emojis, text_of, vocabulary
from crossattack.datasets._icons import SETS, drawings
from crossattack.datasets._kept import kept_pairs
from crossattack.datasets._npm import fetch
from crossattack.datasets._render import draw_all
from crossattack.datasets._splits import split_by_group
from crossattack.progress import Progress

RECIPE = 1  # raise it whenever the build changes what comes out
FEWEST_PICTURES = 100  # of a subgroup that is a label of its own
PACKAGES = (EMOJIBASE, EMOJILIB, OPENMOJI, *(icons.package for icons in SETS))


@dataclass(frozen=True, kw_only=True)
class Pictograms:
    """Drawn art from nine public emoji sets, 64x64, with tags; relevant is what shares a Unicode group.

    Each item is one design of one emoji; its text is a list of words. Labels are the emoji's Unicode group and, where it
    has at least 100 pictures, its subgroup. Groups are the emojis, and no emoji is in two of query, attacker, held back
    and database. A design whose two word sources know no word of the vocabulary is left out, and so is a drawing that an
    earlier item shows pixel for pixel (Bouvet Island flies Norway's flag).

    Fetched from npm (28 MB of drawings, 11 MB of words) and drawn on first use, in well under two minutes.
    """

    query: int = 1000
    attacker: int = 2500
    held_back: int = 200
    train: int = 6000
    split_seed: int = 0

    def load(self, progress: Progress) -> tuple[Pairs, Split]:
        """The pairs and their split; `MissingDependency` without npm, `DataError` without a network on first use."""
        pairs = kept_pairs(cache_folder("data") / f"pictograms-{recipe_digest()}.h5", build, progress)
        roles = {"query": self.query, "attacker": self.attacker, "held_back": self.held_back, "train": self.train}
        return pairs, split_by_group(pairs.groups, **roles, seed=self.split_seed)


def build(progress: Progress) -> Pairs:
    """Fetch, match, draw and label."""
    with progress.stage("fetching pictograms", total=len(PACKAGES)) as tick:
        for package in PACKAGES:
            fetch(package)
            tick(1, package.name)
    emojis = read_emojis()
    known = vocabulary(emojis)
    with progress.stage("reading pictograms", total=len(SETS)) as tick:
        svgs = []
        for icons in SETS:
            svgs.append(drawings(icons, emojis))
            tick(1, icons.credit.source)
    designs = [[design for design, drawn in enumerate(svgs) if emoji.code in drawn] for emoji in emojis]
    found = [(number, design, turn) for number, drawn in enumerate(designs) for turn, design in enumerate(drawn)]
    texts = [text_of(emojis[number], number + turn, known) for number, _, turn in found]
    told = [(number, design, text) for (number, design, _), text in zip(found, texts, strict=True) if text]
    images = draw_all([svgs[design][emojis[number].code] for number, design, _ in told], progress, "pictograms")
    first = sorted(np.unique([hashlib.sha256(image.tobytes()).digest() for image in images], return_index=True)[1].tolist())
    kept = [told[position] for position in first]
    labels, label_names = label([emojis[number] for number, _, _ in kept])
    return Pairs(
        torch.from_numpy(images[first]),
        tuple(text for _, _, text in kept),
        torch.from_numpy(labels),
        torch.tensor([number for number, _, _ in kept]),
        label_names,
        tuple(SETS[design].credit for _, design, _ in kept),
    )


def label(emojis: Sequence[Emoji]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Group and subgroup of every picture, as booleans and names; small subgroups are merged into their group."""
    pictures = Counter((emoji.group, emoji.subgroup) for emoji in emojis)
    names = tuple(dict.fromkeys(group for group, _ in pictures))
    names += tuple(f"{group}/{subgroup}" for (group, subgroup), count in pictures.items() if count >= FEWEST_PICTURES)
    columns = {name: column for column, name in enumerate(names)}
    labels = np.zeros((len(emojis), len(names)), bool)
    for row, emoji in enumerate(emojis):
        labels[row, columns[emoji.group]] = True
        if (subgroup := f"{emoji.group}/{emoji.subgroup}") in columns:
            labels[row, columns[subgroup]] = True
    return labels, names


def recipe_digest() -> str:
    """Eight hexadecimal digits of all that decides the outcome: the packages, the renderer and this recipe."""
    parts = [str(RECIPE), version("resvg-py"), *(package.sha256 for package in PACKAGES)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]
