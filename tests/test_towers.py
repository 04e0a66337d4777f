"""Towers: one suite over every picture tower, fresh and read back, and bags of words."""

import re
from pathlib import Path

import pytest
import torch
from tiny_language import tiny_bert, tiny_clip
from torch import Tensor

from crossattack.registry import IMAGE_TOWERS, TEXT_TOWERS
from surrogates.network import HashingNetwork, from_file, network_for, to_bytes
from surrogates.texts import Bags, Embedded
from surrogates.towers import EmbeddingTower, image_tower, text_tower, text_tower_for
from surrogates.towers._torchvision import USUAL

NAMES = (*IMAGE_TOWERS.names(), "resnet18", "mobilenet_v2")  # the last two are torchvision's
WORDS = {"vocabulary": ["circle", "red", "square"], "features": 16}
TEXTS = (["red", "circle"], "a square", "nothing known")


def pictures(name: str, items: int = 3, seed: int = 0) -> Tensor:
    """Smooth pictures with some noise, of the size that the tower is meant for."""
    side = 224 if name == "cnnf" else 64
    random = torch.Generator().manual_seed(seed)
    smooth = torch.nn.functional.interpolate(torch.rand(items, 3, 4, 4, generator=random), size=(side, side), mode="bilinear")
    noisy = smooth + 0.1 * torch.randn(items, 3, side, side, generator=random)
    return noisy.clamp(0, 1).contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> HashingNetwork:
    """A network with this picture tower, from scratch, its running statistics settled."""
    torch.manual_seed(0)
    network = HashingNetwork(request.param, "bag_of_words", 32, text_settings=WORDS).to(memory_format=torch.channels_last)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0  # statistics of the one batch that follows; from scratch, features would all but vanish
    with torch.no_grad():
        network.encode_images(pictures(request.param, 8, seed=1))
    return network.eval()


@pytest.fixture
def items(network: HashingNetwork) -> Tensor:
    return pictures(network.settings["image_tower"])


def test_features_have_the_width_that_the_tower_says(network: HashingNetwork, items: Tensor) -> None:
    features = network.image_tower(items)
    assert features.shape == (len(items), network.image_tower.features)
    assert (features[0] - features[1]).abs().max() > 1e-3 * features.abs().max(), "two pictures are told apart"


def test_an_item_alone_has_the_features_that_it_has_in_a_batch(network: HashingNetwork, items: Tensor) -> None:
    with torch.no_grad():
        together = network.image_tower(items)
        alone = torch.cat([network.image_tower(item[None]) for item in items])
    assert (alone - together).abs().max() <= 1e-5 * together.abs().max()


def test_gradients_reach_every_channel_of_every_picture(network: HashingNetwork, items: Tensor) -> None:
    (gradient,) = torch.autograd.grad(network.project_images(items.requires_grad_()).square().sum(), items)
    assert gradient.isfinite().all()
    assert (gradient.abs().amax((2, 3)) > 0).all()


def test_pictures_of_one_colour_have_finite_features_and_gradients(network: HashingNetwork, items: Tensor) -> None:
    flat = torch.ones_like(items) * torch.tensor([0.0, 0.5, 1.0])[:, None, None, None]
    features = network.image_tower(flat.requires_grad_())
    (gradient,) = torch.autograd.grad(features.sum(), flat)
    assert features.isfinite().all()
    assert gradient.isfinite().all()


def test_a_network_read_back_gives_the_same_codes_and_the_same_bytes(network: HashingNetwork, items: Tensor, tmp_path: Path) -> None:
    content = to_bytes(network)
    path = tmp_path / "network.safetensors"
    path.write_bytes(content)
    again = from_file(path)
    path.unlink()  # a quarter of a gigabyte with CNN-F
    with torch.no_grad():
        assert torch.equal(again.encode_images(items), network.encode_images(items))
        assert torch.equal(again.encode_texts(TEXTS), network.encode_texts(TEXTS))
    assert to_bytes(again) == content
    assert again.settings == network.settings
    assert not any(part.training for part in again.modules())


@pytest.mark.parametrize("damage", ["cut short", "header", "no network", "other bits", "no such tower", "no such text tower", "missing"])
def test_a_damaged_network_file_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    content = to_bytes(HashingNetwork("convnet", "bag_of_words", 8, text_settings=WORDS))
    swaps = {
        "cut short": content[:-100],
        "header": b"\xff" * 8 + content[8:],
        "no network": content.replace(b"settings", b"sittings", 1),
        "other bits": content.replace(rb"\"bits\": 8", rb"\"bits\": 4", 1),
        "no such tower": content.replace(b"convnet", b"convnot", 1),
        "no such text tower": content.replace(b"bag_of_words", b"bag_of_swords"[:12], 1),
    }
    path = tmp_path / "network.safetensors"
    if damage in swaps:
        assert swaps[damage] != content
        path.write_bytes(swaps[damage])
    with pytest.raises(ValueError, match=r"^a hashing network wanted, .* holds none: ") as refused:
        from_file(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("name", "weights"), [("convnet", "default"), ("cnnf", "default"), ("resnet18", "default"), ("resnet19", "none")])
