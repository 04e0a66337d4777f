"""What is to be said of somebody's copy of a data set: what it is, what it holds, what is missing or damaged, where it is obtained."""

from dataclasses import dataclass

import numpy as np

from crossattack.datasets import Dataset, Pairs
from crossattack.datasets._summary import summary, words_in_texts
from crossattack.errors import CrossattackError, DataError, PicturesMissing
from crossattack.fingerprint import fingerprint_images
from crossattack.progress import Progress
from crossattack.stored import BATCH, Pixels
from surrogates.texts import words_of

BUILT_HERE = "nowhere: it is built or drawn on first use"
MOST_NAMED = 5  # damaged pictures that are named
SAMPLE = 256  # pictures whose mean says which way is up; pairs for which the others are counted that are relevant


@dataclass(frozen=True)
class Findings:
    """Rows of (what, finding), and whether nothing is wrong."""

    rows: list[tuple[str, str]]
    sound: bool


def findings(plugin: Dataset, progress: Progress) -> Findings:
    """Everything, read to the last picture; whatever a damaged file does is a row and no exception."""
    obtained = ("where it is obtained", str(getattr(plugin, "obtained", BUILT_HERE)))
    try:
        pairs, split = plugin.load(progress)
        rows = [*summary(pairs, split), *labels_told(pairs), *texts_told(pairs), ("digest of the split", split.digest())]
        wrong, told = pictures_told(pairs, progress)
    except PicturesMissing as error:
        rest = error.pairs
        assert isinstance(rest, Pairs)
        return Findings([*all_but_pictures(rest), ("missing or wrong", str(error)), obtained], False)
    except CrossattackError as error:
        return Findings([("missing or wrong", line) for line in str(error).splitlines()] + [obtained], False)
    except Exception as error:  # whatever a file can do to a reader: this command is for such files
        return Findings([("damaged", f"{type(error).__name__}: {' '.join(str(error).split()):.200}"), obtained], False)
    damaged = [("damaged picture", said) for said in wrong[:MOST_NAMED]]
    missing = f"{len(wrong):,} of {len(pairs):,} pictures cannot be read" if wrong else "nothing: every picture was read"
    return Findings([*rows, *told, *damaged, ("missing or wrong", missing), obtained], not wrong)


def all_but_pictures(pairs: Pairs) -> list[tuple[str, str]]:
    """What texts and labels tell where pictures are not there."""
    marks = pairs.labels[:: max(1, len(pairs) // SAMPLE)].float()
    floor = float(((marks @ pairs.labels.float().T) > 0).float().mean())
    rows = [("pairs", f"{len(pairs):,}"), *pairs.told, ("labels", f"{len(pairs.label_names):,}"), *words_in_texts(pairs)]
    return [*rows, ("floor, about (share of relevant pairs)", f"{floor:.4f}"), *labels_told(pairs), *texts_told(pairs)]


def labels_told(pairs: Pairs) -> list[tuple[str, str]]:
    """How often labels occur, and together with how many others."""
    counts, each = pairs.labels.sum(0), pairs.labels.sum(1)
    often, rare = int(counts.argmax()), int(counts.argmin())
    share = [f"{pairs.label_names[label]}: {int(counts[label]):,} pairs, {int(counts[label]) / len(pairs):.1%}" for label in (often, rare)]
    spread = f"{int(each.min())} to {int(each.max())}, median {int(each.median())}; {int((each == 0).sum()):,} pairs have none"
    return [("most frequent label", share[0]), ("rarest label", share[1]), ("labels a pair", spread)]


def texts_told(pairs: Pairs) -> list[tuple[str, str]]:
    """Texts that say nothing, or what another says."""
    if not pairs.texts:
        return []
    words = [tuple(words_of(text)) for text in pairs.texts]
    return [("texts without a word", f"{sum(not text for text in words):,}"), ("different texts", f"{len(set(words)):,}")]


def pictures_told(pairs: Pairs, progress: Progress) -> tuple[list[str], list[tuple[str, str]]]:
    """Which pictures cannot be read and why; how many are the same to the bit; which way is up."""
    wrong, seen, first = list[str](), set[bytes](), list[Pixels]()
    with progress.stage("reading every picture", total=len(pairs)) as tick:
        for start in range(0, len(pairs), BATCH):
            here = range(start, min(start + BATCH, len(pairs)))
            try:
                batches = [pairs.images[start : start + BATCH]]
            except DataError:
                batches = []
                for item in here:
                    try:
                        batches.append(pairs.images[item : item + 1])
                    except DataError as error:
                        wrong.append(str(error))
            for batch in batches:
                seen.update(fingerprint_images(batch))
                first += [batch] if start < SAMPLE else []
            tick(len(here), f"{len(wrong):,} damaged" if wrong else "")
    told = [("different pictures", f"{len(seen):,}")]
    return wrong, told + (upright(first) if any(what.startswith("axes") for what, _ in pairs.told) else [])


def upright(batches: list[Pixels]) -> list[tuple[str, str]]:
    """Photographs have more light at the top than at the bottom, and as much on the left as on the right."""
    if not batches:
        return []
    mean = np.mean([picture.numpy().mean(0) for batch in batches for picture in batch], axis=0)
    down, across = float(mean.mean(1).std()), float(mean.mean(0).std())
    if down >= across:
        return [("which way is up", f"light differs more from top to bottom ({down:.1f}) than from left to right ({across:.1f}): upright")]
    return [
        ("which way is up", f"light differs more from left to right ({across:.1f}) than from top to bottom ({down:.1f}): try `data.axes`")
    ]
