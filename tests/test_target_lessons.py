"""What the recipes of targets teach: each loss against naive loops or a closed form, and who gets to see labels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from worlds import scenes

from crossattack.progress import Silent
from crossattack.streams import Streams
from crossattack.targets._adversary import adversary, critic_loss, modality_loss, reversed_gradient
from crossattack.targets._fitting import Material
from crossattack.targets.acmr import Acmr, reversal, squared_distances
from crossattack.targets.dadh import explained, weighted_triplets
from crossattack.targets.dchmt import Dchmt
from crossattack.targets.djsrh import Djsrh, bags, taught
from crossattack.targets.ucch import Ucch
from surrogates.network import network_for, to_bytes
from surrogates.training import Schedule

ITEMS, BITS = 7, 6


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("recipe", [Djsrh, Ucch])
def test_unsupervised_targets_never_see_a_label(recipe: Any) -> None:
    """Other labels, equal weights; a supervised one learns otherwise."""
    pairs, split = scenes()
    pairs = pairs.take(split.train)
    other = replace(pairs, labels=pairs.labels.flip(0).roll(1, 1))
    own = {"teacher": "convnet"} if recipe is Djsrh else {"hidden": (16,)}
    plugin = recipe(image_tower="convnet", epochs=1, batch=16, bits=BITS, **own)
    first, second = (to_bytes(plugin.fit(one, device="cpu", progress=Silent())[0]) for one in (pairs, other))
    assert first == second
    supervised = Acmr(image_tower="convnet", epochs=1, batch=16, dim=BITS, hidden=(16,))
    first, second = (to_bytes(supervised.fit(one, device="cpu", progress=Silent())[0]) for one in (pairs, other))
    assert first != second


def test_adversaries_are_not_kept() -> None:
    pairs, split = scenes()
    network, _ = Acmr(image_tower="convnet", epochs=1, batch=16, dim=BITS, hidden=(16,)).fit(
        pairs.take(split.train), device="cpu", progress=Silent()
    )
    assert {name.split(".")[0] for name in network.state_dict()} == {"image_tower", "image_head", "text_tower", "text_head"}


class TestDjsrh:
    def test_the_joint_likeness_is_the_papers(self) -> None:
        images, texts = (nn.functional.normalize(drawn(ITEMS, 5, seed=seed), dim=1) for seed in (0, 1))
        recipe = Djsrh(beta=0.3, eta=0.4, mu=1.5)
        single = np.zeros((ITEMS, ITEMS))
        for i in range(ITEMS):
            for j in range(ITEMS):
                single[i, j] = 0.3 * (2 * float(images[i] @ images[j]) - 1) + 0.7 * (2 * float(texts[i] @ texts[j]) - 1)
        expected = 1.5 * (0.6 * single + 0.4 * single @ single.T / ITEMS)
        assert np.allclose(recipe.joint(images, texts).numpy(), expected, atol=1e-5)

    def test_words_are_bags_of_length_one_and_the_teacher_has_no_slope(self) -> None:
        pairs, split = scenes()
        pairs = pairs.take(split.train)
        material = Material(pairs, Schedule(epochs=1), Streams(0), "cpu")
        lengths = bags(material).norm(dim=1)
        assert ((lengths - 1).abs() < 1e-5).logical_or(lengths == 0).all()
        features = taught("convnet", material)
        assert features.shape == (len(pairs), 256)
        assert not features.requires_grad
        assert not features.is_inference()


class TestUcch:
    def test_the_ranking_is_a_loop_over_items(self) -> None:
        scores = drawn(ITEMS, ITEMS).clamp(-1, 1)
        recipe = Ucch(margin=0.2, shift=0.5)
        expected = []
        for item in range(ITEMS):
            own = float(scores[item, item])
            others = [float(s) if float(s) >= own - 0.2 else float(s) - 0.5 for s in scores[item]]
            expected.append(0.2 - own + np.log(np.sum(np.exp(others))))
        assert recipe.ranking(scores).item() == pytest.approx(np.mean(expected), abs=1e-5)

    def test_the_contrast_falls_when_a_pair_agrees_with_its_own_code_and_the_memory_follows(self) -> None:
        """Two steps on one batch: after the first the memory holds the pairs, and only the own code's agreement lowers the loss."""
        pairs, split = scenes()
        pairs = pairs.take(split.train[:8])
        torch.manual_seed(0)
        network = network_for(pairs.texts, image="convnet", text="bag_of_words", bits=BITS, weights="none")
        outputs = network.project_texts(pairs.texts).detach()  # pictures that agree with their texts
        lesson = Ucch(bits=BITS, alpha=1.0, momentum=0.0).lesson(network, Material(pairs, Schedule(epochs=1), Streams(0), "cpu"))
        before, after = (lesson.objective(outputs, torch.arange(8)).item() for _ in range(2))
        codes = torch.where(outputs >= 0, 1.0, -1.0)
        logits = nn.functional.normalize(torch.tanh(outputs), dim=1) @ codes.T / (0.9 * BITS**0.5)
        assert after == pytest.approx(2 * nn.functional.cross_entropy(logits, torch.arange(8)).item(), abs=1e-5)
        assert after < before


