"""A white box is granted once it has been looked at: a network that says it is open may give no slopes all the same."""

import torch
from torch import Tensor

from crossattack.attacks._context import WhiteBox
from crossattack.encoding import as_floats
from crossattack.endpoint import Images
from crossattack.errors import TargetError
from surrogates.texts import Bags


def with_slopes(box: WhiteBox, images: Images) -> WhiteBox:
    """The same; `TargetError` where no gradient comes back to these pictures, or to bags of words that it reads."""
    points = as_floats(images).requires_grad_()
    _refuse_none("pictures", points, box.encoder.encode_images(points))
    if box.text_codes is not None and (words := box.encoder.vocabulary):
        weights = torch.full((len(images), len(words)), 0.5, device=images.device).requires_grad_()
        _refuse_none("texts", weights, box.encoder.encode_texts(Bags(words, weights)))
    return box


def _refuse_none(kind: str, points: Tensor, outputs: Tensor) -> None:
    says = "outputs that carry no gradient"
    try:
        if outputs.requires_grad:
            (slope,) = torch.autograd.grad(outputs.sum(), points, allow_unused=True)
            if slope is not None:
                return
            says = f"outputs whose gradient does not reach the {kind}"
    except RuntimeError as error:  # whatever goes wrong on the way back
        says = f"{' '.join(str(error).split()):.160}"
    wanted = f"target: gradients at {kind} wanted, as it is said to be differentiable, {says} got"
    raise TargetError(f"{wanted}; leave out `no_grad`, `detach` and rounding, or say `differentiable: false`.")
