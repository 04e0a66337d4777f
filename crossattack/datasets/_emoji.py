"""Emojis as concepts: what each is called, where Unicode puts it, and the words that three sources give it.

    emojibase   CLDR's name and tags     "grinning face": cheerful, cheery, face, grin, ...
    emojilib    its names and keywords   grinning, face, smile, happy, joy, smiley
    openmoji    CLDR's and its own tags  cheerful, cheery, face, ..., smile, happy

Two designs of one emoji get different pairs of sources, so that they say the same thing in different words. Words that
belong to fewer than ten concepts are left out: nobody can learn them.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from crossattack.datasets._npm import Package, fetch, read_members

EMOJIBASE = Package("emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a")
EMOJILIB = Package("emojilib", "4.0.3", "7f9a6b43cff31d18985b7d65d11faba5bd971cbcc60020cf6d09322fbaaaf303")
OPENMOJI = Package("openmoji", "17.0.0", "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68")

SOURCES_IN_ROTATION = ((0, 1), (1, 2), (2, 0))
FEWEST_CONCEPTS = 10
COMPONENT = 2  # Unicode's group of skin tones and hair styles: parts of emojis, not emojis
JOINING_WORDS = frozenset(["and", "at", "by", "for", "from", "in", "of", "on", "or", "over", "the", "to", "with", "without"])


@dataclass(frozen=True)
class Emoji:
    """One concept: `code` is its code points in hexadecimal without variation selectors, `words` has one entry a source."""

    code: str
    name: str
    group: str
    subgroup: str
    words: tuple[tuple[str, ...], ...]


def read_emojis() -> tuple[Emoji, ...]:
    """All emojis in Unicode's order; skin tones are variants, not concepts."""
    files = read_members(fetch(EMOJIBASE), ("en/data.json", "meta/groups.json"))
    meta = json.loads(files["meta/groups.json"])
    keywords = {code_of_characters(emoji): words for emoji, words in read_json(EMOJILIB, "dist/emoji-en-US.json").items()}
    tags = {code_of(entry["hexcode"]): f"{entry['tags']},{entry['openmoji_tags']}" for entry in read_json(OPENMOJI, "data/openmoji.json")}
    emojis = []
    for entry in sorted((e for e in json.loads(files["en/data.json"]) if e.get("group", COMPONENT) != COMPONENT), key=lambda e: e["order"]):
        code, name = code_of(entry["hexcode"]), entry["label"]
        words = (words_in([name, *entry.get("tags", ())]), words_in(keywords.get(code, ())), words_in([tags.get(code, "")]))
        emojis.append(Emoji(code, name, meta["groups"][str(entry["group"])], meta["subgroups"][str(entry["subgroup"])], words))
    return tuple(emojis)


def vocabulary(emojis: Sequence[Emoji]) -> frozenset[str]:
    """The words that belong to at least ten concepts, whichever source says so."""
    concepts = Counter(word for emoji in emojis for word in {word for source in emoji.words for word in source})
    return frozenset(word for word, count in concepts.items() if count >= FEWEST_CONCEPTS)


def text_of(emoji: Emoji, turn: int, known: frozenset[str]) -> tuple[str, ...]:
    """The known words of the two sources whose turn it is, each once; may be empty."""
    first, second = SOURCES_IN_ROTATION[turn % len(SOURCES_IN_ROTATION)]
    return tuple(word for word in dict.fromkeys(emoji.words[first] + emoji.words[second]) if word in known)


def words_in(phrases: Iterable[str]) -> tuple[str, ...]:
    """Words of two letters or more, in lower case and without accents: ["Piñata_party", ":D"] -> ("pinata", "party")."""
    plain = unicodedata.normalize("NFKD", " ".join(phrases).replace("’", "").replace("'", "")).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return tuple(dict.fromkeys(word for word in words if word.isalpha() and len(word) > 1 and word not in JOINING_WORDS))


def code_of(hexcode: str) -> str:
    """`0023-FE0F-20E3` -> `23-20e3`: sets disagree about zeros, case and variation selectors."""
    return "-".join(point for point in (part.lstrip("0") for part in hexcode.lower().split("-")) if point != "fe0f")


def code_of_characters(emoji: str) -> str:
    """The same for the characters themselves."""
    return code_of("-".join(f"{ord(character):x}" for character in emoji))


def read_json(package: Package, name: str) -> Any:
    """One JSON file of a package."""
    return json.loads(read_members(fetch(package), (name,))[name])
