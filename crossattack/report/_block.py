"""Blocks of a page that are made of kept figures: what lies between `<!-- NAME -->` and `<!-- end -->`, most often a table."""

import re
from collections.abc import Iterable, Sequence


def put(page: str, name: str, text: str) -> str:
    """The page with this text in the block of that name, in place of what was there."""
    return re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}{text}{found[2]}", page, flags=re.S)


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, ("---",) * len(header), *lines))
