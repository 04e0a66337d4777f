"""Folded networks: what they make of pictures, and that the network they came from stays as it was."""

import pytest
import torch
from torch import nn
from worlds import scenes, untrained_target

from surrogates.folding import folded
from surrogates.network import HashingNetwork, network_for

TEXTS = [("red", "circle")] * 20  # often enough for a vocabulary


def settled(tower: str) -> HashingNetwork:
    """A network whose batch normalisations have seen pictures, in evaluation mode."""
    torch.manual_seed(0)
    network = network_for(TEXTS, image=tower, text="bag_of_words", bits=8, weights="none").train()
    for _ in range(3):
        network.project_images(torch.rand(8, 3, 32, 32))
    return network.double().eval().requires_grad_(False)


@pytest.mark.parametrize("tower", ["convnet", "efficientnet_lite0", "mobilenet_v2", "resnet18"])
def test_outputs_and_slopes_are_those_of_the_network(tower: str) -> None:
    network, points = settled(tower), torch.rand(4, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    light = folded(network)
    made, ours = network.project_images(points), light.project_images(points)
    torch.testing.assert_close(ours, made, rtol=1e-6, atol=1e-9)
    (wanted,), (got,) = (torch.autograd.grad(each.square().sum(), points) for each in (made, ours))
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6 * float(wanted.abs().max()))


def test_no_batch_normalisation_is_left_in_a_chain_and_the_network_keeps_its_own() -> None:
    network = untrained_target(scenes()[0]).network.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    normalisations = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    light = folded(network)
    assert normalisations == 4
    assert not any(isinstance(module, nn.BatchNorm2d) for module in light.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert before.keys() == network.state_dict().keys()
