"""A model of yours, by a dotted path to what makes it."""

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.errors import CrossattackError, TargetError, UsageError
from crossattack.leave import refuse_other
from crossattack.ledger import Modality
from crossattack.progress import Progress
from crossattack.targets import Target, reads_texts
from crossattack.targets._brought import PROBED, named, no_leave

PARTS = ("dim", "similarity", "digest", "vocabulary", "encode_images", "encode_texts")  # of a target


@dataclass(frozen=True, kw_only=True)
class Module:
    """A model of your own, made by the function or class at a dotted path such as `mine:engine`; nothing here is edited.

        crossattack run --target module --set target.path=mine:engine --set target.settings.bits=64

    path: "package.module:factory", looked for in the folder where the command is given and where Python looks. It is called
    as `factory(train, device=device, **settings)`, less `train` or `device` where it does not know them, and returns the
    target: an object with `dim`, `similarity`, `digest`, `vocabulary`, `encode_images` and `encode_texts`.

    From a configuration file the path is followed only with `--allow-code`: whoever wrote the file chose what is run.
    """

    brought: ClassVar[bool] = True
    code: ClassVar[tuple[str, ...]] = ("path",)  # settings that name code
    path: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    allow_code: Any = None  # `Leave()`, from the command line or from Python, and never written down

    def __post_init__(self) -> None:
        refuse_other("module", self.allow_code)

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def unfit(self) -> str | None:
        """Why it cannot be run; None where it can."""
        if not self.path:
            return "`path` of module: package.module:factory wanted, none got; give it with `--set target.path=mine:engine`."
        return None if self.allow_code else f"`path` of module: {no_leave('module', self.path)}"

    def resolved(self) -> dict[str, Any]:
        """The settings, fit for YAML; leave to run code is not among them."""
        return {"path": self.path, "settings": dict(self.settings)}

    def load(self, train: Pairs, *, device: str, progress: Progress) -> Target:
        """What the factory makes, once it has answered a picture and a text. `UsageError`, `TargetError` in one line."""
        if self.unfit:
            raise UsageError(self.unfit)
        factory = named(self.path, "`path` of module")
        try:
            target = factory(**_known(factory, {"train": train, "device": device}), **self.settings)
        except CrossattackError:
            raise
        except Exception as error:  # whatever a stranger's factory does
            says = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
            raise TargetError(f"{self.path}: a target wanted, {says} got; call the factory by itself.") from error
        if lacking := [part for part in PARTS if not hasattr(target, part)]:
            wanted = f"{self.path}: a target with {', '.join(PARTS)} wanted"
            raise TargetError(f"{wanted}, a {type(target).__name__} without {', '.join(lacking)} got; see docs/own-model.md.")
        if isinstance(target, torch.nn.Module):
            target.eval()
        _answers(self.path, target, train, device)
        return target  # type: ignore[no-any-return]


def _known(factory: Any, offered: dict[str, Any]) -> dict[str, Any]:
    """Those arguments that the factory takes."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: value for name, value in offered.items() if takes_all or name in parameters}


def _answers(path: str, target: Target, train: Pairs, device: str) -> None:
    """`TargetError` where it does not answer as it says that it does."""
    first = train.take(torch.arange(min(PROBED, len(train))))
    sides: list[tuple[Modality, Any]] = [("images", first.images)]
    sides += [("texts", first.texts)] if first.texts and reads_texts(target) else []
    for modality, items in sides:
        try:
            shape = tuple(encode(target, modality, items, device=device).shape)
        except CrossattackError:
            raise
        except Exception as error:
            says = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
            raise TargetError(f"{path}: codes or features of {modality} wanted, {says} got; call encode_{modality} by itself.") from error
        if shape != (len(first), target.dim):
            raise TargetError(f"{path}: shape {(len(first), target.dim)} wanted of encode_{modality}, {shape} got; `dim` is its width.")
