"""Any network that maps pictures to vectors."""

import inspect
from collections import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from crossattack.datasets import Pairs
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.leave import refuse_other
from crossattack.progress import Progress
from crossattack.targets._brought import BroughtTarget, looked_at, named, no_leave, told
from surrogates.network import weights_digest


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Any network of yours that maps pictures to vectors, and perhaps texts too, compared by cosine or distance.

        Embedding(images=my_network)                                                                        from Python
        crossattack run --target embedding --set target.images=mine:network --data instances       from the command line

    images: a torch module or a function from pictures in [0, 1], (items, 3, height, width), to vectors (items, dim); or the
    dotted path of one, or of a function of no arguments that makes one. It normalises by itself. texts: the same from a list
    of texts, and then it is attacked in both directions; None where it reads pictures alone. Gradients are taken through both,
    so there is a white box.

    From a configuration file a path is followed only with `--allow-code`: whoever wrote the file chose what is run.
    """

    brought: ClassVar[bool] = True
    has_codes: ClassVar[bool] = False
    code: ClassVar[tuple[str, ...]] = ("images", "texts")  # settings that name code
    usual: ClassVar[dict[str, str]] = {"attack": "pgd", "oracle.reveals": "features"}
    images: Any = None
    texts: Any = None
    similarity: Literal["cosine", "euclidean"] = "cosine"
    digest: str | None = None
    allow_code: Any = None  # `Leave()`, from the command line or from Python, and never written down

    def __post_init__(self) -> None:
        refuse_other("embedding", self.allow_code)

    @property
    def reads_texts(self) -> bool:
        return self.texts is not None

    @property
    def unfit(self) -> str | None:
        """Why it cannot be run; None where it can."""
        if not self.images:
            return "`images` of embedding: a network or its dotted path wanted, none got; give it with `--set target.images=mine:network`."
        paths = [path for path in (self.images, self.texts) if isinstance(path, str)]
        return None if self.allow_code or not paths else f"`images` of embedding: {no_leave('embedding', ' and '.join(paths))}"

    def resolved(self) -> dict[str, Any]:
        """The settings, fit for YAML: of networks their names; leave to run code is not among them."""
        return {"images": told(self.images), "texts": told(self.texts), "similarity": self.similarity, "digest": self.digest}

    def load(self, train: Pairs, *, device: str, progress: Progress) -> BroughtTarget:
        """The network in evaluation mode, once it has answered a few of these pairs."""
        if self.unfit:
            raise UsageError(self.unfit)
        images = _network(self.images, "images", device)
        texts = None if self.texts is None else _network(self.texts, "texts", device)
        digest = self.digest or _digest([images, texts])
        similarity = Similarity(self.similarity)
        return looked_at("embedding", images, texts, train, similarity=similarity, digest=digest, opaque=False, device=device)


def _network(found: Any, which: str, device: str) -> abc.Callable[[Any], Any]:
    """What maps items to vectors, from an object, a path to it, or a path to what makes it."""
    if isinstance(found, str):
        found = named(found, f"`{which}` of embedding")
        if isinstance(found, type) or (callable(found) and not isinstance(found, nn.Module) and _wants_nothing(found)):
            found = found()
    if isinstance(found, nn.Module):
        return found.to(device).eval().requires_grad_(False)
    if not callable(found):
        raise UsageError(f"`{which}` of embedding: a network wanted, a {type(found).__name__} got; name one, or what makes it.")
    return found  # type: ignore[no-any-return]


def _wants_nothing(function: Any) -> bool:
    """Whether it is a factory: a function that can be called without arguments."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return all(parameter.default is not parameter.empty or parameter.kind in kinds for parameter in parameters)


def _digest(networks: list[Any]) -> str | None:
    """Of the weights, where all that there is has some; else of the answers."""
    modules = [network for network in networks if network is not None]
    if not all(isinstance(network, nn.Module) and network.state_dict() for network in modules):
        return None
    return weights_digest(nn.ModuleList(modules))
