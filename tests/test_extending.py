"""The plugins that docs/extending and docs/metrics.md write out are what they say: one file each, and they run."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossattack.config import load_config
from crossattack.experiment import run
from crossattack.metrics.ranking import levels
from crossattack.objectives import Known, View
from crossattack.progress import Silent
from crossattack.registry import Registry
from surrogates.towers import image_tower

DOCS = Path(__file__).parents[1] / "docs"
SMALL = [
    "data=squares",
    "target.image_tower=convnet",
    "target.bits=8",
    "target.epochs=8",
    "surrogate.least_steps=0",
    "attacked=20",
    "ceiling.steps=2",
]
names = Registry.names


def code_of(page: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.S)
    return str(code)


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str, str], None]]:
    """Put the code of a page among the plugins of a package."""
    added: list[tuple[str, str]] = []
    monkeypatch.setattr(Registry, "names", lambda self: (*names(self), *(name for package, name in added if package == self.package)))

    def put(page: str, package: str, name: str) -> None:
        folder = tmp_path / "plugins" / package
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(code_of(page), encoding="utf-8")
        module = importlib.import_module(package)
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
        added.append((package, name))

    yield put
    for package, name in added:
        sys.modules.pop(f"{package}.{name}", None)


@pytest.mark.usefixtures("empty_cache")
def test_the_attack_the_data_set_and_the_objective_of_the_docs_run(plug: Callable[[str, str, str], None], tmp_path: Path) -> None:
    plug("extending/attack.md", "crossattack.attacks", "fade")
    plug("extending/dataset.md", "crossattack.datasets", "squares")
    plug("extending/objective.md", "crossattack.objectives", "half")
    plug("extending/tower.md", "surrogates.towers.images", "patches")

    faded = ran(tmp_path, "fade", "attack=fade", "attack.eps=16/255")
    assert 15 / 255 <= faded["distortion"]["images"]["linf_max"] <= 16 / 255 + 1e-9
    texts = faded["directions"]["text_to_image"]["map"]
    assert texts["attacked"] == texts["clean"], "it leaves texts alone"
    assert faded["budget"]["spent"] == 0
    assert faded["directions"]["image_to_text"]["map"]["clean"] > faded["directions"]["image_to_text"]["map"]["floor"]

    learned = ran(
        tmp_path,
        "patches",
        "attack=bim",
        "attack.steps=2",
        "attack.objective=half",
        "surrogate.image_tower=patches",
        "surrogate.epochs=1",
        "oracle.budget=60",
    )
    assert learned["config"]["attack"]["objective"] == {"name": "half"}
    assert learned["surrogates"][0]["image_tower"] == "patches"
    assert learned["budget"]["spent"] > 30


@pytest.mark.usefixtures("empty_cache")
def test_the_target_of_the_docs_is_attacked(plug: Callable[[str, str, str], None], tmp_path: Path) -> None:
    plug("extending/target.md", "crossattack.targets", "colours")
    plug("extending/dataset.md", "crossattack.datasets", "squares")
    settings = ["target=colours", "target.least=0.4", "data=squares", "attacked=20", "ceiling.steps=5", "ceiling.eps=64/255"]
    found = run(load_config(overrides=[*settings, "attack=noise", "name=colours"]), tmp_path, Silent())
    assert found["target"] == {"name": "colours", "dim": 3, "digest": f"{400000:016x}"}
    scores = found["directions"]["image_to_text"]["map"]
    assert scores["floor"] + 0.05 < scores["clean"]
    assert scores["ceiling"] < scores["clean"]


def ran(folder: Path, name: str, *overrides: str) -> dict[str, Any]:
    return run(load_config(overrides=[*SMALL, f"name={name}", *overrides]), folder, Silent())


def test_the_objective_of_the_docs_is_least_where_half_of_the_bits_are_turned() -> None:
    space: dict[str, Any] = {}
    exec(code_of("extending/objective.md"), space)
    own = torch.tensor([[0.9, -0.8, 0.7, -0.6]])
    none, zero = torch.zeros(0, 4), torch.zeros(1, 0)
    known = Known(none, zero, zero, zero, torch.zeros(1, 0, dtype=torch.int64))
    loss = space["Half"]().of(View(own, known, known, none))
    turned = torch.tensor([[1.0, -1, 1, -1], [1, -1, 1, 1], [1, 1, -1, -1], [-1, 1, -1, 1]])  # none, one, two, all
    assert [loss(codes[None]).item() for codes in turned] == [1.0, 0.25, 0.0, 1.0]


def test_the_tower_of_the_docs_takes_pictures_of_any_size(plug: Callable[[str, str, str], None]) -> None:
    plug("extending/tower.md", "surrogates.towers.images", "patches")
    tower = image_tower("patches")
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    naive = torch.stack(
        [torch.relu(tower.layer(images[:, :, y : y + 8, x : x + 8] * 2 - 1))[:, :, 0, 0] for y in (0, 8) for x in (0, 8, 16)]
    )
    assert torch.allclose(tower(images), naive.mean(0), atol=1e-6)


def test_the_metric_of_the_docs_is_what_a_loop_counts() -> None:
    space: dict[str, Any] = {}
    exec(code_of("extending/metric.md"), space)
    rng = np.random.default_rng(0)
    queries, database = (torch.from_numpy(rng.choice([-1, 1], (items, 6)).astype(np.int8)) for items in (20, 30))
    relevant = rng.random((20, 30)) < 0.1
    assert not relevant.any(1).all(), "some have nothing relevant"
    found = space["radius_of_first"](levels(queries, database, relevant))
    for query, radius in enumerate(found):
        distances = [int((queries[query] != database[item]).sum()) for item in np.flatnonzero(relevant[query])]
        assert radius == min(distances) if distances else np.isnan(radius)


def test_the_numbers_of_the_metrics_page_are_those_of_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of("metrics.md")
    exec(code, {})
    found = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(found["worst"]) < float(found["expected"]) < float(found["best"])
    assert f"# {found['expected']}, {found['best']}, {found['worst']}" in code
