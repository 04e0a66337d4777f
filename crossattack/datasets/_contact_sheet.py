"""A contact sheet: pictures with their texts or labels in one PNG, and below them whose they are and under which licence."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from textwrap import wrap

import torch
from PIL import Image, ImageDraw, ImageFont

from crossattack.cache import whole_file
from crossattack.datasets import Pairs
from crossattack.errors import DataError
from crossattack.streams import Streams

COLUMNS = 8
PICTURE = 128  # pixels of a picture on the sheet
CELL = (152, 208)
INK, GREY = (32, 32, 32), (110, 110, 110)
MARGIN = 12


def contact_sheet(pairs: Pairs, path: Path, *, count: int = 48, licences: Collection[str] | None = None, seed: int = 0) -> None:
    """Write a PNG with `count` pictures, no two of one group while there are enough, in the order of the pairs.

    Of pictures alone, a row shows several of one group: whether they are of one person or thing is what a reader asks.

    With `licences`, only pictures under one of these are shown: `licences=("Apache-2.0", "MIT")` for a page that cannot
    carry the terms of the others. `DataError` when none is left.
    """
    items = chosen(pairs, count, licences, seed)
    high, wide = pairs.images.shape[2:]
    credits = Counter(pairs.credits[item] for item in items if item is not None) if pairs.credits else Counter()
    told = "; ".join(f"{credit.source}, {credit.licence} ({number})" for credit, number in sorted(credits.items(), key=str))
    foot = wrap(f"Pictures: {told}. Changed to {high} x {wide} pixels." if told else "Drawn by crossattack.", 150)
    rows = -(-len(items) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0] + MARGIN, rows * CELL[1] + 20 * len(foot) + 2 * MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, item in enumerate(items):
        if item is None:
            continue
        left, top = place % COLUMNS * CELL[0] + MARGIN, place // COLUMNS * CELL[1] + MARGIN
        picture = Image.fromarray(pairs.images[item].permute(1, 2, 0).contiguous().numpy())
        size = (max(1, wide * PICTURE // max(high, wide)), max(1, high * PICTURE // max(high, wide)))
        way = Image.Resampling.NEAREST if max(high, wide) <= PICTURE else Image.Resampling.BILINEAR
        sheet.paste(picture.resize(size, way), (left, top))
        lines = wrap(said(pairs, item), 21, max_lines=4, placeholder=" ...")
        pen.multiline_text((left, top + PICTURE + 4), "\n".join(lines), fill=INK, font=font, spacing=2)
    pen.multiline_text((MARGIN, rows * CELL[1] + MARGIN), "\n".join(foot), fill=GREY, font=font)
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def said(pairs: Pairs, item: int) -> str:
    """What stands below a picture: its text, or its labels where it has none."""
    if not pairs.texts:
        return ", ".join(pairs.label_names[label] for label in torch.nonzero(pairs.labels[item]).flatten().tolist()) or "no label"
    text = pairs.texts[item]
    return text if isinstance(text, str) else ", ".join(text)


def chosen(pairs: Pairs, count: int, licences: Collection[str] | None, seed: int) -> list[int | None]:
    """Positions of the pictures to show: drawn, first one of each group, then further ones.

    Of pictures alone, a row of one group after the other; None is a place that stays empty.
    """
    allowed = [item for item in range(len(pairs)) if licences is None or (pairs.credits and pairs.credits[item].licence in licences)]
    if not allowed:
        known = sorted({credit.licence for credit in pairs.credits})
        raise DataError(
            f"pictures under {' or '.join(licences or ())} wanted, {', '.join(known) or 'none with a licence'} got; name others."
        )
    drawn = torch.tensor(allowed)[torch.randperm(len(allowed), generator=Streams(seed).torch("contact sheet"))].tolist()
    alike = dict[int, list[int]]()
    for item in drawn:
        alike.setdefault(int(pairs.groups[item]), []).append(item)
    if not pairs.texts:
        rows = sorted(alike.values(), key=lambda items: -min(len(items), COLUMNS))  # stable: fullest first, else as drawn
        return [item for items in rows for item in (*sorted(items[:COLUMNS]), *[None] * (COLUMNS - len(items)))][:count]
    shown = {items[0] for items in alike.values()}
    return sorted([*(items[0] for items in alike.values()), *(item for item in drawn if item not in shown)][:count])
