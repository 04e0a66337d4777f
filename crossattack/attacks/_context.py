"""What an attack is given: an oracle, the attacker's own pairs, and surrogates on the same bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from crossattack.attacks._answers import Answers, CodeAnswers, FeatureAnswers, ListAnswers
from crossattack.attacks._surrogate import (
    FeatureSurrogate,
    Front,
    Lesson,
    Surrogate,
    SurrogateRecipe,
    fit_features,
    fit_surrogate,
    triplets,
)
from crossattack.codes import Codes, harden
from crossattack.common import Common
from crossattack.encoding import Encoder
from crossattack.endpoint import Similarity
from crossattack.errors import BudgetRefused, UsageError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.ledger import Modality
from crossattack.mining import ascending
from crossattack.oracle import Answer, Oracle, Reveals
from crossattack.progress import Progress
from crossattack.streams import Streams
from crossattack.trainings import SUFFIX
from surrogates.texts import Bags, Text

BATCH = 100  # items a query
LEAST_PAIRS = 8


@runtime_checkable
class OpenEncoder(Encoder, Protocol):
    """A network whose gradients an attack may follow: a surrogate, or the target where the threat model grants it."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that its bags of words know; none where its texts are no bags."""
        ...


@dataclass(frozen=True)
class WhiteBox:
    """Everything: what a ceiling is computed with, and no black box ever sees.

    target: what answers, where that is another than the `encoder` whose slopes are followed: one behind a defence.
    """

    encoder: OpenEncoder
    image_codes: Codes | Float[Tensor, "items dim"]  # of the database; features where the target compares those
    text_codes: Codes | Float[Tensor, "items dim"] | None  # None of pictures alone
    database_labels: Bool[Tensor, "items labels"]
    query_labels: Bool[Tensor, "attacked labels"]  # of the attacked items, by their ids
    own_labels: Bool[Tensor, "pairs labels"]  # of the attacker's own pairs
    similarity: Similarity = Similarity.HAMMING  # how the target compares what its encoder makes
    target: OpenEncoder | None = None

    @property
    def answering(self) -> OpenEncoder:
        """What the attacked items will meet."""
        return self.encoder if self.target is None else self.target


