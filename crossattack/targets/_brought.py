"""Models that people bring: found by a dotted path where a file names them, and looked at before they are believed.

Whoever names code in a configuration makes whoever runs it run that code. So a path that comes from a file is followed only
where the command line says `--allow-code`; one that was typed there, or objects that Python hands over, need no leave.
"""

import hashlib
import importlib
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import as_floats
from crossattack.endpoint import Similarity
from crossattack.errors import CrossattackError, TargetError, UsageError
from crossattack.stored import in_memory
from surrogates.texts import Texts

log = logging.getLogger("crossattack")
PROBED = 16  # items that a model is looked at with
CLOSE = 1e-3  # between an item's answer alone and in a batch; of relaxed codes, or of features at their own size

Answerer: TypeAlias = Callable[[Any], Any]  # pictures or texts -> a row of numbers an item


@dataclass(frozen=True)
class BroughtTarget:
    """A model of the user's own as a target: what its functions make of items, each answer checked for its shape.

    opaque: nobody looks inside, so there is no white box and no ceiling. texts: None where it reads pictures alone.
    """

    name: str
    images: Answerer
    texts: Answerer | None
    dim: int
    similarity: Similarity
    digest: str
    opaque: bool = True

    @property
    def reads_texts(self) -> bool:
        return self.texts is not None

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """None: what it makes of words is its own affair."""
        return ()

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return answered(self.name, "pictures", self.images, images, self.dim)

    def encode_texts(self, texts: Texts) -> Float[Tensor, "items dim"]:
        if self.texts is None:
            raise UsageError(f"pictures wanted by {self.name}, texts got; it was given nothing that reads them.")
        return answered(self.name, "texts", self.texts, texts, self.dim)


def answered(name: str, kind: str, function: Answerer, given: Any, dim: int | None = None) -> Float[Tensor, "items dim"]:
    """What a function makes of items, as floats, one row an item; `TargetError` where it is anything else, or fails."""
    items = len(given)
    wanted = f"{items} rows of {dim or 'so many'} numbers wanted of {name} for {items} {kind}"
    try:
        answer = function(given)
    except CrossattackError:
        raise
    except Exception as error:  # whatever a stranger's function does
        frame = traceback.extract_tb(error.__traceback__)[-1]
        says = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        raise TargetError(f"{wanted}, {says} got, in {Path(frame.filename).name} line {frame.lineno}; call it by itself.") from error
    try:
        found = answer if isinstance(answer, Tensor) else torch.from_numpy(np.asarray(answer))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TargetError(f"{wanted}, a {type(answer).__name__} got; return a tensor or an array.") from error
    if found.ndim != 2 or len(found) != items or found.shape[1] != (dim or found.shape[1]) or not found.shape[1]:
        raise TargetError(f"{wanted}, shape {tuple(found.shape)} got; return one row an item.")
    return found if found.dtype == torch.float32 else found.float()


def looked_at(
    name: str,
    images: Answerer,
    texts: Answerer | None,
    train: Pairs,
    *,
    similarity: Similarity,
    digest: str | None,
    opaque: bool,
    device: str,
) -> BroughtTarget:
    """The target of these functions, once they have answered a few of the pairs: that is how its size is known.

    Where `digest` is None it is taken of those answers. `TargetError` says what is wrong with them.
    """
    first = train.take(torch.arange(min(PROBED, len(train))))
    pictures = as_floats(in_memory(first.images)).to(device)
    with torch.inference_mode():
        answers = [answered(name, "pictures", images, pictures).cpu()]
        dim = answers[0].shape[1]
        if texts is not None and first.texts:
            answers.append(answered(name, "texts", texts, first.texts, dim).cpu())
        alone = answered(name, "pictures", images, pictures[:1], dim).cpu()
    for kind, answer in zip(("pictures", "texts"), answers, strict=False):
        _refuse_no_answers(name, kind, answer, similarity)
    if (alone[0] - answers[0][0]).abs().max() > CLOSE * max(1.0, float(answers[0].abs().max())):
        log.warning("%s answers a picture alone otherwise than in a batch; is the model in evaluation mode?", name)
    return BroughtTarget(name, images, texts, dim, similarity, digest or _digest(answers, similarity), opaque)


def _refuse_no_answers(name: str, kind: str, answer: Float[Tensor, "items dim"], similarity: Similarity) -> None:
    """What looks like an answer and means something else."""
    if not answer.isfinite().all():
        raise TargetError(f"finite numbers wanted of {name} for {kind}, NaN or infinity got; check its weights and its normalising.")
    if similarity is Similarity.HAMMING and answer.min() >= 0 and bool(((answer == 0) | (answer == 1)).all()):
        raise TargetError(f"bits of -1 and +1 wanted of {name} for {kind}, 0 and 1 got; return `2 * bits - 1`.")
    if similarity is Similarity.HAMMING and answer.abs().max() > 1 + 1e-6:
        got = f"{float(answer.abs().max()):.3g} got"
        raise TargetError(f"codes in [-1, 1] wanted of {name} for {kind}, {got}; return their tanh or their sign, or compare by cosine.")


def _digest(answers: list[Float[Tensor, "items dim"]], similarity: Similarity) -> str:
    """Of the answers themselves: whole codes, or features to three digits."""
    running = hashlib.sha256(similarity.value.encode())
    for answer in answers:
        told = harden(answer) if similarity is Similarity.HAMMING else (1000 * answer / answer.abs().max().clamp(min=1e-9)).round()
        running.update(f"{tuple(answer.shape)}".encode() + told.to(torch.int16).numpy().tobytes())
    return running.hexdigest()[:16]


def named(path: str, what: str) -> Any:
    """The object at "package.module:name", its folder being where we stand or where Python looks. `UsageError` in one line."""
    wanted = f"{what}: a dotted path such as mine:engine wanted"
    module, colon, name = path.partition(":")
    if not (colon and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))):
        raise UsageError(f"{wanted}, {path!r:.60} got; name a module, a colon and what it holds.")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it; a console script does not
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever a stranger's module does while it is imported
        raise UsageError(f"{wanted}, {path} got: {type(error).__name__}: {' '.join(str(error).split()):.160}.") from error
    return found


def told(value: Any) -> Any:
    """A setting as plain values: what is code goes by the name that leads to it."""
    if isinstance(value, torch.nn.Module) or (callable(value) and not isinstance(value, str)):
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__name__)}"
    return value


def no_leave(name: str, path: str) -> str:
    """Why code that a file names is not run."""
    return f"leave to run {path} wanted, as {name} would, none got; read that code, then say `--allow-code`."
