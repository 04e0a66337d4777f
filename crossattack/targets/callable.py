"""Two Python functions."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from crossattack.datasets import Pairs
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.progress import Progress
from crossattack.targets._brought import BroughtTarget, looked_at, told


@dataclass(frozen=True, kw_only=True)
class Callable:
    """Two Python functions of yours, from pictures and from texts to codes or features: for use from Python.

        Callable(images=lambda pictures: ..., texts=lambda texts: ..., similarity="hamming")

    images: floats in [0, 1], (items, 3, height, width) -> (items, bits), as a tensor or an array; codes have -1 and +1, or
    lie between where they are relaxed. texts: a list of what people send, strings or lists of words -> the same; None where
    only pictures are read. differentiable: gradients may be taken through both, so that there is a white box and a ceiling.
    digest: what tells this model from every other; None: taken of its answers to a few items.

    A run's config.yaml has the functions' names. From a file nothing can be called: there, `module` is the target.
    """

    brought: ClassVar[bool] = True
    images: Any = None
    texts: Any = None
    similarity: Literal["hamming", "cosine", "euclidean"] = "hamming"
    differentiable: bool = False
    digest: str | None = None

    @property
    def opaque(self) -> bool:
        """Whether there is no white box of it."""
        return not self.differentiable

    @property
    def reads_texts(self) -> bool:
        return self.texts is not None or self.images is None

    @property
    def unfit(self) -> str | None:
        """Why it cannot be run; None where it can."""
        if callable(self.images) and self.texts is None and self.similarity == "hamming":
            return "`texts` of callable: a function wanted where codes are compared, none got; give one, or say `similarity: cosine`."
        if callable(self.images) and (self.texts is None or callable(self.texts)):
            return None
        got = self.images if isinstance(self.images, str) else "none"
        return f"`images` of callable: a Python function wanted, {got} got; give it from Python, or choose `--target module`."

    def resolved(self) -> dict[str, Any]:
        """The settings, fit for YAML: of functions their names."""
        functions = {"images": told(self.images), "texts": told(self.texts)}
        return {**functions, "similarity": self.similarity, "differentiable": self.differentiable, "digest": self.digest}

    def load(self, train: Pairs, *, device: str, progress: Progress) -> BroughtTarget:
        """The functions as a target, once they have answered a few of these pairs."""
        if self.unfit:
            raise UsageError(self.unfit)
        similarity = Similarity(self.similarity)
        return looked_at(
            "callable", self.images, self.texts, train, similarity=similarity, digest=self.digest, opaque=self.opaque, device=device
        )
