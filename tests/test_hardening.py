"""Training that defends a target: the worst is found where it is known, what is off changes nothing, what is on withstands more."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from worlds import scenes, untrained_target

from crossattack.codes import harden
from crossattack.config import load_config
from crossattack.datasets import Pairs
from crossattack.datasets.scenes import Scenes
from crossattack.deployed import deployed
from crossattack.encoding import as_floats
from crossattack.progress import Silent
from crossattack.targets._fitting import Lesson
from crossattack.targets._hardening import hardened
from crossattack.targets.dcmh import Dcmh
from surrogates.course import Course
from surrogates.network import HashingNetwork, to_bytes
from surrogates.worst import farthest_codes, virtual_direction

EPS = 8 / 255
TINY: dict[str, Any] = {"image_tower": "convnet", "bits": 16, "batch": 32}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fitted(pairs: Pairs, course: Course | None = None, **settings: Any) -> HashingNetwork:
    return Dcmh(**TINY, **settings).fit(pairs, device="cpu", progress=Silent(), course=course or Course())[0]


def learned(pairs: int) -> tuple[Pairs, Tensor]:
    """Small scenes to learn from, and pictures of others to be attacked."""
    found, split = Scenes(pairs=pairs, pixels=16).load(Silent())
    return found.take(split.train), as_floats(found.take(split.query[:100]).images)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_farthest_code_of_a_linear_bit_is_at_the_corner_of_the_ball(steps: int) -> None:
    weights, clean = drawn(1, 27), torch.rand(5, 3, 3, 3, generator=torch.Generator().manual_seed(1))

    def relaxed(points: Tensor) -> Tensor:
        return torch.tanh((points - 0.5).flatten(1) @ weights.T)

    start = 2 * torch.rand(5, 3, 3, 3, generator=torch.Generator().manual_seed(2)) - 1
    found = farthest_codes(relaxed, clean, start, eps=EPS, steps=steps)
    bits = torch.where(relaxed(clean) >= 0, 1.0, -1.0)
    corner = (clean - EPS * (bits * weights.sign()).reshape(5, 3, 3, 3)).clamp(0, 1)
    assert torch.allclose(found, corner, atol=1e-6)
    assert (found - clean).abs().max() <= EPS + 1e-6


def test_the_virtual_direction_of_a_linear_map_is_its_first_singular_vector() -> None:
    scaled = torch.linalg.svd(drawn(4, 12), full_matrices=False)
    weights = scaled.U @ torch.diag(torch.tensor([3.0, 1.0, 0.5, 0.1])) @ scaled.Vh
    found = virtual_direction(lambda points: points @ weights.T, torch.zeros(6, 12), drawn(6, 12, seed=1), xi=0.1, steps=8)
    assert torch.allclose(found.norm(dim=1), torch.ones(6), atol=1e-5)
    assert ((found @ scaled.Vh[0]).abs() > 0.999).all()


def test_a_lesson_with_both_off_is_the_lesson_itself() -> None:
    network, lesson = untrained_target(scenes()[0]).network, Lesson(lambda outputs, batch: outputs.sum())
    assert hardened(network, lesson, adversarial=0.0, steps=3, smoothing=0.0, weight=1.0) is lesson


@pytest.mark.parametrize(("adversarial", "smoothing"), [(EPS, 0.0), (0.0, EPS), (EPS, EPS)])
def test_the_lesson_is_of_changed_pictures_and_looking_for_them_leaves_no_trace(adversarial: float, smoothing: float) -> None:
    network = untrained_target(scenes()[0]).network.train()
    assert isinstance(network, HashingNetwork)
    pictures = as_floats(scenes()[0].images[:8])
    lesson = hardened(
        network, Lesson(lambda outputs, batch: outputs.mean()), adversarial=adversarial, steps=2, smoothing=smoothing, weight=3.0
    )
    assert lesson.forward is not None
    shown: list[Tensor] = []
    handle = network.image_tower.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]) if module.training else None)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    outputs = lesson.forward(pictures)
    handle.remove()
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    passes = 2 if smoothing else 1
    assert outputs.shape == (8, 16 * passes)
    counted = [buffer - before[name] for name, buffer in network.named_buffers() if name.endswith("num_batches_tracked")]
    assert all(count == passes for count in counted)
    moved = [(each - pictures).abs().amax((1, 2, 3)) for each in shown]
    assert len(shown) == passes
    assert torch.allclose(moved[0], torch.full((8,), adversarial), atol=1e-6)
    assert all(each.min() >= 0 and each.max() <= 1 for each in shown)
    loss = lesson.objective(outputs, torch.arange(8))
    there, around = outputs[:, :16], outputs[:, 16:]
    expected = there.mean() + (3 * (torch.tanh(around) - torch.tanh(there)).square().mean() if smoothing else 0)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_hardened_targets_lose_fewer_bits_within_the_same_radius() -> None:
    """PGD of ten steps on the pictures' own codes, after as many epochs of the same lesson."""
    train, pictures = learned(600)
    lost = {}
    for name, settings in {"plain": {}, "adversarial": {"adversarial": EPS}, "smoothing": {"smoothing": EPS}}.items():
        network = fitted(train, epochs=10, **settings)
        worst = farthest_codes(network.encode_images, pictures, torch.zeros_like(pictures), eps=2 * EPS, steps=10)
        codes = [harden(network.encode_images(each).detach()) for each in (pictures, worst)]
        lost[name] = float((codes[0] != codes[1]).float().mean())
        assert len(codes[0].unique(dim=0)) > 20, "its codes tell pictures apart"
    assert lost["adversarial"] < 0.8 * lost["plain"]
    assert lost["smoothing"] < 0.8 * lost["plain"]


def test_a_hardened_training_that_was_killed_ends_like_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, _ = learned(240)
    settings = {"epochs": 3, "adversarial": EPS, "adversarial_steps": 1, "smoothing": EPS}
    whole = fitted(train, **settings)
    save = Course.save

    def killed(course: Course, *given: Any) -> None:
        save(course, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Course, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            fitted(train, Course(tmp_path / "a.course"), **settings)
    torch.rand(7)  # whatever else draws in between
    again = Course(tmp_path / "a.course")
    assert to_bytes(fitted(train, again, **settings)) == to_bytes(whole)
    assert len(again.curve) == 3


def test_who_does_not_know_of_the_training_follows_a_target_trained_without(empty_cache: Path) -> None:
    train, _ = learned(240)
    settings = [f"target.{key}={value}" for key, value in {**TINY, "epochs": 1, "adversarial": "8/255", "adversarial_steps": 1}.items()]
    knowing, oblivious = (
        deployed(load_config(overrides=[*settings, f"oracle.adaptive={adaptive}"]), train, device="cpu", progress=Silent())
        for adaptive in ("true", "false")
    )
    plain = Dcmh(**TINY, epochs=1).load(train, device="cpu", progress=Silent())
    assert knowing.target.digest == oblivious.target.digest != plain.digest
    assert (knowing.followed, knowing.front) == (None, None)
    assert oblivious.followed.digest == plain.digest
    assert oblivious.front is None