def test_weights_and_towers_that_do_not_exist_say_the_ways_out(name: str, weights: str, empty_torch_hub: Path) -> None:
    with pytest.raises(ValueError, match=name) as refused:
        image_tower(name, weights)
    assert "\n" not in str(refused.value)
    if weights == "default":  # three ways out
        assert re.search(r"wanted, .*; .*(path).*(none).*(choose another tower|from scratch)$", str(refused.value))


@pytest.mark.parametrize(("name", "file"), [("mobilenet_v2", "mobilenet_v2-b0353104.pth"), ("mobilenet_v2", "mobilenet_v2-7ebf99e0.pth")])
def test_default_weights_are_found_in_torchs_cache_without_a_network(name: str, file: str, empty_torch_hub: Path) -> None:
    torch.manual_seed(0)
    fresh = image_tower(name)
    (empty_torch_hub / "hub/checkpoints").mkdir(parents=True)
    state = {f"features.{key}": tensor for key, tensor in fresh.network.features.state_dict().items()}
    last = {"classifier.1.weight": torch.zeros(1000, fresh.features), "classifier.1.bias": torch.zeros(1000)}
    torch.save({**state, **last}, empty_torch_hub / "hub/checkpoints" / file)
    found = image_tower(name, "default").network.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in fresh.network.state_dict().items())


def test_small_pictures_are_made_large_enough_for_networks_that_pool_them_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """AlexNet has nothing left of 16 pixels; a vision transformer knows one size only."""
    for layer in (torch.nn.Conv2d, torch.nn.Linear):
        monkeypatch.setattr(layer, "reset_parameters", lambda self: torch.nn.init.constant_(self.weight, 1e-3))
    for name, side in (("alexnet", 63), ("vit_b_16", 224)):
        tower, sizes = image_tower(name).eval(), list[tuple[int, ...]]()
        tower.network.register_forward_pre_hook(lambda network, given, sizes=sizes: sizes.append(tuple(given[0].shape)))
        with torch.no_grad():
            assert tower(torch.rand(1, 3, 16, 16)).shape == (1, tower.features)
        assert sizes == [(1, 3, side, side)]


@pytest.fixture
def empty_torch_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_an_unknown_text_tower_is_refused() -> None:
    with pytest.raises(ValueError, match="bag_of_wards"):
        text_tower("bag_of_wards")
    with pytest.raises(ValueError, match="bag_of_wards"):
        text_tower_for("bag_of_wards", TEXTS)


def test_a_vocabulary_is_every_word_in_enough_texts() -> None:
    texts = [["red", "red", "circle"], "A red square.", ["red", "square", "blue"]]
    assert text_tower_for("bag_of_words", texts).vocabulary == ("red", "square")
    assert text_tower_for("bag_of_words", texts, least=1).vocabulary == ("a", "blue", "circle", "red", "square")
    assert text_tower_for("bag_of_words", texts, least=3).vocabulary == ("red",)
    assert text_tower_for("bag_of_words", Bags(("b", "a"), torch.zeros(1, 2))).vocabulary == ("b", "a")
    assert network_for(texts, image="convnet", text="bag_of_words", bits=8, weights="none").vocabulary == ("red", "square")


def test_a_bag_marks_known_words_once_and_unknown_words_never() -> None:
    tower = text_tower("bag_of_words", **WORDS)
    texts = [["red", "red", "circle"], "A Red, red SQUARE!", ["Red"], "", []]
    assert tower.bags(texts).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    with torch.no_grad():
        assert torch.equal(tower([["zebra"]]), tower([[]]))


def test_bags_meet_a_vocabulary_by_word_and_pass_gradients_on() -> None:
    tower = text_tower("bag_of_words", **WORDS)
    weights = torch.tensor([[0.25, 0.5, 0.75], [1.0, 0.0, 0.1]], requires_grad=True)
    theirs = Bags(("square", "zebra", "circle"), weights)
    assert torch.equal(tower.bags(theirs), weights[:, [2, 1, 0]] * torch.tensor([1.0, 0.0, 1.0]))
    (gradient,) = torch.autograd.grad(tower(theirs).sum(), weights)
    assert (gradient[:, 1] == 0).all(), "nobody knows zebras"
    assert (gradient[:, [0, 2]] != 0).all()


