"""Edits of a text as a person would make them: words added, removed, replaced, and the rules they keep.

    Draft.of("a red square").after(Edit(1, "blue")).text()            "a blue square"
    Draft.of("a red square").after(Edit(1, None)).text()              "a square"
    Draft.of(("red", "square")).after(Edit(None, "circle")).text()    ("red", "square", "circle")

An edit is spent where it is made: a word that came in is not touched again, so that a draft is as many edits away from its
clean text as were made, and a synonym's synonym never comes in.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias

import torch
import yaml
from pydantic import AfterValidator, Field

from crossattack.errors import UsageError
from surrogates.texts import Text, words_of

Action: TypeAlias = Literal["add", "remove", "replace"]


def _some(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    if not actions:
        raise ValueError("one or more of add, remove, replace wanted")
    return actions


Actions: TypeAlias = Annotated[tuple[Action, ...], AfterValidator(_some)]
Edits: TypeAlias = Annotated[int, Field(ge=0, le=100)]  # the most words of a text that are touched
Least: TypeAlias = Annotated[int, Field(ge=0)]  # of the attacker's texts, that hold a word which may come in
Width: TypeAlias = Annotated[int, Field(ge=1)]  # drafts that a search keeps; 1 is greedy
Tried: TypeAlias = Annotated[int, Field(ge=1)] | None  # drafts that are scored a step, after a first-order ranking; None: all
EVERY: tuple[Action, ...] = ("add", "remove", "replace")


class Edit(NamedTuple):
    """One change: the place of a word of the clean text, None for a new one at the end; the word that comes, None for none."""

    place: int | None
    word: str | None


@dataclass(frozen=True)
class Draft:
    """A text under edit: what stands at the place of each of its clean words (None: removed), and what was added."""

    clean: Text
    words: tuple[str, ...]
    now: tuple[str | None, ...]
    added: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: Text) -> "Draft":
        """The clean text."""
        words = tuple(found.group().lower() for found in re.finditer(r"\w+", text)) if isinstance(text, str) else tuple(text)
        return cls(text, words, words)

    @property
    def key(self) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
        """Equal for two drafts of one text that are the same, however they came about."""
        return self.now, self.added

    def after(self, edit: Edit) -> "Draft":
        """The draft with one more edit. Added words stand in alphabetical order, as their order says nothing."""
        if edit.place is None:
            assert edit.word is not None, "an added word is a word"
            return replace(self, added=tuple(sorted((*self.added, edit.word))))
        return replace(self, now=(*self.now[: edit.place], edit.word, *self.now[edit.place + 1 :]))

    def text(self) -> Text:
        """The text as a person would send it: a list as a list; in a string all that was not touched stays, letter by letter."""
        if not isinstance(self.clean, str):
            words = [word for word in self.now if word is not None] + list(self.added)
            return words if isinstance(self.clean, list) else tuple(words)
        text, places = self.clean, [found.span() for found in re.finditer(r"\w+", self.clean)]
        for (start, end), word, before in reversed(list(zip(places, self.now, self.words, strict=True))):
            rest = text[end:]
            if word is None:
                text = text[:start] + rest.lstrip() if rest.strip() else text[:start].rstrip() + rest.strip()
            elif word != before:
                text = text[:start] + word + rest
        return " ".join(part for part in (text, *self.added) if part)


@dataclass(frozen=True)
class Rules:
    """What may be done: which actions, and which words may come in; with `synonyms`, only those of the word they replace."""

    words: tuple[str, ...]
    actions: tuple[Action, ...] = EVERY
    synonyms: Mapping[str, tuple[str, ...]] | None = None

    def edits(self, draft: Draft) -> list[Edit]:
        """Every edit that is allowed next. One word stays at least; no word comes in that the text has, or had."""
        here = {*draft.words, *draft.now, *draft.added}
        coming = [word for word in self.words if word not in here]
        untouched = [place for place, word in enumerate(draft.words) if draft.now[place] == word]
        found: list[Edit] = []
        if "remove" in self.actions and sum(word is not None for word in draft.now) + len(draft.added) > 1:
            found += [Edit(place, None) for place in untouched]
        if "add" in self.actions:
            found += [Edit(None, word) for word in coming]
        if "replace" in self.actions:
            found += [Edit(place, word) for place in untouched for word in self._instead(draft.words[place], coming)]
        return found

    def _instead(self, word: str, coming: list[str]) -> list[str]:
        if self.synonyms is None:
            return coming
        return [other for other in coming if other in self.synonyms.get(word, ())]


def rules_for(texts: Sequence[Text], *, actions: tuple[Action, ...], least: int, synonyms: str | None) -> Rules:
    """The rules of an attacker with these texts: words come from at least `least` of them, or from the table of synonyms.

    synonyms: a YAML or JSON file of `word: [other, another]`; with it, words are replaced by synonyms and nothing else is done.
    `least: 0` lets in words of the table that stand in none of the texts. UsageError where nothing can be done.
    """
    counts = Counter(word for text in texts for word in set(words_of(text)))
    table = None if synonyms is None else read_synonyms(Path(synonyms))
    known = {*counts} if table is None else {*counts} | {word for others in table.values() for word in others}
    words = tuple(sorted(word for word in known if counts[word] >= least))
    if table is not None:
        if "replace" not in actions:
            raise UsageError(f"attack.actions: replace wanted with a table of synonyms, {', '.join(actions)} got; leave either out.")
        actions = ("replace",)
    if not words and actions != ("remove",):
        most = max(counts.values(), default=0)
        raise UsageError(f"attack.least: words in {least} or more of the attacker's texts wanted, the commonest is in {most}; lower it.")
    return Rules(words, actions, table)


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """A table of synonyms, in lower case. UsageError where the file is none."""
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"attack.synonyms: a file of `word: [other, ...]` wanted, {path} got: {' '.join(str(error).split())}.") from error
    if not isinstance(table, dict) or not all(isinstance(others, list) for others in table.values()):
        raise UsageError(f"attack.synonyms: lines of `word: [other, ...]` wanted, {path} holds something else; write it so.")
    return {str(word).lower(): tuple(str(other).lower() for other in others) for word, others in table.items()}


def at_random(text: Text, rules: Rules, edits: int, generator: torch.Generator) -> Text:
    """The text after so many edits, each drawn from all that are allowed; fewer where no more are."""
    draft = Draft.of(text)
    for _ in range(edits):
        choices = rules.edits(draft)
        if not choices:
            break
        draft = draft.after(choices[int(torch.randint(len(choices), (1,), generator=generator))])
    return draft.text()
