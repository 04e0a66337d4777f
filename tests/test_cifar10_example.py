"""The example of the 2016 article, end to end on a few small pictures; its figures against a count by hand."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))
import cifar10_epsilon as example  # noqa: E402

CLASSES = {"airplane": (60, 90, 200), "cat": (200, 120, 60), "frog": (60, 180, 80)}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Twelve pictures a class to learn from and four to test, 8 x 8, each a colour and some noise."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for name, colour in CLASSES.items():
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                values = np.array(colour) + generator.integers(-40, 41, (8, 8, 3))
                Image.fromarray(values.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


def test_it_runs_end_to_end_and_says_the_same_in_all_places(folders: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = f"--root {folders / 'data'} --out {folders / 'out'} --pictures 6 --epochs 12 --block 2 --eps 0.01,0.05,0.3 --quiet"
    example.main(settings.split())
    said = capsys.readouterr()
    found = json.loads((folders / "out/cifar10-epsilon.json").read_text(encoding="utf-8"))
    assert found["pictures"] == 6
    assert found["probes_a_picture"] == 3 * 4 * 4
    assert found["levels"] == [2, 12, 76]
    for margin in ("probabilities", "logarithms"):
        sweep = found["margins"][margin]
        taken, wrong = sweep["taken_for_the_wanted_label"], sweep["taken_for_a_wrong_label"]
        assert all(low <= high for low, high in zip(taken, wrong, strict=True))
        assert sum(sweep["smallest_eps"].values()) == 6
        assert wrong[-1] > 0.5, "moved by 0.3, most colours are another's"
        assert f"{'taken for the wanted label':<28}" + "".join(f"{share:>7.0%}" for share in taken) in said.out
        assert len(sweep["pairs"]) == 6
    assert said.err == ""
    figure = (folders / "out/cifar10-epsilon.svg").read_text(encoding="utf-8")
    assert figure.startswith("<?xml")
    assert figure.count("<image") == 4 * 4


def test_a_linear_classifier_is_moved_along_the_difference_of_its_rows() -> None:
    weights = torch.randn(3, 48, generator=torch.Generator().manual_seed(0))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(weights)
    photos = example.Photos(torch.full((1, 3, 4, 4), 128, dtype=torch.uint8), torch.tensor([1]))
    moved = example.sweep(network, photos, levels=2, block=1, eps=[8 / 255], progress=example.Silent())["logarithms"]
    for wanted in (0, 2):
        change = (moved.images[0, wanted, 0].int() - 128).flatten()
        assert torch.equal(change, (8 * (weights[wanted] - weights[1]).sign()).int())
    assert torch.equal(moved.images[0, 1, 0], photos.images[0])


def test_shares_are_those_of_a_count_by_hand() -> None:
    """Two pictures, of labels 0 and 1 among three, at two eps."""
    said = torch.tensor([[[0, 0], [1, 0], [1, 2]], [[1, 0], [1, 1], [2, 2]]])
    found = example.summary(said, torch.tensor([0, 1]), ["a", "b", "c"], [0.1, 0.2])
    assert found["taken_for_the_wanted_label"] == [0.5, 0.75]  # a->b, b->c; then a->c, b->a, b->c
    assert found["taken_for_a_wrong_label"] == [0.75, 0.75]
    assert found["taken_for_some_wanted_label"] == [1.0, 1.0]
    assert found["taken_for_every_wanted_label"] == [0.0, 0.5]
    assert found["smallest_eps"] == {"0.1": 2, "0.2": 0, "larger": 0}
    assert found["by_wanted_label"] == {"a": [0.0, 1.0], "b": [1.0, 0.0], "c": [0.5, 1.0]}
    assert found["pairs"]["a -> b"] == [1.0, 0.0]
    assert found["lost_again_at_a_larger_eps"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--root {0}/nowhere", "cifar-10-batches-py, or train/<class> and test/<class>, wanted"),
        ("--root {0}/data --true dog", "one of airplane, cat, frog wanted, 'dog' got"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(arguments: str, says: str, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        example.main([*arguments.format(folders).split(), "--quiet"])
    assert says in capsys.readouterr().err


def test_it_reads_the_layout_of_torchvision(tmp_path: Path) -> None:
    import hashlib
    import pickle

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    values = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072) % 256
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": values.astype(np.uint8), "labels": [3, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "automobile", "bird", "cat"]}))
    from torchvision.datasets import CIFAR10

    def sums(names: list[str]) -> list[list[str]]:
        return [[name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name in names]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CIFAR10, "train_list", sums([f"data_batch_{number}" for number in range(1, 6)]))
        patch.setattr(CIFAR10, "test_list", sums(["test_batch"]))
        patch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums(["batches.meta"])[0][1]})
        classes, train, test = example.load(tmp_path)
    assert classes[3] == "cat"
    assert train.images.shape == (10, 3, 32, 32)
    assert test.labels.tolist() == [3, 0]
    assert test.images[0, 0, 0].tolist() == values[0, :32].tolist()
