"""Blocks of a page that are made of kept figures: what lies between `<!-- NAME -->` and `<!-- end -->`."""

import re


def put(page: str, name: str, text: str) -> str:
    """The page with this text in the block of that name, in place of what was there."""
    return re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}{text}{found[2]}", page, flags=re.S)
