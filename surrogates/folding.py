"""Folding: a network whose batch normalisations have become part of the convolutions before them, for slopes in a third less time."""

from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """A copy that gives the same outputs but for rounding. The network is to be in evaluation mode, and the copy stays in it.

    Only where one follows the other in an `nn.Sequential`, which says so; elsewhere the copy is as it was.
    """
    copy = deepcopy(network)
    for chain in [module for module in copy.modules() if isinstance(module, nn.Sequential)]:
        for (_, convolution), (name, after) in pairwise(list(chain.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                fused = fuse_conv_bn_eval(convolution, after)
                convolution.weight, convolution.bias = fused.weight, fused.bias
                setattr(chain, name, nn.Identity())
    return copy
