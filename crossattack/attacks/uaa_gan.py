"""UAA-GAN: a generator that learned, without a label, to move what a network makes of a picture."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn

from crossattack.attacks import Family, Items, Needs, Perturb, Perturbed, Pictures, unasked
from crossattack.attacks._adversarial import Aim, trained
from crossattack.attacks._context import AttackContext
from crossattack.attacks._distances import distance_of
from crossattack.attacks._eyes import Eyes, open_eyes
from crossattack.attacks._fields import Eps, Hiding, Steps
from crossattack.attacks._generator_file import Forger, Origin, kept_at, load_generator, reach, save_generator
from crossattack.encoding import encode_images
from surrogates.network import weights_digest

Negative: TypeAlias = Literal["farthest", "nearest"]


@dataclass(frozen=True, kw_only=True)
class UaaGan:
    """Train a generator once, on unlabelled pictures; then one forward pass changes any picture, at no query.

    The generator gives a change of at most `eps`. It is to take what the network makes of a picture, f(x), further from where it
    was than another picture x' of the batch is, while a discriminator D takes the changed picture x~ for a real one:

        L_G = (D(x~) - 1)^2 + lambda_r |x~ - x|_2 + lambda_m max(d(f(x), f(x')) + margin - d(f(x), f(x~)), 0)
        L_D = (D(x) - 1)^2 + D(x~)^2

    d is the target's own way of comparing: relaxed Hamming (K - <h, h'>) / 2K or (1 - cos) / 2, both in [0, 1], or Euclidean.
    f is the target where it is granted, else a surrogate trained on the whole budget. No label is looked at. Texts come back
    as they are. The generator lies in the run's folder as `generator.safetensors`, for `crossattack perturb`.

    negative: which other picture of the batch x' is. The farthest asks most of the change: on `dcmh` it lies at a relaxed distance
    of 0.59 of the picture, the nearest at 0.31, and 20 steps of PGD reach 0.57. So the loss of the farthest falls to the end, that
    of the nearest is done halfway where `margin` is small; from a margin of 0.3 on both have the same slope.
    perception: with `mnd`, each pixel goes as far as its just noticeable difference allows, the most hidden one by the whole
    eps, in training and after.
    pictures: of the attacker's own, at most, that it learns from. width, blocks: channels and residual blocks of the
    generator. steps: batches.

    Differs from the paper: its layers, weights of the losses and margin are not known to us, so these are ours; the
    published mining of x' does not say which is hard. The change is bounded on whole grey levels, and gradients pass clipping
    and rounding as if there were none.

    Paper: Zhao, Zhang, Liu, Wen, "Unsupervised Adversarial Attacks on Deep Feature-based Retrieval with GAN", arXiv 2019.
    """

    family: ClassVar[Family] = "generator"
    needs: ClassVar[Needs] = Needs(gradients=True, changes=("images",))
    eps: Eps = 8 / 255
    perception: Hiding = "none"
    lambda_r: Annotated[float, Field(ge=0)] = 0.01
    lambda_m: Annotated[float, Field(ge=0)] = 30.0
    margin: Annotated[float, Field(ge=0)] = 0.5
    negative: Negative = "farthest"
    steps: Steps = 500
    batch: Annotated[int, Field(ge=2)] = 16
    lr: Annotated[float, Field(gt=0)] = 5e-3
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    blocks: Annotated[int, Field(ge=0, le=32)] = 4
    pictures: Annotated[int, Field(ge=2)] = 1000

    def fit(self, context: AttackContext) -> Perturb:
        """Train the generator on the target where it is granted, else on a surrogate; then a batch costs one forward pass."""
        forge = self._forger(context, open_eyes(context)) if reach(self.eps) else None

        def perturb(items: Items) -> Perturbed:
            if not isinstance(items, Pictures) or forge is None:
                return unasked(items)
            return unasked(Pictures(items.ids, forge(items.values.to(context.device)).contiguous().cpu()))

        return perturb

    def _forger(self, context: AttackContext, eyes: Eyes) -> Forger:
        """The trained generator, kept in the run's folder, where a resumed run finds it."""
        order = torch.randperm(len(context.images), generator=context.streams.torch("generator", "pictures"))
        images = context.images[order[: self.pictures].sort().values]
        origin = self._origin(context, eyes, images)
        path, found = kept_at(context.folder, origin)
        if found is None:
            checkpoint = context.folder / "checkpoints" / f"generator-{origin.made_of}.pt"
            aim = leaving(eyes, images, self.margin, self.negative, context.device)
            save_generator(path, trained(context, images, aim, self, checkpoint), origin)
            checkpoint.unlink(missing_ok=True)
            found = load_generator(path)
        return found.to(context.device)

    def _origin(self, context: AttackContext, eyes: Eyes, images: UInt8[Tensor, "items 3 height width"]) -> Origin:
        target, white_box = context.oracle.target_digest, context.white_box is not None
        followed = weights_digest(eyes.encoder) if isinstance(eyes.encoder, nn.Module) else target
        seed, height, width = context.streams.seed, *images.shape[2:]
        made_of = hashlib.sha256(f"{self} {target} {followed} {seed} {list(images.shape)}".encode() + images.numpy().tobytes())
        return Origin(
            attack="uaa_gan",
            width=self.width,
            blocks=self.blocks,
            eps=self.eps,
            target=target,
            white_box=white_box,
            pixels=(height, width),
            seed=seed,
            made_of=made_of.hexdigest()[:16],
            perception=self.perception,
        )


def leaving(eyes: Eyes, images: UInt8[Tensor, "items 3 height width"], margin: float, negative: Negative, device: str) -> Aim:
    """The metric loss, as a function of changed pictures and their positions among `images`; at least two at a time."""
    distance = distance_of(eyes.similarity)
    features = encode_images(eyes.encoder, images, device=device).to(device)  # (items, dim)

    def loss(made: Float[Tensor, "batch 3 height width"], batch: Int64[Tensor, " batch"]) -> Float[Tensor, ""]:
        clean = features[batch.to(features.device)]
        others = distance(clean[:, None], clean[None])[~torch.eye(len(batch), dtype=torch.bool)].reshape(len(batch), -1)
        mined = others.amax(1) if negative == "farthest" else others.amin(1)
        return torch.relu(mined + margin - distance(clean, eyes.encoder.encode_images(made))).mean()

    return loss
