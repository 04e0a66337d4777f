"""What every target promises: the suite runs over every file of `crossattack/targets`, each trained in a second.

Remote ones have nothing to train and no gradients; what they promise stands in `test_http_endpoint.py`. Nor have those that
people bring themselves: `test_own_models.py`.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_clip import tiny_clip
from worlds import scenes

from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.errors import TargetError, UsageError
from crossattack.index import compared, sides
from crossattack.progress import Progress, Silent
from crossattack.registry import TARGETS
from crossattack.targets import reads_texts
from surrogates.texts import Bags

BITS, SILENT = 12, Silent()
TRAINED = [name for name in TARGETS.names() if not {"remote", "brought"} & set(vars(TARGETS.load(name)))]
SMALL = {"bits": BITS, "dim": BITS, "image_tower": "convnet", "teacher": "convnet", "hidden": (16,), "epochs": 1, "batch": 16}
SCRIPT = """
import json, sys
import torch
from worlds import scenes
from test_targets import all_codes, loaded
few = scenes()[0].take(torch.arange(9))
print(json.dumps({name: [loaded(name).digest, all_codes(loaded(name), few)] for name in sys.argv[1:]}))
"""


def loaded(name: str, progress: Progress = SILENT, *, pixels: int = 16, **more: Any) -> Any:
    """The target, trained on a few scenes or read from the cache."""
    pairs, split = scenes(pixels=pixels)
    plugin = TARGETS.load(name)
    small = {**SMALL, **more, "clip": lambda: str(tiny_clip(Path(os.environ["CROSSATTACK_CACHE"]) / "clip"))}  # each takes what it knows
    known = {field.name: small[field.name] for field in fields(plugin) if field.name in small}
    settings = {name: value() if callable(value) else value for name, value in known.items()}
    return plugin(**settings).load(pairs.take(split.train), device="cpu", progress=progress)


def slopes_at_words(target: Any) -> torch.Tensor:
    """The slope of what a target makes of two texts, at their bags of words or at the vectors of their parts."""
    turned = torch.linspace(-1, 1, BITS)
    if target.vocabulary:
        weights = torch.full((2, len(target.vocabulary)), 0.5, requires_grad=True)
        (target.encode_texts(Bags(target.vocabulary, weights)) * turned).sum().backward()
        return weights.grad
    vectors: list[torch.Tensor] = []
    table = next(module for name, module in target.network.named_modules() if name.endswith("token_embedding"))
    hook = table.register_forward_hook(lambda module, inputs, output: vectors.append(output))
    outputs = target.encode_texts(["a red square", "a blue disc"])
    hook.remove()
    return torch.autograd.grad((outputs * turned).sum(), vectors[0])[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache in which each target is trained once, for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("targets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(folder))
        yield folder


@pytest.fixture
def target(name: str, shared: Path) -> Any:
    return loaded(name)


@pytest.mark.parametrize("name", TRAINED)
class TestEveryTarget:
    def test_outputs_have_the_right_shape_and_size(self, target: Any) -> None:
        pairs, _ = scenes()
        assert target.dim == BITS
        for modality, items in sides(pairs.take(torch.arange(10)) if reads_texts(target) else pairs.take(torch.arange(10)).pictures()):
            outputs = encode(target, modality, items)
            assert outputs.shape == (10, BITS)
            if target.similarity is Similarity.HAMMING:
                assert outputs.abs().max() <= 1
                assert set(compared(target, outputs).unique().tolist()) == {-1, 1}
            else:
                assert torch.allclose(outputs.norm(dim=1), torch.ones(10), atol=1e-5)
                assert compared(target, outputs).dtype == torch.float32
        assert not target.network.training

    def test_one_without_texts_says_so(self, target: Any) -> None:
        if reads_texts(target):
            assert target.encode_texts(["a red square"]).shape == (1, BITS)
        else:
            with pytest.raises(UsageError, match="pictures wanted"):
                target.encode_texts(["a red square"])

    def test_an_item_alone_equals_the_item_in_a_batch(self, target: Any) -> None:
        pairs, _ = scenes()
        images = pairs.images[:6].float() / 255
        together, alone = target.encode_images(images), torch.cat([target.encode_images(image[None]) for image in images])
        assert torch.allclose(together, alone, atol=1e-5)
        if not reads_texts(target):
            return
        together, alone = target.encode_texts(pairs.texts[:6]), torch.cat([target.encode_texts([text]) for text in pairs.texts[:6]])
        assert torch.allclose(together, alone, atol=1e-5)

    def test_gradients_reach_pixels_and_words(self, target: Any) -> None:
        pairs, _ = scenes()
        images = (pairs.images[:3].float() / 255).requires_grad_()
        (target.encode_images(images) * torch.linspace(-1, 1, BITS)).sum().backward()
        assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
        if not reads_texts(target):
            return
        assert (slopes_at_words(target).abs().flatten(1).sum(1) > 0).all()

    def test_flat_and_extreme_pictures_have_finite_codes_and_slopes(self, target: Any) -> None:
        flat = torch.stack([torch.full((3, 16, 16), float(level)) for level in (0, 0.5, 1)])
        squares = (torch.arange(16)[:, None] + torch.arange(16) & 1).float().expand(1, 3, 16, 16)
        noise = torch.randint(0, 2, (2, 3, 16, 16), generator=torch.Generator().manual_seed(0)).float()
        pictures = torch.cat([flat, squares, noise]).requires_grad_()
        outputs = target.encode_images(pictures)
        (outputs * torch.linspace(-1, 1, BITS)).sum().backward()
        assert outputs.isfinite().all()
        assert pictures.grad.isfinite().all()

    def test_pictures_in_0_to_1_are_those_of_files_over_255(self, target: Any) -> None:
        """What is sent is uint8; what a target is given is in [0, 1], whatever its network wants inside."""
        pairs, _ = scenes()
        sent = pairs.images[:5]
        assert torch.allclose(encode(target, "images", sent), target.encode_images(sent.float() / 255), atol=1e-5)
        assert not torch.allclose(encode(target, "images", sent), target.encode_images(sent.float()), atol=1e-2)

    def test_answering_changes_nothing_in_it(self, target: Any) -> None:
        """No statistics move and nothing is drawn at random: asked again, it says the same."""
        pairs, _ = scenes()
        before = {key: tensor.clone() for key, tensor in target.network.state_dict().items()}
        first, again = (target.encode_images(pairs.images[:5].float() / 255) for _ in range(2))
        assert torch.equal(first, again)
        assert all(torch.equal(tensor, before[key]) for key, tensor in target.network.state_dict().items())

    def test_it_is_trained_once(self, name: str, target: Any, shared: Path) -> None:
        (file,) = (shared / "targets").glob(f"{name}-*.safetensors")
        written = file.stat().st_mtime_ns
        loaded(name)
        assert file.stat().st_mtime_ns == written

    @pytest.mark.parametrize("damage", ["flip", "truncate", "manifest"])
    def test_a_damaged_file_is_refused_and_trained_again(
        self, name: str, damage: str, empty_cache: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        digest = loaded(name).digest
        (file,) = (empty_cache / "targets").glob("*.safetensors")
        content = bytearray(file.read_bytes())
        if damage == "flip":
            content[-10] ^= 1
            file.write_bytes(content)
        elif damage == "truncate":
            file.write_bytes(content[: len(content) // 2])
        else:
            file.with_suffix(".json").write_text("{")
        assert loaded(name).digest == digest
        assert "does not match its manifest" in caplog.text
        assert caplog.text.count("\n") == 1


class Touch:
    """A pickle of it leaves a file behind where it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", TRAINED)
