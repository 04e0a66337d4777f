"""Traps of the released code that no loss shows: what a network answers once it is read back, to whom it has slopes, and where zero goes.

docs/targets.md names the test of each; most are in the conformance suite of `test_targets.py`.
"""

import re
from pathlib import Path

import torch
from worlds import scenes

from crossattack.progress import Silent
from crossattack.targets.djsrh import Djsrh
from surrogates.network import from_file, network_for, to_bytes

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs/targets.md").read_text(encoding="utf-8")


def test_a_network_read_back_is_the_trained_one_with_the_slopes_it_had(tmp_path: Path) -> None:
    """JDSH's checkpoints are never read, so random heads answer; DJSRH's alpha is lost, so slopes change."""
    pairs, split = scenes()
    recipe = Djsrh(image_tower="convnet", teacher="convnet", epochs=2, batch=16, bits=8)
    network, _ = recipe.fit(pairs.take(split.train), device="cpu", progress=Silent())
    (tmp_path / "network").write_bytes(to_bytes(network))
    again = from_file(tmp_path / "network")
    images = (pairs.images[:4].float() / 255).contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.manual_seed(1)
    fresh = network_for(pairs.texts, image="convnet", text="bag_of_words", bits=8, weights="none").eval()
    answers = [one.encode_images(images) for one in (network, again, fresh)]
    slopes = [torch.autograd.grad((answer * torch.linspace(-1, 1, 8)).sum(), images)[0] for answer in answers]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(slopes[0], slopes[1])
    assert not torch.allclose(answers[0], answers[2], atol=0.01)


def test_every_trap_of_the_page_names_a_test_that_is_there() -> None:
    rows = re.findall(r"^\| \d+ \|.*\| `(test_\w+)\.py`: `(test_\w+)` \|$", PAGE, re.M)
    assert len(rows) == len(re.findall(r"^\| \d+ \|", PAGE, re.M)) == 12
    for file, test in rows:
        assert f"def {test}(" in (TESTS / f"{file}.py").read_text(encoding="utf-8"), (file, test)
