"""Scenes: the captions are true, the pictures can be learnt, the same settings are the same bytes everywhere."""

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from crossattack.datasets._store import digest
from crossattack.datasets.scenes import COLOURS, OBJECTS, SCENES, Scenes
from crossattack.errors import ConfigError
from crossattack.progress import Silent

PRINT_DIGEST = """
from crossattack.datasets._store import digest
from crossattack.datasets.scenes import Scenes
from crossattack.progress import Silent
pairs, split = Scenes(pairs=600, pixels=32).load(Silent())
print(digest(pairs), split.digest())
"""


def test_a_second_process_draws_the_same_bytes() -> None:
    pairs, split = Scenes(pairs=600, pixels=32).load(Silent())
    other = subprocess.run([sys.executable, "-c", PRINT_DIGEST], capture_output=True, text=True, check=True)
    assert other.stdout.split() == [digest(pairs), split.digest()]


def test_another_seed_draws_other_scenes() -> None:
    pictures = [Scenes(pairs=60, pixels=32, seed=seed).load(Silent())[0].images for seed in (0, 1)]
    assert not torch.equal(*pictures)


def test_two_thousand_drawings_a_second() -> None:
    began = time.process_time()  # not the wall's: other work may share the machine
    pairs, _ = Scenes(pairs=2000, pixels=32).load(Silent())
    assert len(pairs) / (time.process_time() - began) > 2000


@pytest.mark.parametrize(("pairs", "pixels"), [(40, 16), (601, 33), (3000, 32)])
def test_any_size_will_do_and_the_split_scales_with_it(pairs: int, pixels: int) -> None:
    drawn, split = Scenes(pairs=pairs, pixels=pixels).load(Silent())
    assert drawn.images.shape == (pairs, 3, pixels, pixels)
    assert len(split.query) == pytest.approx(pairs / 12, abs=4)
    assert len(split.attacker) == pytest.approx(pairs * 5 / 24, abs=4)
    assert len(split.train) == round(pairs / 2)
    assert 1 <= len(split.held_back) <= max(5, pairs / 60)


def test_a_scene_is_drawn_several_times_and_never_twice_alike() -> None:
    pairs, _ = Scenes(pairs=400, pixels=32, drawings=4).load(Silent())
    assert set(torch.bincount(pairs.groups)[torch.bincount(pairs.groups) > 0].tolist()) == {4}
    assert len({image.numpy().tobytes() for image in pairs.images}) == 400
    told = {}
    for group, text in zip(pairs.groups.tolist(), pairs.texts, strict=True):
        told.setdefault(group, set()).add(text)
    assert sum(len(captions) == 2 for captions in told.values()) > 60, "most scenes are told from both sides"


def test_captions_name_the_labels_and_are_true() -> None:
    pairs, _ = Scenes(pairs=400, pixels=48).load(Silent())
    checked = 0
    for image, text, labels in zip(pairs.images.numpy().astype(float), pairs.texts, pairs.labels, strict=True):
        words = str(text).split()
        relation = next(word for word in words if word in ("left", "right", "above", "below"))
        (first, second) = (f"{words[1]} {words[2]}", f"{words[-2]} {words[-1]}")
        assert {first, second} == {OBJECTS[label] for label in torch.nonzero(labels).flatten().tolist()}
        if words[1] == words[-2]:
            continue  # of one colour: pixels cannot tell them apart
        (row_a, column_a), (row_b, column_b) = (middle(image, words[position]) for position in (1, -2))
        true = {"left": column_a < column_b, "right": column_a > column_b, "above": row_a < row_b, "below": row_a > row_b}
        assert true[relation], text
        checked += 1
    assert checked > 250


def middle(image: np.ndarray, colour: str) -> np.ndarray:
    """The mean place of the pixels that are of this colour rather than of another or of the pale ground."""
    palette = np.array([*COLOURS.values(), (235, 235, 235)], float)
    nearest = np.square(image[None] - palette[:, :, None, None]).sum(1).argmin(0)
    return np.argwhere(nearest == list(COLOURS).index(colour)).mean(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, and much slower where other work shares the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_small_convnet_learns_the_labels_of_scenes_it_never_saw() -> None:
    pairs, split = Scenes(pairs=1200, pixels=32).load(Silent())
    images, labels = pairs.images.float() / 255 - 0.5, pairs.labels.float()
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o, s in ((3, 24, 2), (24, 48, 2), (48, 64, 1))]
    network = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, len(OBJECTS)))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(10):
        for batch in split.database[torch.randperm(len(split.database))].split(32):
            optimiser.zero_grad()
            binary_cross_entropy_with_logits(network(images[batch]), labels[batch]).backward()
            optimiser.step()
    unseen = torch.cat([split.query, split.attacker])
    with torch.no_grad():
        named = network.eval()(images[unseen]).topk(2, dim=1).indices
    share = float(labels[unseen].gather(1, named).mean())
    assert share > 0.6, f"{share:.2f} of the two shapes named right; chance is {2 / len(OBJECTS):.2f}"


def test_settings_that_cannot_be_are_refused_in_one_line() -> None:
    for settings, said in (
        ({"pairs": -5}, "`pairs`.*40 to 1,000,000 wanted, -5 got; the nearest is 40"),
        ({"pixels": 9000}, "`pixels`.*16 to 512 wanted, 9,000 got; the nearest is 512"),
        ({"drawings": 0}, "`drawings`"),
    ):
        with pytest.raises(ConfigError, match=said):
            Scenes(**settings)
    assert len(SCENES) == 1104
