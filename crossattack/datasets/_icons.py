"""The nine sets of drawings, and which drawing of a set shows which emoji.

A set is one JSON of SVG bodies by name. Where it comes with a table of code points, that table decides; where it does not,
the name must be the emoji's CLDR name (`grinning-face`, or `grinningface` as fxemoji writes it).
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossattack.datasets import Credit
from crossattack.datasets._emoji import Emoji, code_of
from crossattack.datasets._npm import Package, fetch, read_members

Json = Mapping[str, Any]


@dataclass(frozen=True)
class IconSet:
    """A package of drawings and whom to credit for them."""

    package: Package
    credit: Credit


def _set(name: str, version: str, sha256: str, source: str, licence: str) -> IconSet:
    return IconSet(Package(f"@iconify-json/{name}", version, sha256), Credit(source, licence))


SETS = (
    _set("noto", "1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad", "Noto Emoji (Google)", "Apache-2.0"),
    _set("noto-v1", "1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37", "Noto Emoji v1 (Google)", "Apache-2.0"),
    _set("fxemoji", "1.2.2", "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef", "FxEmoji (Mozilla)", "Apache-2.0"),
    _set("fluent-emoji", "1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b", "Fluent Emoji (Microsoft)", "MIT"),
    _set(
        "fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "Fluent Emoji flat (Microsoft)",
        "MIT",
    ),
    _set("twemoji", "1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7", "Twemoji (Twitter)", "CC-BY-4.0"),
    _set("emojione", "1.2.3", "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e", "EmojiOne 2 (Emoji One)", "CC-BY-4.0"),
    _set(
        "openmoji", "1.2.29", "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5", "OpenMoji (openmoji.org)", "CC-BY-SA-4.0"
    ),
    _set(
        "emojione-v1", "1.2.3", "6641d59d48a42823fdc2b84e7427e9f302944eb98d2c7d94d6e67c139e7b37b3", "EmojiOne 1 (Emoji One)", "CC-BY-SA-4.0"
    ),
)


def drawings(icons: IconSet, emojis: Sequence[Emoji]) -> dict[str, str]:
    """The set's drawings of these emojis, as SVG by the emoji's code; emojis that the set does not draw are absent."""
    files = read_members(fetch(icons.package), ("icons.json", "chars.json"))
    content, characters = json.loads(files["icons.json"]), json.loads(files["chars.json"])
    names = by_code(characters) if characters else by_name(content, emojis)
    found = {emoji.code: svg_of(content, names[emoji.code]) for emoji in emojis if emoji.code in names}
    return {code: svg for code, svg in found.items() if svg is not None}


def by_code(characters: Json) -> dict[str, str]:
    """Code -> name, from the set's own table."""
    return {code_of(code): name for code, name in characters.items()}


def by_name(content: Json, emojis: Sequence[Emoji]) -> dict[str, str]:
    """Code -> name, where the emoji's CLDR name is in the set. A name that several emojis share says nothing."""
    drawn = {squeezed(name): name for name in (*content.get("aliases", {}), *content["icons"])}
    shared = Counter(squeezed(emoji.name) for emoji in emojis)
    matches = ((emoji.code, squeezed(emoji.name)) for emoji in emojis)
    return {code: drawn[name] for code, name in matches if name in drawn and shared[name] == 1}


def svg_of(content: Json, name: str) -> str | None:
    """The drawing as a whole SVG; an alias is its parent, perhaps mirrored. None for what is neither."""
    mirrored = False
    while name in content.get("aliases", {}):
        alias = content["aliases"][name]
        if set(alias) - {"parent", "hFlip"}:
            return None
        name, mirrored = alias["parent"], mirrored != bool(alias.get("hFlip"))
    if name not in content["icons"]:
        return None
    sizes = {**content, **content["icons"][name]}
    left, top, width, height = sizes.get("left", 0), sizes.get("top", 0), sizes.get("width", 16), sizes.get("height", 16)
    body = sizes["body"]
    if mirrored:
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{left} {top} {width} {height}" width="64" height="64">{body}</svg>'


def squeezed(name: str) -> str:
    """`flag: Côte d’Ivoire` -> `flagcotedivoire`: sets disagree about hyphens, accents and apostrophes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "", plain.replace("&", "and"))