def test_a_file_that_would_run_code_is_refused_even_with_the_right_digest(name: str, empty_cache: Path, tmp_path: Path) -> None:
    loaded(name)
    (file,) = (empty_cache / "targets").glob("*.safetensors")
    torch.save({"weights": Touch(tmp_path / "was-run")}, file)
    manifest = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(manifest | {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))
    with pytest.raises(TargetError, match=r"holds none: .*; delete it, and it is trained again") as refused:
        loaded(name)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "was-run").exists()


def test_other_weights_in_the_same_file_make_another_target(empty_cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from crossattack.targets.dcmh import Dcmh
    from surrogates.towers import image_tower

    (pairs, split), digests = scenes(), []
    recipe = Dcmh(image_tower="convnet", epochs=1, batch=16, bits=BITS, weights=str(tmp_path / "start.safetensors"))
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        save_file(image_tower("convnet").state_dict(), recipe.weights)
        digests.append(recipe.load(pairs.take(split.train), device="cpu", progress=Silent()).digest)
    assert digests[0] == digests[2] != digests[1]
    assert len(list((empty_cache / "targets").glob("*.safetensors"))) == 2


def test_another_process_reads_the_same_targets(shared: Path) -> None:
    few = scenes()[0].take(torch.arange(9))
    command = [sys.executable, "-c", SCRIPT, *TRAINED]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout
    theirs = json.loads(printed.splitlines()[-1])
    for name in TRAINED:
        assert theirs[name] == [loaded(name).digest, all_codes(loaded(name), few)]


def all_codes(target: Any, few: Pairs) -> list[Any]:
    """What a target makes of a few pairs, as it compares them."""
    return [compared(target, encode(target, *side)).tolist() for side in sides(few if reads_texts(target) else few.pictures())]


def test_dcmh_learns_scenes_it_has_not_seen(empty_cache: Path) -> None:
    """Validation on other scenes: well above the floor after a few seconds of training."""
    from crossattack.datasets.scenes import Scenes
    from crossattack.targets.dcmh import Dcmh

    pairs, split = Scenes(pairs=1600, pixels=32).load(Silent())
    target = Dcmh(image_tower="convnet", epochs=8, tower_lr=1e-3).load(pairs.take(split.train), device="cpu", progress=Silent())
    validation = target.facts["validation"]
    share = (pairs.labels.float() @ pairs.labels.float().T > 0).double().mean().item()
    assert share < 0.2
    assert validation["image_to_text"] > share + 0.15
    assert validation["text_to_image"] > share + 0.15
