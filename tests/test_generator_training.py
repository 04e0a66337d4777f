"""The training of a generator: it goes on where it was killed, and it says when it has come to nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from killed_training import train
from worlds import attackers_world

from crossattack.attacks._collapse import WINDOW, Watch, own_share
from crossattack.attacks._generator_file import load_generator
from crossattack.attacks.uaa_gan import UaaGan
from crossattack.errors import TrainingFailed

SCRIPT = Path(__file__).with_name("killed_training.py")


def test_a_training_that_was_killed_ends_like_one_that_was_not_to_the_byte(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    whole = train(folders[0])
    with subprocess.Popen([sys.executable, SCRIPT, folders[1], str(torch.get_num_threads())]) as child:
        while child.poll() is None and not list(folders[1].glob("checkpoints/generator-*.pt")):
            time.sleep(0.01)
        time.sleep(0.05)  # into the steps after it
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert not (folders[1] / "generator.safetensors").exists()
    (checkpoint,) = folders[1].glob("checkpoints/generator-*.pt")
    step = torch.load(checkpoint, weights_only=True)["watch"]["step"]
    assert step == 50
    assert train(folders[1]) == whole
    assert not checkpoint.exists()


def test_a_damaged_checkpoint_is_told_of_and_the_training_begins_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole, file = train(tmp_path), tmp_path / "generator.safetensors"
    checkpoint = tmp_path / f"checkpoints/generator-{load_generator(file).origin.made_of}.pt"
    file.unlink()
    checkpoint.write_bytes(b"torn")
    assert train(tmp_path) == whole
    assert f"{checkpoint} is damaged" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 1e30}, r"^finite losses wanted, [\d.]+ of the discriminator and nan of the generator got at step 1; lower `lr`"),
        ({"lr": 1.0}, r"^a change of each picture's own wanted, one for all got at step 50 \(0\.\d\d% of it .*; lower `lr`"),
        (
            {"lr": 1e-8},
            r"^a discriminator that does no worse than guessing \(0\.5\) wanted, a loss of 1\.\d+ for 100 steps got, up to step 100;",
        ),
        (
            {"lr": 0.02, "lambda_r": 1e4, "lambda_m": 0.0},
            r"^a change of the pictures wanted, a quarter of a grey level or less got at step \d+; lower `lambda_r`",
        ),
        (
            {"eps": 1.0, "lambda_m": 1e3},
            r"^a discriminator that can be fooled wanted, one that is always right got .*; lower `lr` or `eps`",
        ),
    ],
)
def test_a_training_that_collapses_ends_with_what_to_change(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    attack = UaaGan(**{"eps": 16 / 255, "steps": 300, "batch": 8, "width": 4, "blocks": 1, "pictures": 40, **settings})
    with attackers_world(tmp_path) as world, pytest.raises(TrainingFailed, match=said) as failed:
        attack.fit(world.white)
    assert "\n" not in str(failed.value)
    assert not (tmp_path / "generator.safetensors").exists()


def test_one_bad_window_is_forgiven_and_two_in_a_row_are_not() -> None:
    def through(*windows: float) -> Watch:
        watch = Watch()
        for loss in windows:
            for _ in range(WINDOW):
                watch.losses(loss, 0.0)
        return watch

    assert through(0.0, 0.5, 0.0, 2.0, 0.5, 2.0, 0.0, 2.0).step == 8 * WINDOW
    for loss in (0.0, 2.0):
        with pytest.raises(TrainingFailed, match=f"up to step {3 * WINDOW}\\b"):
            through(0.5, loss, loss)


def test_the_share_of_a_change_that_is_a_picture_s_own() -> None:
    generator = torch.Generator().manual_seed(0)
    same = torch.randn(1, 3, 8, 8, generator=generator).expand(4, -1, -1, -1)
    flipped = same * torch.tensor([1, -1, 1, -1])[:, None, None, None]
    assert own_share(same) == pytest.approx(0, abs=1e-6)
    assert own_share(flipped) == pytest.approx(1, abs=1e-6)
    assert own_share(same + flipped) == pytest.approx(0.5, abs=1e-6)
