"""What an attack is given: an oracle, the attacker's own pairs, and surrogates on the same bill."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from crossattack.attacks._surrogate import Answers, Surrogate, SurrogateRecipe, fit_surrogate
from crossattack.codes import Codes
from crossattack.encoding import Encoder
from crossattack.errors import BudgetRefused, UsageError
from crossattack.fingerprint import fingerprint_images, fingerprint_texts
from crossattack.oracle import Oracle
from crossattack.progress import Progress
from crossattack.streams import Streams
from surrogates.texts import Text

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
    """Everything: what a ceiling is computed with, and no black box ever sees."""

    encoder: OpenEncoder
    image_codes: Codes  # of the database
    text_codes: Codes
    database_labels: Bool[Tensor, "items labels"]
    query_labels: Bool[Tensor, "attacked labels"]  # of the attacked items, by their ids


@dataclass(frozen=True)
class AttackContext:
    """Handed to `Attack.fit`. Whatever an attack learns of the target it learns through `oracle`.

    images, texts: the attacker's own pairs, disjoint from queries, database and the target's training pairs.
    attacked: how many items of either modality will be attacked.
    folder: where checkpoints go; a resumed run finds there what was finished.
    """

    oracle: Oracle
    images: UInt8[Tensor, "pairs 3 height width"]
    texts: tuple[Text, ...]
    streams: Streams
    device: str
    progress: Progress
    folder: Path
    attacked: int
    recipe: SurrogateRecipe = field(default_factory=SurrogateRecipe)
    white_box: WhiteBox | None = None
    made: dict[str, Surrogate] = field(default_factory=dict)  # by name; for the referee to look at

    def surrogate(self, *, name: str = "surrogate", reserve: int = 0) -> Surrogate:
        """Query as many of the attacker's pairs as the budget covers, mine triplets, train a surrogate on them.

        reserve: queries to leave for later. A finished surrogate is read back from `folder` on resume.
        """
        path = self.folder / f"{name}.safetensors"
        self.made[name] = fit_surrogate(self.answers(reserve), self.recipe, self.streams, self.device, self.progress, path)
        return self.made[name]

    def answers(self, reserve: int = 0) -> Answers:
        """Codes of as many of the attacker's pairs as the whole budget less `reserve` covers.

        Pairs are asked in one random order, whatever the budget, so that a smaller budget's pairs are the first of a
        larger one's. An item that occurs twice is paid for once, so pairs that share a text leave room for more pairs.
        """
        order = torch.from_numpy(self.streams.numpy("mining", "order").permutation(len(self.texts)))
        order = order[: self._affordable(order, self.oracle.cap - reserve)]
        if len(order) < LEAST_PAIRS:
            least = 2 * LEAST_PAIRS + reserve
            raise UsageError(f"a surrogate wants a budget of at least {least} queries, got {self.oracle.cap}; raise `budget`.")
        images, texts = self.images[order], [self.texts[i] for i in order.tolist()]
        asked: list[tuple[list[int], Codes, Codes]] = []
        with self.progress.stage("querying the target", 2 * len(order)) as tick:
            for start in range(0, len(order), BATCH):
                here = list(range(start, min(start + BATCH, len(order))))
                asked += self._asked(images, texts, here)
                tick(2 * len(here), f"{self.oracle.remaining} left")
        positions = [position for few, _, _ in asked for position in few]
        image_codes, text_codes = torch.cat([codes for _, codes, _ in asked]), torch.cat([codes for _, _, codes in asked])
        return Answers(images[positions], [texts[i] for i in positions], image_codes, text_codes)

    def _asked(self, images: Tensor, texts: list[Text], here: list[int]) -> list[tuple[list[int], Codes, Codes]]:
        """Answers to these pairs. Where repeated attempts ended the budget early, pair by pair as far as it goes.

        Only a service that knows no idempotency keys bills those; elsewhere the budget covers what `_affordable` counted.
        """
        try:
            image_codes = self.oracle.query_images(images[here], phase="mining").codes
            return [(here, image_codes, self.oracle.query_texts([texts[i] for i in here], phase="mining").codes)]
        except BudgetRefused:
            if len(here) == 1:
                return []
            found = [one for position in here for one in self._asked(images, texts, [position])]
            if here[0] == 0 and len(found) < LEAST_PAIRS:
                raise
            return found

    def _affordable(self, order: Int64[Tensor, " pairs"], queries: int) -> int:
        """How many of the first pairs have at most so many different items."""
        seen: set[bytes] = set()
        texts = fingerprint_texts([self.texts[i] for i in order.tolist()])
        for pairs, keys in enumerate(zip(fingerprint_images(self.images[order]), texts, strict=True)):
            seen.update(keys)
            if len(seen) > queries:
                return pairs
        return len(order)
