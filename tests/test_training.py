"""The training loop: augmentation pixel by pixel, a toy problem learned by a stated factor, seeds, rates, the best epoch."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from surrogates.losses import pairwise_likelihood, quantisation
from surrogates.network import HashingNetwork, network_for, to_bytes
from surrogates.towers import image_tower
from surrogates.training import Schedule, augment, train

ITEMS, SIDE, BITS = 48, 8, 8


def noise_pictures(items: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (items, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def every_move(picture: np.ndarray, shift: int, flip: bool) -> dict[tuple[int, int, bool], np.ndarray]:
    """All pictures that a shift with repeated edges and a mirror can make of one (channel, height, width)."""
    _, height, width = picture.shape
    moved = {}
    for mirrored in (False, True) if flip else (False,):
        wide = np.pad(picture[..., ::-1] if mirrored else picture, ((0, 0), (shift, shift), (shift, shift)), mode="edge")
        for down in range(-shift, shift + 1):
            for along in range(-shift, shift + 1):
                rows, columns = shift + down, shift + along
                moved[down, along, mirrored] = wide[:, rows : rows + height, columns : columns + width]
    return moved


@pytest.mark.parametrize("flip", [False, True])
def test_each_picture_is_moved_on_its_own_and_edges_are_repeated(flip: bool) -> None:
    picture = noise_pictures(1, 9, 7)
    moved = augment(picture.repeat(200, 1, 1, 1), 2, flip, torch.Generator().manual_seed(0))
    assert moved.shape == (200, 3, 9, 7)
    assert (moved.dtype, moved.min() >= 0, moved.max() <= 1) == (torch.float32, True, True)
    choices = every_move(picture[0].numpy(), 2, flip)
    seen = set()
    for item in (moved * 255).round().to(torch.uint8).numpy():
        seen |= {move for move, choice in choices.items() if np.array_equal(item, choice)} or {None}
    assert None not in seen, "a picture that no move makes"
    assert len(seen) > 0.9 * len(choices)


def test_a_batch_that_is_not_to_be_moved_is_only_scaled() -> None:
    pictures = noise_pictures(5, 8, 8)
    assert torch.equal(augment(pictures, 0, False, torch.Generator()), pictures.float() / 255)


def toy() -> tuple[Tensor, list[list[str]], Tensor]:
    """Dark and bright pictures, named so; which of them are relevant to which."""
    bright = torch.arange(ITEMS) % 2
    noise = torch.randint(0, 60, (ITEMS, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    pictures = (noise + 180 * bright[:, None, None, None]).to(torch.uint8)
    return pictures, [["bright" if b else "dark"] for b in bright], bright[:, None] == bright


def learned(
    schedule: Schedule,
    seed: int = 0,
    score: Callable[[HashingNetwork], float] | None = None,
    spy: Callable[[HashingNetwork, Tensor, float], None] = lambda network, batch, loss: None,
    weights: str = "none",
) -> HashingNetwork:
    """A network trained on the toy problem; `spy` sees each batch and its loss."""
    pictures, texts, relevant = toy()
    torch.manual_seed(seed)
    network = network_for(texts, image="convnet", text="bag_of_words", bits=BITS, weights=weights)

    def objective(outputs: Tensor, batch: Tensor) -> Tensor:
        words = network.project_texts([texts[i] for i in batch.tolist()])
        loss = pairwise_likelihood(outputs, words, relevant[batch][:, batch])
        spy(network, batch, loss.item())
        return loss

    scored = None if score is None else lambda: score(network)
    generator = torch.Generator().manual_seed(seed)
    return train(network, pictures, objective, schedule, generator, tick=lambda steps, note="", /, **values: None, score=scored)


def test_a_toy_problem_is_learned() -> None:
    losses: list[float] = []
    network = learned(Schedule(epochs=6, batch=16, shift=1), spy=lambda network, batch, loss: losses.append(loss))
    assert losses[0] > 0.5, "it starts from nothing: log 2 would be no idea at all"
    assert np.mean(losses[-3:]) < losses[0] / 50
    pictures, texts, relevant = toy()
    with torch.no_grad():
        images, words = network.encode_images(pictures.float() / 255), network.encode_texts(texts)
    assert torch.equal(images @ words.T > 0, relevant), "each picture agrees with its own words and with no others"
    assert not network.training


def test_an_epoch_sees_every_item_once_in_batches_of_about_the_size_wanted() -> None:
    batches: list[Tensor] = []
    learned(Schedule(epochs=2, batch=20), spy=lambda network, batch, loss: batches.append(batch))
    assert [len(batch) for batch in batches] == [24, 24, 24, 24], "48 = 2 * 20 + 8, and the 8 are shared out"
    first, second = torch.cat(batches[:2]), torch.cat(batches[2:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(ITEMS))
    assert first.tolist() != second.tolist()


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    schedule = Schedule(epochs=2, batch=16)
    first, again, other = (to_bytes(learned(schedule, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_epoch_of_the_best_score_is_given_back() -> None:
    kept: list[bytes] = []

    def score(network: HashingNetwork) -> float:
        assert not network.training
        kept.append(to_bytes(network))
        return [0.1, 0.8, 0.3, 0.8][len(kept) - 1]

    network = learned(Schedule(epochs=4, batch=16), score=score)
    assert len(set(kept)) == 4
    assert to_bytes(network) == kept[1], "the first of the best, batch statistics included"


def test_weights_are_averaged_over_steps_each_fading_by_the_factor() -> None:
    """0.9 of the mean so far and 0.1 of the step's weights, from those of the first step on; the training itself goes as without."""
    steps: list[dict[str, Tensor]] = []

    def spy(network: HashingNetwork, batch: Tensor, loss: float) -> None:
        steps.append({name: value.detach().clone() for name, value in network.named_parameters()})

    schedule = Schedule(epochs=2, batch=16)
    last = learned(schedule, spy=spy)
    after = [*steps[1:], dict(last.named_parameters())]
    wanted = after[0]
    for weights in after[1:]:
        wanted = {name: 0.9 * wanted[name] + 0.1 * weights[name] for name in wanted}
    averaged = dict(learned(replace(schedule, averaging=0.9)).named_parameters())
    assert len(after) == 6
    for name, value in wanted.items():
        torch.testing.assert_close(averaged[name], value)
    assert any(not torch.equal(averaged[name], value) for name, value in last.named_parameters())