def test_a_bag_of_zeros_and_ones_is_the_text_it_stands_for() -> None:
    tower = text_tower("bag_of_words", **WORDS)
    with torch.no_grad():
        assert torch.equal(tower(Bags(("red", "circle"), torch.eye(2))), tower([["red"], ["circle"]]))


@pytest.mark.parametrize("name", TEXT_TOWERS.names())
def test_a_text_tower_is_built_again_from_its_settings(name: str, tmp_path: Path) -> None:
    makers = {"minilm": tiny_bert, "clip_text": tiny_clip}
    name = makers[name](tmp_path) if name in makers else name
    torch.manual_seed(0)
    tower = text_tower_for(name, ["red square", "red circle", "blue square"]).eval()
    again = text_tower(name, **tower.settings).eval()
    again.load_state_dict(tower.state_dict())
    with torch.no_grad():
        features = tower(TEXTS)
        assert features.shape == (len(TEXTS), tower.features)
        assert torch.equal(again(TEXTS), features)
        assert torch.allclose(torch.cat([tower([text]) for text in TEXTS]), features, rtol=0, atol=1e-5)


class TestATransformer:
    def test_it_reads_order_repetitions_and_no_neighbours(self) -> None:
        torch.manual_seed(0)
        tower = text_tower_for("transformer", ["red circle left of red square"] * 2).eval()
        texts = [["red", "circle"], ["circle", "red"], ["red", "red", "circle"], "Red CIRCLE!", ["red", "zebra"], ["red", "lion"], []]
        with torch.no_grad():
            features = tower(texts)
            assert torch.allclose(tower(texts[:1]), features[:1], rtol=0, atol=1e-6)
        apart = torch.cdist(features, features)
        assert (apart[0, [1, 2, 4, 6]] > 0.01).all()
        assert apart[0, 3] == 0, "a string is the list of its words"
        assert apart[4, 5] == 0, "nobody knows zebras"
        assert features.isfinite().all()

    def test_its_vectors_are_its_texts_and_gradients_reach_present_words_only(self) -> None:
        torch.manual_seed(0)
        tower = text_tower_for("transformer", ["red circle", "red circle blue"]).eval()
        assert isinstance(tower, EmbeddingTower)
        embedded = tower.embed(["red circle", "blue red lion"])
        assert torch.equal(embedded.vectors[0, 0], tower.table[tower.words.index("red")])
        assert torch.equal(embedded.vectors[1, 2], tower.unknown)
        assert embedded.present.sum(1).tolist() == [2, 3]
        vectors = embedded.vectors.detach().requires_grad_()
        features = tower(Embedded(vectors, embedded.present))
        assert torch.allclose(features, tower(["red circle", "blue red lion"]), rtol=0, atol=1e-6)
        (gradient,) = torch.autograd.grad(features.square().sum(), vectors)
        assert torch.equal(gradient.abs().sum(2) > 0, embedded.present)

    def test_it_reads_the_length_it_was_built_for_and_refuses_bags(self) -> None:
        tower = text_tower_for("transformer", [["a", "b"], ["a", "b", "a"]]).eval()
        assert (tower.words, tower.length) == (("a", "b"), 7)
        with torch.no_grad():
            assert torch.equal(tower([["a"] * 7]), tower([["a"] * 9])), "cut where it is longer"
        with pytest.raises(ValueError, match=r"^texts in words wanted by a transformer, bags of words got; "):
            tower(Bags(("a",), torch.ones(1, 1)))

    def test_a_network_read_back_gives_the_same_codes(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        network = network_for(["red square", "red circle"], image="convnet", text="transformer", bits=8, weights="none").eval()
        (tmp_path / "network").write_bytes(to_bytes(network))
        with torch.no_grad():
            assert torch.equal(from_file(tmp_path / "network").encode_texts(TEXTS), network.encode_texts(TEXTS))
        assert network.vocabulary == ()
        assert network.embeddings is network.text_tower
        assert HashingNetwork("convnet", "bag_of_words", 8, text_settings=WORDS).embeddings is None


def test_the_torchvision_networks_that_are_listed_are_its_own_with_as_many_features_as_is_said() -> None:
    for name, summary in USUAL.items():
        told = int(re.search(r", ([\d,]+) features ", summary)[1].replace(",", ""))  # type: ignore[index]
        with torch.device("meta"):  # no weights are made
            assert image_tower(name).features == told, name
