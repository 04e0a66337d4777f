"""The gradient attacks beside torchattacks and foolbox: on one model, with one loss and one setting, the pictures are the same."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Please import `gaussian_filter`", DeprecationWarning)  # at foolbox's import
    from foolbox import PyTorchModel
    from foolbox.attacks import L2PGD, LinfPGD
    from foolbox.criteria import Misclassification
import torchattacks

from crossattack.attacks._balls import ball_of_pictures
from crossattack.attacks._moves import Moves, descend, smoothed
from crossattack.attacks.bim import Bim
from crossattack.attacks.fgsm import Fgsm
from crossattack.attacks.gradient import Gradient
from crossattack.attacks.mi_fgsm import MiFgsm
from crossattack.attacks.ni_fgsm import NiFgsm
from crossattack.attacks.pgd import Pgd
from crossattack.attacks.si_fgsm import SiFgsm
from crossattack.attacks.ti_fgsm import TiFgsm
from crossattack.attacks.vmi_fgsm import VmiFgsm

EPS, ALPHA, STEPS, REACH = 8 / 255, 2 / 255, 10, 1.5
SETTINGS = {"eps": EPS, "alpha": ALPHA, "steps": STEPS}


def classifier(dtype: torch.dtype) -> nn.Module:
    """A small smooth one: no slope of it is zero but by accident."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 6, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(216, 5)
    return nn.Sequential(*layers).to(dtype).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return classifier(torch.float64)


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Bytes, some of them at the ends of their range."""
    return torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(1)).double() / 255


@pytest.fixture(scope="module")
def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 3])


def margin(model: nn.Module, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """What the peers raise, lowered."""
    return lambda images: -nn.functional.cross_entropy(model(images), labels, reduction="none")


def peers_noise(shape: tuple[int, ...]) -> Tensor:
    """Uniform draws in [0, 1] from the generator that torchattacks draws from, in its order."""
    reach = EPS * REACH
    return torch.randn(4, *shape, dtype=torch.float64).uniform_(-reach, reach) / (2 * reach) + 0.5


PAIRS: list[tuple[str, Moves, dict[str, Any], int, float]] = [
    ("FGSM", Fgsm().moves, {"eps": EPS}, 1, EPS),
    ("BIM", Bim().moves, SETTINGS, STEPS, ALPHA),
    ("PGD", Pgd().moves, {**SETTINGS, "random_start": False}, STEPS, ALPHA),
    ("MIFGSM", MiFgsm().moves, {**SETTINGS, "decay": 1.0}, STEPS, ALPHA),
    ("MIFGSM", MiFgsm(decay=0.5).moves, {**SETTINGS, "decay": 0.5}, STEPS, ALPHA),
    ("NIFGSM", NiFgsm().moves, {**SETTINGS, "decay": 1.0}, STEPS, ALPHA),
    ("SINIFGSM", SiFgsm().moves, {**SETTINGS, "decay": 1.0, "m": 5}, STEPS, ALPHA),
    ("VMIFGSM", VmiFgsm(reach=REACH).moves, {**SETTINGS, "decay": 1.0, "N": 5, "beta": REACH}, STEPS, ALPHA),
    (
        "VNIFGSM",
        Gradient(decay=1.0, nesterov=True, neighbours=5, reach=REACH).moves,
        {**SETTINGS, "decay": 1.0, "N": 5, "beta": REACH},
        STEPS,
        ALPHA,
    ),
]


@pytest.mark.parametrize(("name", "moves", "settings", "steps", "alpha"), PAIRS, ids=[f"{pair[0]}-{i}" for i, pair in enumerate(PAIRS)])
def test_a_descent_equals_torchattacks(
    name: str, moves: Moves, settings: dict[str, Any], steps: int, alpha: float, model: nn.Module, images: Tensor, labels: Tensor
) -> None:
    torch.manual_seed(2)
    theirs = getattr(torchattacks, name)(model, **settings)(images, labels)
    torch.manual_seed(2)
    ours = descend(margin(model, labels), ball_of_pictures(images, EPS, "linf"), moves, peers_noise, alpha=alpha, steps=steps)
    assert (ours - theirs).abs().max() <= 1e-5
    assert (ours - images).abs().max() > 0.99 * EPS


def test_the_noise_of_neighbours_matters_so_its_parity_is_no_accident(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    ball, found = ball_of_pictures(images, EPS, "linf"), []
    for seed in (2, 3):
        torch.manual_seed(seed)
        found.append(descend(margin(model, labels), ball, VmiFgsm().moves, peers_noise, alpha=ALPHA, steps=STEPS))
    assert (found[0] - found[1]).abs().max() > ALPHA


def test_smoothed_slopes_equal_torchattacks_in_single_precision(images: Tensor, labels: Tensor) -> None:
    single = classifier(torch.float32)
    peer = torchattacks.TIFGSM(single, **SETTINGS, decay=1.0, len_kernel=15, nsig=3, diversity_prob=0.0)
    slope = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    theirs = nn.functional.conv2d(slope, peer.stacked_kernel, stride=1, padding="same", groups=3)
    assert (smoothed(slope, 15) - theirs).abs().max() <= 1e-6
    ball = ball_of_pictures(images.float(), EPS, "linf")
    ours = descend(margin(single, labels), ball, TiFgsm(kernel=15).moves, peers_noise, alpha=ALPHA, steps=STEPS)
    # A slope that is zero but for rounding has either sign.
    assert ((ours - peer(images.float(), labels)).abs() <= 1e-5).double().mean() > 0.999


@pytest.mark.parametrize(("norm", "peer", "eps"), [("linf", LinfPGD, EPS), ("l2", L2PGD, 1.5)])
def test_projected_descent_equals_foolbox(norm: str, peer: Any, eps: float, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    attack = peer(abs_stepsize=eps / 4, steps=STEPS, random_start=False)
    theirs = attack.run(PyTorchModel(model, bounds=(0, 1), device="cpu"), images, Misclassification(labels), epsilon=eps)
    ball = ball_of_pictures(images, eps, norm)  # type: ignore[arg-type]
    ours = descend(margin(model, labels), ball, Pgd().moves, peers_noise, alpha=eps / 4, steps=STEPS)
    assert (ours - theirs).abs().max() <= 1e-5
    assert (ours - images).abs().max() > eps / 50
