"""Halfway: what a picture looks like to the middle of a network, whatever network it is."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from surrogates.network import HashingNetwork


def halfway(network: HashingNetwork) -> Callable[[Float[Tensor, "items 3 height width"]], Float[Tensor, "items values"]]:
    """Pictures -> what comes out of the middle one of the picture tower's layers with weights; `ValueError` of a tower without any."""
    layers = [module for module in network.image_tower.modules() if isinstance(module, nn.Conv2d) or type(module) is nn.Linear]
    if not layers:
        raise ValueError(f"a tower of convolutions or linear layers wanted, a {type(network.image_tower).__name__} got")
    middle = layers[len(layers) // 2]

    def look(images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items values"]:
        found = list[Tensor]()
        hook = middle.register_forward_hook(lambda layer, shown, made: found.append(made.clone()))  # the next may write over it
        try:
            network.look_at_images(images)
        finally:
            hook.remove()
        return found[0].flatten(1)

    return look
