"""Sweeps on code that their file names: only with leave, which no file can give."""

import json
from pathlib import Path

import pytest
import yaml

from crossattack.cli import main
from crossattack.errors import ConfigError
from crossattack.sweep.grid import load_sweep
from crossattack.sweep.work import EXPERIMENT, WITH_CODE, attempt

BASE = {
    "attacked": 8,
    "device": "cpu",
    "data": {"name": "scenes", "pairs": 240, "pixels": 16},
    "target": {"name": "embedding", "images": "swept_models:pictures", "texts": "swept_models:words"},
    "attack": {"name": "joint", "steps": 2, "tried": 10},
    "ceiling": {"name": "joint", "steps": 2, "tried": 10},
    "surrogate": {"image_tower": "convnet", "epochs": 1, "least_steps": 0},
    "oracle": {"budget": 60},
    "evaluation": {"resamples": 20},
}
CODE = """
import torch
from pathlib import Path

Path("was-run").touch()
torch.manual_seed(0)
pictures = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 12))


def words(texts):
    return torch.tensor([[float(sum(map(ord, str(text))) >> bit & 1) - 0.5 for bit in range(12)] for text in texts])
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> Path:
    """A sweep's file beside the code that it names, where the sweep is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "swept_models.py").write_text(CODE)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": BASE, "grid": {"seed": [0]}}))
    return path


def test_without_leave_a_line_says_so_and_nothing_is_run_or_written(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(file.parent.rglob("*"))
    assert main(["sweep", str(file)]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: every cell: `images` of embedding: leave to run swept_models:pictures and swept_models:words wanted")
    assert line.endswith("read that code, then say `--allow-code`.")
    assert sorted(file.parent.rglob("*")) == before


def test_a_file_cannot_give_itself_leave(file: Path) -> None:
    grids = ({"target.allow_code": [True]}, {"target.images": ["swept_models:pictures"]})
    for grid in grids:
        file.write_text(yaml.safe_dump({"base": BASE, "grid": grid}))
        with pytest.raises(ConfigError, match="say `--allow-code`"):
            load_sweep(file)


def test_leave_is_in_no_cells_configuration_and_changes_no_digest(file: Path) -> None:
    (cell,) = load_sweep(file, allow_code=True).cells
    assert "allow_code" not in cell.config.resolved()["target"]
    assert cell.config.fit_to_run() is cell.config
    file.write_text(yaml.safe_dump({"base": {**BASE, "target": "dcmh"}, "grid": {"seed": [0]}}))
    with_leave, without = (load_sweep(file, allow_code=leave).cells[0] for leave in (True, False))
    assert with_leave.digest == without.digest, "a target that is no code needs none"


def test_a_cell_runs_the_code_with_leave_and_not_without(file: Path, tmp_path: Path) -> None:
    (cell,) = load_sweep(file, allow_code=True).cells
    folder = tmp_path / cell.digest
    folder.mkdir()
    (folder / "config.yaml").write_text(json.dumps(cell.config.resolved()))
    assert "leave to run swept_models:pictures" in str(attempt(EXPERIMENT, folder))
    assert not (tmp_path / "was-run").exists()
    assert attempt(WITH_CODE, folder) is None
    assert list(json.loads((folder / "results.json").read_text())["directions"]) == ["image_to_text", "text_to_image"]


@pytest.mark.slow
def test_workers_run_it_where_the_command_line_says_so(file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(file), "--allow-code", "--json", "--quiet"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert [cell["state"] for cell in told["cells"]] == ["done"]
    assert (tmp_path / "was-run").exists()
