"""Text networks with weights of their own, read by transformers from a folder: what they share."""

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from safetensors import SafetensorError
from torch import Tensor, nn

from surrogates.texts import Bags, Texts

SLACK = 4  # tokens that a text may have more than the longest that the tower was built from
WIDE = 1024  # features of the layer that learns
MOST_KEPT = 1 << 16  # texts whose features are kept while the layer learns


class Reader(nn.Module):
    """Texts -> features, by a network that stays as it is and a layer with ReLU that learns.

    A text has always `length` tokens, filled up or cut, so that what becomes of it does not depend on its neighbours in a batch.
    tokens: the tokeniser, as the JSON of the tokenizers library. Called with the numbers of the tokens and where there are any.
    """

    def __init__(self, network: nn.Module, width: int, tokens: str, length: int) -> None:
        super().__init__()
        from tokenizers import Tokenizer

        self.network, self.layers = network.requires_grad_(False).eval(), nn.Sequential(nn.Linear(width, WIDE), nn.ReLU(inplace=True))
        self._tokeniser = Tokenizer.from_str(tokens)
        self._tokeniser.no_padding()
        self._tokeniser.enable_truncation(length)
        self.length = length
        self._kept: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> "Reader":
        """What stays as it is stays in evaluation mode too."""
        super().train(mode)
        self.network.eval()
        self._kept.clear()
        return self

    def forward(self, texts: Texts) -> Float[Tensor, "items features"]:
        if isinstance(texts, Bags):
            raise ValueError("texts in words wanted by a network of tokens, bags of words got; give it strings or lists of words.")
        plain = [text if isinstance(text, str) else " ".join(text) for text in texts]
        return self.layers(self._remembered(plain) if self.training else self.read(plain))  # type: ignore[no-any-return]

    def _remembered(self, texts: list[str]) -> Float[Tensor, "items width"]:
        """The same, each text read once as long as the layer learns: they come again in every epoch."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._kept]:
            read = self.read(new)
            if len(self._kept) + len(new) > MOST_KEPT:
                self._kept.clear()
                return self.read(texts)
            self._kept.update(zip(new, read, strict=True))
        return torch.stack([self._kept[text] for text in texts])

    def read(self, texts: list[str]) -> Float[Tensor, "items width"]:
        """What the network itself makes of them, before the layer that learns."""
        with torch.no_grad():
            found: Tensor = self.network(*self.numbered(texts))
        return found

    def numbered(self, texts: list[str]) -> tuple[Int64[Tensor, "items tokens"], Bool[Tensor, "items tokens"]]:
        """Numbers of the tokens, zeros after the last, and where there is one."""
        numbers = torch.zeros(len(texts), self.length, dtype=torch.long)
        present = torch.zeros(len(texts), self.length, dtype=torch.bool)
        for row, one in enumerate(self._tokeniser.encode_batch(texts)):
            numbers[row, : len(one.ids)], present[row, : len(one.ids)] = torch.tensor(one.ids, dtype=torch.long), True
        device = next(self.layers.parameters()).device
        return numbers.to(device), present.to(device)


def source(where: str, what: str, otherwise: str) -> tuple[Any, str]:
    """Settings and tokeniser of what lies in a folder, or in the hub's cache under that name; nothing is fetched.

    ValueError says the ways out where there is nothing. otherwise: the last of them.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(where, local_files_only=True)
        return config, AutoTokenizer.from_pretrained(where, local_files_only=True).backend_tokenizer.to_str()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        ways = f"give a folder that has one, a name that is in the hub's cache already, or {otherwise}"
        raise ValueError(f"{what} wanted, nothing that transformers reads at {where!r}; {ways}") from error


def as_json(config: Any) -> dict[str, Any]:
    """A network's settings as plain values."""
    return dict(json.loads(config.to_json_string(use_diff=False)))


def longest(tokens: str, texts: Texts, most: int) -> int:
    """How many tokens a tower for these texts reads."""
    from tokenizers import Tokenizer

    tokeniser = Tokenizer.from_str(tokens)
    tokeniser.no_padding()
    tokeniser.no_truncation()
    plain = [] if isinstance(texts, Bags) else [text if isinstance(text, str) else " ".join(text) for text in texts]
    return min(most, SLACK + max((len(one.ids) for one in tokeniser.encode_batch(plain)), default=0))


def weights_of(made: Any, where: str) -> Any:
    """`made(where)` without the bar that transformers draws. ValueError where the weights cannot be read."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return made(where, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, UnpicklingError) as error:
        says = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"weights wanted in {Path(where).name}, {says:.160} got; give another folder") from error
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
