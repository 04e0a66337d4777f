"""Halfway: what a picture looks like to the middle of a network, whatever network it is."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn


def halfway(tower: nn.Module) -> Callable[[Float[Tensor, "items 3 height width"]], Float[Tensor, "items values"]]:
    """Pictures -> what comes out of the middle layer of the tower's longest chain of layers; `ValueError` of a tower without a chain."""
    chains = [module for module in tower.modules() if isinstance(module, nn.Sequential)]
    if not chains:
        raise ValueError(f"a tower with a chain of layers (nn.Sequential) wanted, a {type(tower).__name__} got")
    longest = max(chains, key=len)
    middle = longest[len(longest) // 2]

    def look(images: Float[Tensor, "items 3 height width"]) -> Float[Tensor, "items values"]:
        found = list[Tensor]()
        hook = middle.register_forward_hook(lambda layer, shown, made: found.append(made.clone()))  # the next may write over it
        try:
            tower(images)
        finally:
            hook.remove()
        return found[0].flatten(1)

    return look
