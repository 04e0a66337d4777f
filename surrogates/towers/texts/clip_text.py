"""The text half of a CLIP."""

from typing import Any

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from surrogates.texts import Texts
from surrogates.towers._language import WIDE, Reader, as_json, longest, source, weights_of

OTHERWISE = "choose another text tower"


class Projected(nn.Module):
    """CLIP's text network up to the space that it shares with pictures, at length one."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, numbers: Int64[Tensor, "items tokens"], present: Bool[Tensor, "items tokens"]) -> Float[Tensor, "items width"]:
        return nn.functional.normalize(self.clip(input_ids=numbers, attention_mask=present.long()).text_embeds, dim=1)


class ClipText(nn.Module):
    """A CLIP's text network as it is, and one hidden layer with ReLU that learns: `text_tower: clip_text:DIR`.

    DIR is a folder as transformers writes them, or the name of one in the hub's cache; nothing is fetched.

    Paper: Radford, Kim, Hallacy, Ramesh, Goh, Agarwal and others, "Learning Transferable Visual Models From Natural Language
    Supervision", ICML 2021.
    """

    features = WIDE
    starts_trained = True

    def __init__(self, config: dict[str, Any], tokens: str, length: int, clip: nn.Module | None = None) -> None:
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        self._settings = {"config": config, "tokens": tokens, "length": length}
        clip = clip or CLIPTextModelWithProjection(CLIPTextConfig.from_dict(config))
        self.reader = Reader(Projected(clip), int(config["projection_dim"]), tokens, length)

    @classmethod
    def for_texts(cls, texts: Texts, *, folder: str = "") -> "ClipText":
        """The tower with its weights, reading texts as long as these are."""
        from transformers import CLIPTextModelWithProjection

        _, tokens = _source(folder)
        clip = weights_of(CLIPTextModelWithProjection.from_pretrained, folder)
        config = as_json(clip.config)
        return cls(config, tokens, longest(tokens, texts, int(config["max_position_embeddings"])), clip)

    @staticmethod
    def refusal(folder: str) -> str | None:
        """Why it cannot be had from there; None where it can."""
        try:
            _source(folder)
        except ValueError as error:
            return str(error)
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again."""
        return self._settings

    def forward(self, texts: Texts) -> Float[Tensor, "items features"]:
        return self.reader(texts)  # type: ignore[no-any-return]


def _source(folder: str) -> tuple[Any, str]:
    if not folder:
        raise ValueError(
            f"the folder of a CLIP wanted as clip_text:DIR, none got; name a folder, a name in the hub's cache, or {OTHERWISE}"
        )
    return source(folder, "a CLIP", OTHERWISE)
