"""What an attack is given: an oracle, the attacker's own pairs, and surrogates on the same bill."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from crossattack.attacks._surrogate import Answers, Surrogate, SurrogateRecipe, fit_surrogate
from crossattack.codes import Codes
from crossattack.encoding import Encoder
from crossattack.errors import UsageError
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
        """Codes of as many of the attacker's pairs as the whole budget less `reserve` covers, two queries a pair.

        Pairs are asked in one random order, whatever the budget, so that a smaller budget's pairs are the first of a
        larger one's.
        """
        affordable = min((self.oracle.cap - reserve) // 2, len(self.texts))
        if affordable < LEAST_PAIRS:
            least = 2 * LEAST_PAIRS + reserve
            raise UsageError(f"a surrogate wants a budget of at least {least} queries, got {self.oracle.cap}; raise `budget`.")
        order = self.streams.numpy("mining", "order").permutation(len(self.texts))[:affordable]
        images, texts = self.images[torch.from_numpy(order)], [self.texts[i] for i in order]
        image_codes, text_codes = [], []
        with self.progress.stage("querying the target", 2 * affordable) as tick:
            for start in range(0, affordable, BATCH):
                here = slice(start, start + BATCH)
                image_codes.append(self.oracle.query_images(images[here], phase="mining").values)
                text_codes.append(self.oracle.query_texts(texts[here], phase="mining").values)
                tick(2 * len(texts[here]), f"{self.oracle.remaining} left")
        return Answers(images, texts, torch.cat(image_codes), torch.cat(text_codes))
