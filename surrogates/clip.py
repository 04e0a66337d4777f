"""The two towers of a CLIP under hash heads of pairs, through transformers."""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn, tanh

from surrogates._files import as_bytes, read_back
from surrogates._hub import reachable, refusal
from surrogates.texts import Bags, Embedded, Texts

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of the pictures that CLIP learned from


class ClipNetwork(nn.Module):
    """CLIP's picture and text towers up to its common space, and a hash head on each; pictures of any size are resized to its own.

    A bit has a pair of outputs and stands for the larger one; its relaxed code is the difference of the two after a softmax,
    which is the tanh of half their difference. `project_*` gives that half, (items, bits); `encode_*` its tanh.

    vision, words: transformers' settings of the two towers. tokens: its tokeniser, as the JSON of the tokenizers library. length: of a
    text in tokens, longer ones are cut.
    """

    from_scratch = False
    vocabulary: tuple[str, ...] = ()
    embeddings = None  # its vectors are of parts of words
    mean: Tensor
    deviation: Tensor

    def __init__(self, bits: int, *, vision: dict[str, Any], words: dict[str, Any], tokens: str, length: int) -> None:
        super().__init__()
        from tokenizers import Tokenizer
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

        self.bits, self._settings = bits, {"vision": vision, "words": words, "tokens": tokens, "length": length}
        pictures, texts = CLIPVisionConfig.from_dict(vision), CLIPTextConfig.from_dict(words)
        self.clip = nn.ModuleDict({"images": CLIPVisionModelWithProjection(pictures), "texts": CLIPTextModelWithProjection(texts)})
        self._side = int(vision["image_size"])
        self._tokeniser = Tokenizer.from_str(tokens)
        self._tokeniser.enable_truncation(min(length, texts.max_position_embeddings))
        self._tokeniser.enable_padding(length=min(length, texts.max_position_embeddings), pad_id=texts.eos_token_id)
        features = int(words["projection_dim"])
        self.image_head, self.text_head = (hash_head(features, bits, norm(features)) for norm in (nn.BatchNorm1d, nn.LayerNorm))
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(3, 1, 1), persistent=False)

    @property
    def pretrained(self) -> nn.Module:
        """Both towers, which start from trained weights."""
        return self.clip

    @property
    def settings(self) -> dict[str, Any]:
        """What builds this architecture again, fit for JSON."""
        return {"bits": self.bits, **self._settings}

    def project_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        if images.shape[-2:] != (self._side, self._side):
            images = nn.functional.interpolate(images, size=(self._side, self._side), mode="bicubic", antialias=True).clamp(0, 1)
        return self._halved(self.image_head(self.clip["images"](pixel_values=(images - self.mean) / self.deviation).image_embeds))

    def project_texts(self, texts: Texts | Embedded) -> Float[Tensor, "items bits"]:
        return self._halved(self.text_head(self.clip["texts"](input_ids=self.tokens(texts)).text_embeds))

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items bits"]:
        """Pictures in [0, 1] -> relaxed codes."""
        return tanh(self.project_images(images))

    def encode_texts(self, texts: Texts | Embedded) -> Float[Tensor, "items bits"]:
        """Texts -> relaxed codes."""
        return tanh(self.project_texts(texts))

    def tokens(self, texts: Texts | Embedded) -> Int64[Tensor, "items length"]:
        """Parts of words, framed by a start and an end mark; words of a list in its order. ValueError for bags and vectors."""
        if isinstance(texts, Bags | Embedded):
            raise ValueError("texts in words wanted by a CLIP, bags or vectors of words got; give it strings or lists of words.")
        read = self._tokeniser.encode_batch([text if isinstance(text, str) else " ".join(text) for text in texts])
        return torch.tensor([one.ids for one in read]).to(self.mean.device)

    def _halved(self, pairs: Float[Tensor, "items outputs"]) -> Float[Tensor, "items bits"]:
        no, yes = pairs.reshape(len(pairs), self.bits, 2).unbind(2)
        return (yes - no) / 2


def hash_head(features: int, bits: int, norm: nn.Module) -> nn.Module:
    """Features -> a pair of outputs a bit. The first two layers are the attention of one place to itself, which is linear."""
    return nn.Sequential(nn.Linear(features, features), nn.Linear(features, features), norm, nn.Linear(features, 2 * bits))


def clip_network(source: str, bits: int, length: int) -> ClipNetwork:
    """A fresh head on the CLIP of a folder, or of that name on the hub. OSError or ValueError where there is none."""
    if reason := refusal(source, "clip"):
        raise ValueError(reason)
    from transformers import AutoTokenizer, CLIPModel
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        here: dict[str, Any] = {"local_files_only": Path(source).is_dir() or not reachable()}
        whole, tokens = CLIPModel.from_pretrained(source, **here), AutoTokenizer.from_pretrained(source, **here).backend_tokenizer.to_str()
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    sides = {"projection_dim": whole.config.projection_dim}
    vision, words = ({**_plain(part), **sides} for part in (whole.config.vision_config, whole.config.text_config))
    network = ClipNetwork(bits, vision=vision, words=words, tokens=tokens, length=length)
    for tower in network.clip.values():  # each has the parts of the whole that go by its own names
        own = tower.state_dict()
        tower.load_state_dict({name: tensor for name, tensor in whole.state_dict().items() if name in own})
    return network


def _plain(config: Any) -> dict[str, Any]:
    """A tower's settings, fit for JSON."""
    return dict(json.loads(config.to_json_string(use_diff=False)))


def to_bytes(network: ClipNetwork) -> bytes:
    """The network as one safetensors file, architecture and tokeniser included. Equal networks give equal bytes."""
    return as_bytes(network, network.settings, "clip")


def from_file(path: Path) -> ClipNetwork:
    """The network that a file of `to_bytes` holds, in evaluation mode. ValueError where the file is not one."""
    return read_back(path, "clip", lambda settings: ClipNetwork(**settings), "a CLIP under hash heads")
