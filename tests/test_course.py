"""Training that survives: killed after any epoch, ended early, in less precision, in several processes."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from test_targets import TRAINED, loaded
from test_training import learned, toy
from training_processes import RECIPE, together
from worlds import scenes

from crossattack.errors import TrainingFailed
from crossattack.progress import Event, Listener, Silent, Told
from crossattack.registry import TARGETS
from crossattack.targets import _fitting, _trained, gem
from crossattack.targets._trained import COURSE
from surrogates import training
from surrogates.course import Course
from surrogates.losses import pairwise_likelihood
from surrogates.network import HashingNetwork, network_for, to_bytes
from surrogates.precision import faster
from surrogates.training import Schedule, train

HERE = Path(__file__).parent
LATER = {"patience": 2, "precision": "auto", "adversarial": 0.1, "smoothing": 0.1, "adversarial_steps": 5, "smoothing_weight": 2.0}


class Killed(Exception):
    pass


def enlarged_pictures(pictures: torch.Tensor, times: int) -> torch.Tensor:
    return pictures.repeat_interleave(times, 2).repeat_interleave(times, 3)


def trained_network(enlarged: int, **schedule: object) -> HashingNetwork:
    """The toy network, of pictures as many times as large: a machine may have no bfloat16 for maps of one place."""
    pictures, texts, relevant = toy()
    torch.manual_seed(0)
    network = network_for(texts, image="convnet", text="bag_of_words", bits=8, weights="none")

    def objective(outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return pairwise_likelihood(outputs, network.project_texts([texts[i] for i in batch.tolist()]), relevant[batch][:, batch])

    large, generator = enlarged_pictures(pictures, enlarged), torch.Generator().manual_seed(0)
    return train(network, large, objective, Schedule(batch=16, **schedule), generator, tick=lambda *_, **values: None)


def trained(course: Course, *, stop_after: int = 99, epochs: int = 5, scores: tuple[float, ...] = (), **schedule: object) -> bytes:
    """The toy network's file, on a course; "killed" when so many epochs were kept."""
    pictures, texts, relevant = toy()
    torch.manual_seed(0)
    network = network_for(texts, image="convnet", text="bag_of_words", bits=8, weights="none")
    ticks: list[str] = []

    def objective(outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        noisy = torch.nn.functional.dropout(outputs, 0.2)  # of the global draws
        return pairwise_likelihood(noisy, network.project_texts([texts[i] for i in batch.tolist()]), relevant[batch][:, batch])

    def tick(steps: int, note: str = "", /, **values: float) -> None:
        ticks.append(note)
        if len(ticks) == stop_after:
            raise Killed

    score = (lambda: scores[len(course.curve)]) if scores else None
    generator = torch.Generator().manual_seed(0)
    train(network, pictures, objective, Schedule(epochs=epochs, batch=16, **schedule), generator, tick=tick, score=score, course=course)
    return to_bytes(network)


@pytest.mark.parametrize("scores", [(), (0.1, 0.9, 0.3, 0.2, 0.4)], ids=["last epoch", "best epoch"])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_training_that_was_killed_ends_like_one_that_was_not(after: int, scores: tuple[float, ...], tmp_path: Path) -> None:
    whole = Course()
    expected = trained(whole, scores=scores)
    with pytest.raises(Killed):
        trained(Course(tmp_path / "a.course"), stop_after=after, scores=scores)
    again = Course(tmp_path / "a.course")
    assert trained(again, scores=scores) == expected
    assert again.curve == whole.curve
    assert len(whole.curve) == 5
    assert not list(tmp_path.glob(".*")), "no half-written file is left"


@pytest.mark.parametrize("damage", ["noise", "cut short", "other schedule"])
def test_what_cannot_be_gone_on_from_is_said_and_trained_from_the_start(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.course"
    with pytest.raises(Killed):
        trained(Course(path), stop_after=2, epochs=4 if damage == "other schedule" else 5)
    content = path.read_bytes()
    path.write_bytes({"noise": b"no checkpoint", "cut short": content[: len(content) // 2]}.get(damage, content))
    assert trained(Course(path)) == trained(Course())
    assert "a.course cannot be gone on from" in caplog.text
    assert caplog.text.count("\n") == 1


def test_a_checkpoint_that_would_run_code_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"of": Path("code")}, tmp_path / "a.course")
    assert trained(Course(tmp_path / "a.course"), epochs=1) == trained(Course(), epochs=1)
    assert "cannot be gone on from" in caplog.text


def test_training_ends_when_patience_does() -> None:
    course = Course()
    trained(course, epochs=9, scores=(0.1, 0.5, 0.4, 0.3, 0.6, 0.5, 0.4, 0.3, 0.9), patience=3)
    assert [entry["score"] for entry in course.curve] == [0.1, 0.5, 0.4, 0.3, 0.6, 0.5, 0.4, 0.3]
    assert (course.best_score, course.stale) == (0.6, 3)


def test_a_killed_target_is_trained_on_and_ends_with_equal_weights(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL after the second epoch at the latest; then this process goes on from there."""
    command = [sys.executable, str(HERE / "training_processes.py"), "alone", str(tmp_path), str(torch.get_num_threads())]
    process = subprocess.Popen(command, cwd=HERE)
    deadline = time.monotonic() + 120
    while not (found := list(empty_cache.glob(f"targets/*{COURSE}"))) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (kept,) = found
    reached = len(torch.load(kept, weights_only=True)["reached"]["curve"])
    assert 1 <= reached < RECIPE.epochs
    pairs, split = scenes()
    epochs: list[dict[str, float]] = []
    take_down = Course.take_down
    monkeypatch.setattr(Course, "take_down", lambda *given: epochs.append(said := take_down(*given)) or said)
    again = RECIPE.load(pairs.take(split.train), device="cpu", progress=Silent())
    assert len(epochs) == RECIPE.epochs - reached, "only what was left"
    assert not kept.exists()
    monkeypatch.setenv("CROSSATTACK_CACHE", str(tmp_path / "other"))
    whole = RECIPE.load(pairs.take(split.train), device="cpu", progress=Silent())
    assert whole.digest == again.digest
    assert whole.facts["curve"] == again.facts["curve"]
    assert len(whole.facts["curve"]) == RECIPE.epochs


@pytest.mark.parametrize("name", TRAINED)
def test_settings_that_came_later_leave_older_targets_where_they_are(name: str, empty_cache: Path) -> None:
    """The key of what was trained before there were patience, precision and defences is the same; with them, it is another target."""
    pairs, split = scenes()
    plugin, version = TARGETS.load(name), sys.modules[TARGETS.load(name).__module__].VERSION
    recipe, few = plugin(), pairs.take(split.train)
    older = {key: value for key, value in asdict(recipe).items() if key not in LATER}
    made_of = {"name": name, "version": version, "recipe": older, "data": _trained.digest(few)}
    assert _trained._made_of(name, recipe, version, few) == made_of
    changed = [replace(recipe, **{key: value}) for key, value in LATER.items() if hasattr(recipe, key)]
    assert changed
    assert all(_trained._made_of(name, other, version, few) != made_of for other in changed)


@pytest.mark.parametrize("name", TRAINED)
def test_every_target_that_was_killed_after_an_epoch_ends_with_equal_weights(name: str, empty_cache: Path, tmp_path: Path) -> None:
    """In this process, by an exception out of the progress: memories, adversaries and draws of the recipe come back too."""
    killed = Told(stop_after(2))
    with pytest.raises(Killed):
        loaded(name, killed, epochs=4)
    (kept,) = empty_cache.glob(f"targets/{name}*{COURSE}")
    told: list[Event] = []
    again = loaded(name, Told(told.append), epochs=4)
    assert [event.note for event in told if event.note] == ["as it was", "as it was", "epoch 3", "epoch 4"]
    assert not kept.exists()
    with pytest.MonkeyPatch.context() as patch:
        (tmp_path / "other").mkdir()
        (empty_cache / "clip").exists() and shutil.copytree(empty_cache / "clip", tmp_path / "other/clip")
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path / "other"))
        whole = loaded(name, Silent(), epochs=4)
    assert (whole.digest, whole.facts["curve"]) == (again.digest, again.facts["curve"])


def stop_after(epochs: int) -> Listener:
    """A listener that ends the process's work when it is told of so many epochs."""

    def listen(event: Event) -> None:
        if event.done == epochs and event.note == f"epoch {epochs}":
            raise Killed

    return listen


@pytest.mark.parametrize("name", [name for name in TRAINED if hasattr(TARGETS.load(name)(), "patience")])
def test_every_target_with_patience_gives_up_when_it_gets_no_better(name: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.4, 0.3, 0.2, 0.1])
    monkeypatch.setattr(_fitting, "both_ways", lambda *_: dict.fromkeys(("image_to_text", "text_to_image"), next(scores)))
    monkeypatch.setattr(gem, "validate", lambda *_: next(scores))
    curve = loaded(name, Silent(), epochs=5, patience=2).facts["curve"]
    assert [epoch["score"] for epoch in curve] == [0.5, 0.4, 0.3]


@pytest.mark.parametrize("name", [name for name in TRAINED if getattr(TARGETS.load(name), "supervised", True) is False])
def test_those_without_patience_are_unsupervised_and_say_why(name: str) -> None:
    assert not hasattr(TARGETS.load(name)(), "patience")
    assert "`patience`" in (TARGETS.load(name).__doc__ or "")


@pytest.mark.parametrize("name", TRAINED)
def test_every_target_can_be_trained_in_less_precision(name: str, empty_cache: Path) -> None:
    """16 pixels leave maps of one place, for which some machines have no bfloat16: these are larger."""
    target = loaded(name, Silent(), pixels=64, precision="bfloat16")
    assert target.facts["precision"] == "bfloat16"
    assert all(tensor.isfinite().all() and tensor.dtype != torch.bfloat16 for tensor in target.network.state_dict().values())


def test_auto_takes_the_precision_that_is_measured_to_be_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    from surrogates import precision

    seconds = {"float32": 3.0, "bfloat16": 2.0}
    monkeypatch.setattr(precision, "_seconds", lambda network, images, which: seconds[which])
    pictures, _, _ = toy()
    network = network_for([["a"]] * 2, image="convnet", text="bag_of_words", bits=8, weights="none")
    assert faster(network, pictures[:4] / 255) == "bfloat16"
    seconds["bfloat16"] = 4.0
    assert faster(network, pictures[:4] / 255) == "float32"


def test_measuring_leaves_the_network_and_the_draws_as_they_were() -> None:
    pictures, texts, _ = toy()
    network = network_for(texts, image="convnet", text="bag_of_words", bits=8, weights="none").train()
    before, drawn = to_bytes(network), torch.get_rng_state()
    assert faster(network, pictures[:8] / 255) in ("float32", "bfloat16")
    assert to_bytes(network) == before
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_less_precision_still_learns_and_float32_is_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    assert to_bytes(learned(Schedule(epochs=1, batch=16))) == to_bytes(learned(Schedule(epochs=1, batch=16, precision="float32")))
    network = trained_network(enlarged=4, epochs=6, shift=1, precision="bfloat16")
    pictures, texts, relevant = toy()
    with torch.no_grad():
        images, words = network.encode_images(enlarged_pictures(pictures, 4) / 255), network.encode_texts(texts)
    assert torch.equal(images @ words.T > 0, relevant)
    assert images.dtype == torch.float32
    monkeypatch.setattr(training, "faster", lambda network, images: "float32")
    course = Course()
    assert trained(course, epochs=2, precision="auto") == trained(Course(), epochs=2), "where float32 is faster, nothing differs"
    assert course.precision == "float32"


def test_a_loss_that_is_not_finite_is_said_in_a_line_and_nothing_is_kept(empty_cache: Path, tmp_path: Path) -> None:
    pictures, texts, _ = toy()
    network = network_for(texts, image="convnet", text="bag_of_words", bits=8, weights="none")
    course, draws = Course(tmp_path / "a.course"), torch.Generator()
    with pytest.raises(FloatingPointError, match=r"a finite loss wanted in epoch 1, nan got in float32; lower `lr`, or say"):
        train(
            network,
            pictures,
            lambda outputs, batch: outputs.sum() * torch.nan,
            Schedule(epochs=2),
            draws,
            tick=lambda *_, **values: None,
            course=course,
        )
    assert not list(tmp_path.iterdir())
    pairs, split = scenes()
    with pytest.raises(TrainingFailed, match=r"^training dcmh: a finite loss wanted in epoch 1, (nan|inf) got"):
        replace(RECIPE, gamma=1e38, eta=1e38, lr=1e30).load(pairs.take(split.train), device="cpu", progress=Silent())
    assert not list((empty_cache / "targets").glob("*.safetensors"))


def test_two_processes_get_what_one_does(tmp_path: Path, empty_cache: Path) -> None:
    """Gloo, a part of each batch each: equal weights in both, and those of one process but for the order of sums."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    group = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, str(HERE / "training_processes.py"), "rank", str(tmp_path), str(torch.get_num_threads())]
    processes = [subprocess.Popen(command, cwd=HERE, env={**group, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in (0, 1)]
    assert [process.wait(240) for process in processes] == [0, 0]
    one, (first, second) = together().state_dict(), (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert set(one) == set(first)
    for name, tensor in one.items():
        assert torch.equal(first[name], second[name]), name
        assert torch.allclose(first[name], tensor, rtol=0, atol=1e-4), name
    told = json.loads((tmp_path / "0.json").read_text())
    (kept,) = (empty_cache / "targets").glob("*.safetensors")
    assert told["digest"] == hashlib.sha256(kept.read_bytes()).hexdigest()[:16]
    assert len(told["curve"]) == 2
    assert (tmp_path / "1.json").read_text() == "", "only the first process says something"
