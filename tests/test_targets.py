"""What every target promises: the suite runs over every file of `crossattack/targets`, each trained in a second.

Remote ones have nothing to train and no gradients; what they promise stands in `test_http_endpoint.py`. Nor have those that
people bring themselves: `test_own_models.py`.
"""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from worlds import scenes

from crossattack.encoding import encode
from crossattack.endpoint import Similarity
from crossattack.errors import UsageError
from crossattack.index import compared, sides
from crossattack.progress import Silent
from crossattack.registry import TARGETS
from crossattack.targets import reads_texts
from surrogates.texts import Bags

BITS = 12
TRAINED = [name for name in TARGETS.names() if not {"remote", "brought"} & set(vars(TARGETS.load(name)))]
SMALL = {"bits": BITS, "dim": BITS, "image_tower": "convnet", "epochs": 1, "batch": 16}  # each takes what it knows
SCRIPT = """
import json, sys
from worlds import scenes
from test_targets import loaded
from crossattack.encoding import encode
from crossattack.index import compared
pairs, split = scenes()
target = loaded(sys.argv[1])
print(json.dumps([target.digest, compared(target, encode(target, "images", pairs.images[:9])).tolist()]))
"""


def loaded(name: str) -> Any:
    """The target, trained on a few scenes or read from the cache."""
    pairs, split = scenes()
    plugin = TARGETS.load(name)
    settings = {field.name: SMALL[field.name] for field in fields(plugin) if field.name in SMALL}
    return plugin(**settings).load(pairs.take(split.train), device="cpu", progress=Silent())


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.usefixtures("empty_cache")
class TestEveryTarget:
    def test_outputs_have_the_right_shape_and_size(self, name: str) -> None:
        target, (pairs, _) = loaded(name), scenes()
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

    def test_one_without_texts_says_so(self, name: str) -> None:
        target = loaded(name)
        if reads_texts(target):
            assert target.encode_texts(["a red square"]).shape == (1, BITS)
        else:
            with pytest.raises(UsageError, match="pictures wanted"):
                target.encode_texts(["a red square"])

    def test_an_item_alone_equals_the_item_in_a_batch(self, name: str) -> None:
        target, (pairs, _) = loaded(name), scenes()
        images = pairs.images[:6].float() / 255
        together, alone = target.encode_images(images), torch.cat([target.encode_images(image[None]) for image in images])
        assert torch.allclose(together, alone, atol=1e-5)
        if not reads_texts(target):
            return
        together, alone = target.encode_texts(pairs.texts[:6]), torch.cat([target.encode_texts([text]) for text in pairs.texts[:6]])
        assert torch.allclose(together, alone, atol=1e-5)

    def test_gradients_reach_pixels_and_words(self, name: str) -> None:
        target, (pairs, _) = loaded(name), scenes()
        images = (pairs.images[:3].float() / 255).requires_grad_()
        (target.encode_images(images) * torch.linspace(-1, 1, BITS)).sum().backward()
        assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
        if not reads_texts(target):
            return
        weights = torch.full((2, len(target.vocabulary)), 0.5, requires_grad=True)
        target.encode_texts(Bags(target.vocabulary, weights)).sum().backward()
        assert (weights.grad.abs().sum(1) > 0).all()

    def test_constant_pictures_have_finite_codes(self, name: str) -> None:
        flat = torch.stack([torch.full((3, 16, 16), float(level)) for level in (0, 0.5, 1)])
        assert loaded(name).encode_images(flat).isfinite().all()

    def test_another_process_reads_the_same_target(self, name: str) -> None:
        target, (pairs, _) = loaded(name), scenes()
        printed = subprocess.run(
            [sys.executable, "-c", SCRIPT, name], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout
        digest, codes = json.loads(printed.splitlines()[-1])
        assert digest == target.digest
        assert codes == compared(target, encode(target, "images", pairs.images[:9])).tolist()

    def test_it_is_trained_once(self, name: str, empty_cache: Path) -> None:
        loaded(name)
        (file,) = (empty_cache / "targets").glob("*.safetensors")
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