@dataclass(frozen=True)
class Chosen:
    """Database items that an attack promotes or demotes: their ids, and the items themselves, which their seller has."""

    ids: tuple[int, ...]
    images: UInt8[Tensor, "chosen 3 height width"]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Attacked:
    """All attacked pairs, whole: item i is `images[i]` and `texts[i]`, whichever of the two is perturbed at the time."""

    images: UInt8[Tensor, "attacked 3 height width"]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class AttackContext:
    """Handed to `Attack.fit`. Whatever an attack learns of the target it learns through `oracle`.

    images, texts: the attacker's own pairs, disjoint from queries, database and the target's training pairs.
    attacked: how many items of either modality will be attacked.
    wanted: for each of them, the position of the own pair that a targeted attack is to make it look like.
    folder: where checkpoints go; a resumed run finds there what was finished.
    pairs: the attacked items by pairs, for attacks that need them so.
    common: where runs that ask and train alike find what one of them has trained.
    front: the target's defence, where the attacker knows of one: its surrogates have it in front.
    """

    oracle: Oracle
    images: UInt8[Tensor, "pairs 3 height width"]
    texts: tuple[Text, ...]
    streams: Streams
    device: str
    progress: Progress
    folder: Path
    attacked: int
    wanted: Mapping[Modality, Int64[Tensor, " attacked"]]
    chosen: Chosen | None = None
    recipe: SurrogateRecipe = field(default_factory=SurrogateRecipe)
    white_box: WhiteBox | None = None
    pairs: Attacked | None = None
    common: Common = field(default_factory=Common)
    front: Front = None
    made: dict[str, Surrogate | FeatureSurrogate] = field(default_factory=dict)  # by name; for the referee to look at

    @property
    def has_features(self) -> bool:
        """Whether what is attacked compares features rather than codes."""
        return not self.texts if self.white_box is None else self.white_box.similarity is not Similarity.HAMMING

    def surrogate(self, *, name: str = "surrogate", reserve: int = 0, lesson: Lesson = triplets) -> Surrogate:
        """Query as many of the attacker's pairs as the budget covers, mine triplets, train a surrogate on them.

        reserve: queries to leave for later. lesson: what it learns from the answers, if not triplets. A finished surrogate
        is read back from `folder` on resume.
        """
        return self.learned(self.answers(reserve), name=name, lesson=lesson)

    def learned(
        self, answers: Answers, *, name: str = "surrogate", lesson: Lesson = triplets, recipe: SurrogateRecipe | None = None
    ) -> Surrogate:
        """A surrogate of what these answers say, or the one that is there already; by another recipe than the run's where one is given."""
        path, recipe = self.folder / f"{name}.safetensors", recipe or self.recipe
        of = answers, recipe, self.streams, self.device, *_told(lesson), *self._behind
        with self.common.made_once(files_of(path), *of):
            made = fit_surrogate(answers, recipe, self.streams, self.device, self.progress, path, lesson, self.front)
        self.made[name] = made
        return made

    def feature_surrogate(self, *, name: str = "surrogate", reserve: int = 0) -> FeatureSurrogate:
        """The same of a target that makes features of pictures alone."""
        path = self.folder / f"{name}.safetensors"
        answers = self.feature_answers(reserve)
        with self.common.made_once(files_of(path), answers, self.recipe, self.streams, self.device, *self._behind):
            made = fit_features(answers, self.recipe, self.streams, self.device, self.progress, path, self.front)
        self.made[name] = made
        return made

    @property
    def _behind(self) -> tuple[object, ...]:
        """What tells surrogates behind a defence from others."""
        return () if self.front is None else (self.front,)

    def allowance(self, queries: int) -> int:
        """Queries that one attacked item may cost: `queries`, the oracle's cap an item, an equal share of the budget; the least.

        The share is of the attacked items of one modality, as attacks by queries change one, and is settled before the first
        query: neither the order of the items nor how they are cut into batches decides who gets how many.
        """
        share = self.oracle.cap // max(1, self.attacked)
        return min(queries, share, share if self.oracle.per_item is None else self.oracle.per_item)

    def answers(self, reserve: int = 0) -> Answers:
        """Codes of, or lists for, as many of the attacker's pairs as the whole budget less `reserve` covers.

        Pairs are asked in one random order, whatever the budget, so that a smaller budget's pairs are the first of a
        larger one's. An item that occurs twice is paid for once, so pairs that share a text leave room for more pairs.
        """
        order = self._bought(reserve)
        images, texts = self.images[order], [self.texts[i] for i in order.tolist()]
        asked: list[tuple[list[int], Answer, Answer]] = []
        with self.progress.stage("querying the target", 2 * len(order)) as tick:
            for start in range(0, len(order), BATCH):
                here = list(range(start, min(start + BATCH, len(order))))
                asked += self._asked(images, texts, here)
                tick(2 * len(here), queries_left=self.oracle.remaining)
        positions = [position for few, _, _ in asked for position in few]
        images, texts = images[positions], [texts[i] for i in positions]
        of_images, of_texts = [answer for _, answer, _ in asked], [answer for _, _, answer in asked]
        if self.oracle.reveals is not Reveals.RANKING:
            return CodeAnswers(images, texts, *(torch.cat([codes_of(answer) for answer in side]) for side in (of_images, of_texts)))
        image_lists, text_lists = (torch.cat([answer.ids for answer in side]) for side in (of_images, of_texts))
        image_ids, text_ids = ascending(text_lists), ascending(image_lists)  # a text finds pictures, a picture texts
        pictures, words = self.oracle.shown_images(image_ids), self.oracle.shown_texts(text_ids)
        assert not isinstance(words, Bags), "a database's texts are as people wrote them"
        return ListAnswers(images, texts, image_lists, text_lists, pictures, words, image_ids, text_ids)

    def feature_answers(self, reserve: int = 0) -> FeatureAnswers:
        """Features of as many of the attacker's pictures as the whole budget less `reserve` covers."""
        order = self._bought(reserve)
        images, found = self.images[order], list[Tensor]()
        with self.progress.stage("querying the target", len(order)) as tick:
            for start in range(0, len(order), BATCH):
                found.append(self.oracle.query_images(images[start : start + BATCH], phase="mining").features)
                tick(len(found[-1]), queries_left=self.oracle.remaining)
        return FeatureAnswers(images, torch.cat(found))

    def _asked(self, images: Tensor, texts: list[Text], here: list[int]) -> list[tuple[list[int], Answer, Answer]]:
        """Answers to these pairs. Where repeated attempts ended the budget early, pair by pair as far as it goes.

        Only a service that knows no idempotency keys bills those; elsewhere the budget covers what `_affordable` counted.
        """
        try:
            of_images = self.oracle.query_images(images[here], phase="mining")
            return [(here, of_images, self.oracle.query_texts([texts[i] for i in here], phase="mining"))]
        except BudgetRefused:
            if len(here) == 1:
                return []
            found = [one for position in here for one in self._asked(images, texts, [position])]
            if here[0] == 0 and len(found) < LEAST_PAIRS:
                raise
            return found

    def _bought(self, reserve: int) -> Int64[Tensor, " pairs"]:
        """Which own pairs are asked about, in the order in which they are."""
        order = torch.from_numpy(self.streams.numpy("mining", "order").permutation(len(self.images)))
        order = order[: self._affordable(order, self.oracle.cap - reserve)]
        if len(order) < LEAST_PAIRS:
            least = (2 if self.texts else 1) * LEAST_PAIRS + reserve
            raise UsageError(f"a surrogate wants a budget of at least {least} queries, got {self.oracle.cap}; raise `budget`.")
        return order

    def _affordable(self, order: Int64[Tensor, " pairs"], queries: int) -> int:
        """How many of the first pairs have at most so many different items."""
        seen: set[bytes] = set()
        sides = [fingerprint_images(self.images[order])]
        sides += [fingerprint_texts([self.texts[i] for i in order.tolist()])] if self.texts else []
        for pairs, keys in enumerate(zip(*sides, strict=True)):
            seen.update(keys)
            if len(seen) > queries:
                return pairs
        return len(order)


def files_of(path: Path) -> tuple[Path, Path]:
    """A surrogate's file, and how its training went."""
    return path, path.with_name(f"{path.stem}{SUFFIX}")


def _told(lesson: Lesson) -> tuple[object, ...]:
    """What tells a lesson from others: its settings, or its name."""
    return (lesson,) if is_dataclass(lesson) else (lesson.__module__, lesson.__qualname__)


def codes_of(answer: Answer) -> Codes:
    """The codes that an answer shows, or those of the relaxed codes that a hashing target shows as features."""
    return harden(answer.features) if answer.reveals is Reveals.FEATURES else answer.codes