def test_without_a_score_the_last_epoch_is_given_back() -> None:
    notes: list[str] = []
    network = HashingNetwork("convnet", "bag_of_words", BITS, text_settings={"vocabulary": ["a"], "features": 4})
    before = to_bytes(network)
    pictures = toy()[0]
    codes = torch.ones(ITEMS, BITS)
    train(
        network,
        pictures,
        lambda outputs, batch: quantisation(outputs, codes[batch]),
        Schedule(epochs=3, batch=16),
        torch.Generator(),
        tick=lambda steps, note="", /, **values: notes.append(f"{steps} {note} {sorted(values)}"),
    )
    assert notes == ["1 epoch 1 ['loss']", "1 epoch 2 ['loss']", "1 epoch 3 ['loss']"]
    assert to_bytes(network) != before


def test_a_picture_tower_has_a_rate_of_its_own_where_it_starts_from_trained_weights(tmp_path: Path) -> None:
    weights = str(tmp_path / "convnet.safetensors")
    save_file(image_tower("convnet").state_dict(), weights)
    for start_from, still in ((weights, {"image_tower"}), ("none", set())):
        torch.manual_seed(0)
        start = network_for(toy()[1], image="convnet", text="bag_of_words", bits=BITS, weights=start_from)
        network = learned(Schedule(epochs=1, batch=16, tower_lr=0.0), weights=start_from)
        moved = {name for name, parameter in network.named_parameters() if not torch.equal(parameter, start.get_parameter(name))}
        assert {name.split(".")[0] for name in moved} == {"image_tower", "image_head", "text_tower", "text_head"} - still


def test_rates_rise_over_a_tenth_of_the_steps_and_fall_to_nothing() -> None:
    biases: list[Tensor] = []
    schedule = Schedule(epochs=10, batch=16, lr=1e-3, weight_decay=0.0)  # 30 steps
    learned(schedule, spy=lambda network, batch, loss: biases.append(network.image_head.bias.detach().clone()))
    moves = [(after - before).abs().max().item() for before, after in pairwise(biases)]
    assert moves[0] == pytest.approx(1e-3 / 3, rel=0.01), "the first step of three; Adam's first move is the rate itself"
    assert max(moves[2:6]) > 2 * moves[0]
    assert moves[-1] < 0.05 * 1e-3