class TestDadh:
    def test_codes_are_explained_by_ridge_regression_on_labels(self) -> None:
        labels, relaxed = (drawn(20, 4) > 0).float(), torch.tanh(drawn(20, BITS, seed=1))
        augmented = np.vstack([labels.numpy(), np.sqrt(0.5) * np.eye(4)]), np.vstack([relaxed.numpy(), np.zeros((4, BITS))])
        weights = np.linalg.lstsq(*augmented, rcond=None)[0]
        expected = np.where(labels.numpy() @ weights + 0.1 * relaxed.numpy() >= 0, 1, -1)
        assert (explained(labels, relaxed, ridge=0.5, mu=0.1).numpy() == expected).all()

    def test_a_code_of_zero_is_plus_one(self) -> None:
        assert (explained(torch.zeros(3, 2), torch.zeros(3, BITS), ridge=1.0, mu=1.0) == 1).all()

    def test_triplets_are_a_loop_over_anchors_positives_and_negatives(self) -> None:
        anchors, others = drawn(ITEMS, BITS), drawn(ITEMS, BITS, seed=1)
        labels = (drawn(ITEMS, 4, seed=2) > 0.3).float()
        shared = labels @ labels.T
        total, weight = 0.0, 0.0
        for a in range(ITEMS):
            for p in range(ITEMS):
                for n in range(ITEMS):
                    if shared[a, p] > 0 and shared[a, n] == 0:
                        near, far = (float(nn.functional.cosine_similarity(anchors[a], others[i], dim=0)) for i in (p, n))
                        own = (2 ** float(shared[a, p]) - 1) * (0.4 + far - near > 0)
                        total, weight = total + own * (0.4 + far - near), weight + own
        assert weight > 1, "there are triplets that are not as they should be"
        assert weighted_triplets(anchors, others, shared, 0.4).item() == pytest.approx(total / weight, abs=1e-5)
        assert weighted_triplets(anchors, others, torch.ones(ITEMS, ITEMS), 0.4).item() == 0


class TestAcmr:
    def test_squared_distances_are_squared(self) -> None:
        """The released code adds values up where squares are wanted, which is right for no two vectors but by chance."""
        first, second = drawn(ITEMS, BITS), drawn(5, BITS, seed=1)
        assert torch.allclose(squared_distances(first, second), torch.cdist(first, second).square(), atol=1e-4)
        released = first.sum(1)[:, None] - 2 * first @ second.T + second.sum(1)
        assert not torch.allclose(released, torch.cdist(first, second).square(), atol=0.1)

    def test_distances_are_means_over_pairs_of_one_label_and_over_the_others(self) -> None:
        images, texts, relevant = drawn(4, BITS), drawn(4, BITS, seed=1), drawn(4, 4, seed=2) > 0
        squared = torch.cdist(images, texts).square()
        near = np.mean([float(squared[i, j]) for i in range(4) for j in range(4) if relevant[i, j]])
        far = np.mean([max(0.0, 2 - float(squared[i, j])) for i in range(4) for j in range(4) if not relevant[i, j]])
        assert Acmr(near=3.0, far=0.5).distances(images, texts, relevant).item() == pytest.approx(3 * near + 0.5 * far, rel=1e-4)

    def test_the_adversary_grows_from_nothing_to_one(self) -> None:
        assert reversal(0.0) == 0
        assert reversal(0.5) == pytest.approx(2 / (1 + np.exp(-5)) - 1)
        assert 0.999 < reversal(1.0) < 1


