"""Targets that are trained on first use and kept for this machine.

A trained network lies in the cache folder under a digest of what made it: the recipe's name, fields and version, and the
bytes it learned from. Beside it lies a manifest with its sha256; a damaged file is refused and trained again.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from crossattack.cache import cache_folder, locked, whole_file
from crossattack.datasets import Pairs
from crossattack.datasets._store import digest
from crossattack.errors import TargetError, TrainingFailed
from crossattack.targets import Similarity
from surrogates.clip import ClipNetwork
from surrogates.course import Course
from surrogates.network import HashingNetwork, from_file, to_bytes
from surrogates.ranks import rank, told_by_first
from surrogates.texts import Embedded, Texts
from surrogates.towers import EmbeddingTower, weights_file

Facts: TypeAlias = dict[str, Any]
Network = TypeVar("Network", bound=torch.nn.Module)
log = logging.getLogger("crossattack")
Precision = Literal["float32", "bfloat16", "auto"]
COURSE = ".course"  # beside the file of a target that is being trained
LATER = {  # settings that came later, and what there was before them
    "patience": None,
    "precision": "float32",
    "adversarial": 0.0,
    "adversarial_steps": 3,
    "smoothing": 0.0,
    "smoothing_weight": 1.0,
}


@dataclass(frozen=True)
class NetworkTarget:
    """A trained network as a target: relaxed codes, compared by Hamming distance once hardened; or these at length one, by their cosine."""

    network: HashingNetwork | ClipNetwork
    digest: str
    facts: dict[str, Any]  # what its manifest says: recipe, validation, seconds of training
    similarity: Similarity = Similarity.HAMMING

    @property
    def dim(self) -> int:
        return self.network.bits

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words that its bags of words know; what a white box sees of them."""
        return self.network.vocabulary

    @property
    def embeddings(self) -> EmbeddingTower | None:
        """Its text tower, where gradients can be taken at words; what a white box sees of it."""
        return self.network.embeddings

    def encode_images(self, images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items dim"]:
        return self._as_compared(self.network.encode_images(images))

    def encode_texts(self, texts: Texts | Embedded) -> Float[Tensor, "items dim"]:
        return self._as_compared(self.network.encode_texts(texts))

    def _as_compared(self, relaxed: Float[Tensor, "items dim"]) -> Float[Tensor, "items dim"]:
        return relaxed if self.similarity is Similarity.HAMMING else normalize(relaxed, dim=1)


def trained(
    name: str,
    recipe: Any,
    version: int,
    train: Pairs,
    device: str,
    fit: Callable[..., tuple[HashingNetwork, Facts]],
    similarity: Similarity = Similarity.HAMMING,
) -> NetworkTarget:
    """The target of this recipe and these pairs: from the cache, or made by `fit(course=...)` and then cached. See `kept`."""
    path, manifest = kept(name, recipe, version, train, written(fit, to_bytes))
    return NetworkTarget(opened(from_file, path).to(device), manifest["sha256"][:16], manifest, similarity)


def written(fit: Callable[..., tuple[Network, Facts]], as_bytes: Callable[[Network], bytes]) -> Callable[[Course], tuple[bytes, Facts]]:
    """What trains a network on a course, giving the bytes of its file."""

    def made(course: Course) -> tuple[bytes, Facts]:
        network, facts = fit(course=course)
        return as_bytes(network), facts

    return made


def opened(from_file: Callable[[Path], Network], path: Path) -> Network:
    """The network of a file that matches its manifest; `TargetError` where it is none all the same. Nothing in it is ever run."""
    try:
        return from_file(path)
    except ValueError as error:
        raise TargetError(f"{error}; delete it, and it is trained again.") from error


def kept(
    name: str, recipe: Any, version: int, train: Pairs, fit: Callable[[Course], tuple[bytes, dict[str, Any]]]
) -> tuple[Path, dict[str, Any]]:
    """The file of this recipe's network and its manifest: from the cache, or made by `fit` and then cached.

    recipe: the plugin's frozen dataclass. version: raised whenever the code of the recipe changes what it makes.
    fit: trains, from where it was killed if it was, and returns the network as a file's bytes, with facts worth keeping (validation
    figures).
    """
    made_of = _made_of(name, recipe, version, train)
    path = _path(made_of)
    with locked(path) if rank() == 0 else nullcontext():
        manifest = told_by_first(_manifest(path) if rank() == 0 else None)
        if manifest is None:
            began = time.monotonic()
            try:
                content, facts = fit(Course(path.with_suffix(COURSE)))
            except FloatingPointError as error:
                raise TrainingFailed(f"training {name}: {error}") from error
            manifest = {**made_of, "sha256": hashlib.sha256(content).hexdigest(), **facts, "seconds": round(time.monotonic() - began, 1)}
            if rank() == 0:
                with whole_file(path) as file:
                    file.write_bytes(content)
                with whole_file(path.with_suffix(".json")) as file:
                    file.write_text(json.dumps(manifest, indent=1))
                path.with_suffix(COURSE).unlink(missing_ok=True)
            manifest = told_by_first(manifest)  # by then it is written
    return path, manifest


def once_trained(name: str, **settings: Any) -> bool:
    """Whether the cache has a target of this recipe with these settings, whatever it learned from."""
    for file in cache_folder("targets").glob(f"{name}-*.json"):
        try:
            recipe = json.loads(file.read_text(encoding="utf-8"))["recipe"]
            if all(recipe[key] == value for key, value in settings.items()):
                return True
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return False


def _made_of(name: str, recipe: Any, version: int, train: Pairs) -> Facts:
    """What tells a target from all others."""
    return {"name": name, "version": version, "recipe": _told(recipe), "data": digest(train)} | _start(recipe)


def _path(made_of: dict[str, Any]) -> Path:
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder("targets") / f"{made_of['name']}-{key}.safetensors"


def _told(recipe: Any) -> dict[str, Any]:
    """The recipe's settings, less those that came later where they have their default: what was trained before them is the same."""
    return {key: value for key, value in asdict(recipe).items() if key not in LATER or value != LATER[key]}


def _start(recipe: Any) -> dict[str, str]:
    """The sha256 of the file that its picture tower starts from; nothing where that is none, or comes with a package."""
    tower, weights = getattr(recipe, "image_tower", None), getattr(recipe, "weights", None)
    file = weights_file(tower, weights) if tower and weights else None
    return {"start": hashlib.sha256(Path(file).read_bytes()).hexdigest()} if file and Path(file).is_file() else {}


def _manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a sound file; None, and a line in the log where there was something, for anything else."""
    if not path.exists():
        return None
    try:
        manifest: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        if hashlib.sha256(path.read_bytes()).hexdigest() == manifest["sha256"]:
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    log.warning("%s does not match its manifest and is not used: training again.", path.name)
    return None


def validation_slice(pairs: Pairs, rng: np.random.Generator) -> tuple[Pairs, Pairs]:
    """Nine tenths of the pairs to learn from and the rest to choose the epoch on; no group is in both."""
    groups, members = np.unique(pairs.groups.numpy(), return_inverse=True)
    held = torch.from_numpy(rng.permutation(len(groups))[: max(1, len(groups) // 10)])
    validation = torch.isin(torch.from_numpy(members), held)
    return pairs.take(torch.nonzero(~validation).flatten()), pairs.take(torch.nonzero(validation).flatten())