class TestDchmt:
    def test_distances_are_those_of_the_papers_pairs_of_probabilities(self) -> None:
        """On the 2 K probabilities themselves, item by item."""
        first, second, relevant = torch.tanh(drawn(4, BITS)), torch.tanh(drawn(4, BITS, seed=1)), drawn(4, 4, seed=2) > 0
        ours = Dchmt(bits=BITS, threshold=0.5).distances(first, second, relevant).item()
        least, total = np.sqrt(2 * BITS * 0.5), 0.0
        for i, one in enumerate(pair_probabilities(first)):
            for j, other in enumerate(pair_probabilities(second)):
                distance = float(np.linalg.norm(one - other))
                total += distance**2 if relevant[i, j] else (least - min(distance, least)) ** 2
        assert ours == pytest.approx(total / 16, rel=1e-4)

    def test_equal_items_have_finite_slopes(self) -> None:
        codes = torch.tanh(drawn(3, BITS)).requires_grad_()
        Dchmt(bits=BITS).distances(codes, codes, torch.zeros(3, 3, dtype=torch.bool)).backward()
        assert codes.grad is not None
        assert codes.grad.isfinite().all()


def pair_probabilities(codes: Tensor) -> list[np.ndarray]:
    """The softmax of each bit's pair, of which a relaxed code is the difference."""
    return [np.concatenate([(1 + code) / 2, (1 - code) / 2]) for code in codes.numpy()]


class TestAdversaries:
    def test_a_reversed_gradient_is_turned_round_and_scaled(self) -> None:
        vectors = drawn(3, BITS).requires_grad_()
        turned = reversed_gradient(vectors, 0.3)
        assert torch.equal(turned, vectors)
        (turned * drawn(3, BITS, seed=1)).sum().backward()
        assert vectors.grad is not None
        assert torch.allclose(vectors.grad, -0.3 * drawn(3, BITS, seed=1))

    def test_who_makes_the_vectors_raises_what_the_judge_of_modality_lowers(self) -> None:
        torch.manual_seed(0)
        judge, sides = adversary(BITS), [drawn(9, BITS, seed=seed).requires_grad_() for seed in (0, 1)]
        before = modality_loss(judge, *sides, 1.0)
        before.backward()
        moved = [(side - 0.1 * side.grad).detach() for side in sides]  # down its gradient, as an optimiser goes
        assert modality_loss(judge, *moved, 1.0) > before
        with torch.no_grad():
            for parameter in judge.parameters():
                parameter -= 0.1 * parameter.grad
        assert modality_loss(judge, *sides, 1.0) < before

    @pytest.mark.parametrize("length", [1.0, 3.0])
    def test_the_penalty_of_a_linear_critic_is_known(self, length: float) -> None:
        critic = nn.Linear(BITS, 1, bias=False)
        critic.weight.data = length * nn.functional.normalize(torch.ones(1, BITS), dim=1)
        images, texts = drawn(5, BITS), drawn(5, BITS, seed=1)
        found = critic_loss(critic, images, texts, penalty=10.0, generator=torch.Generator().manual_seed(0))
        gap = (critic(texts).mean() - critic(images).mean()).item()
        assert found.item() == pytest.approx(gap + 10 * (length - 1) ** 2, abs=1e-3)
