"""A sweep's file: which cells it stands for, what they are called, and how it is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_cells import BASE

from crossattack.cli import main
from crossattack.config import load_config, to_yaml
from crossattack.errors import ConfigError
from crossattack.registry import ATTACKS
from crossattack.sweep.grid import MOST, Sweep, digest_of, load_sweep

CONFIGS = Path(__file__).parents[1] / "configs"


def loaded(folder: Path, grid: Any, **more: Any) -> Sweep:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": BASE, "grid": grid, **more}))
    return load_sweep(path)


def test_a_grid_is_the_product_of_its_lists_the_first_key_slowest(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {"oracle.budget": [100, 200], "seed": [0, 1, 2]})
    assert [(cell.config.oracle.budget, cell.config.seed) for cell in sweep.cells] == [
        (budget, seed) for budget in (100, 200) for seed in (0, 1, 2)
    ]
    assert (sweep.name, sweep.keys, sweep.attempts) == ("mine", ("oracle.budget", "seed"), 3)
    assert {cell.config.data.plugin.pairs for cell in sweep.cells} == {200}


def test_several_grids_are_taken_together_and_equal_cells_are_one(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, [{"seed": [0, 1], "target.bits": [16]}, {"seed": [1, 2], "target.bits": [16, 16.0]}], name="both")
    assert [cell.config.seed for cell in sweep.cells] == [0, 1, 2]
    assert sweep.name == "both"


def test_rows_that_belong_together_are_taken_whole(tmp_path: Path) -> None:
    rows = [{"target.bits": 16, "surrogate.bits": 8}, {"target.bits": 64}]
    sweep = loaded(tmp_path, {"seed": [0, 1], "together": rows})
    found = [(cell.config.seed, cell.config.target.plugin.bits, cell.config.surrogate.plugin.bits) for cell in sweep.cells]
    assert found == [(0, 16, 8), (0, 64, 32), (1, 16, 8), (1, 64, 32)]


def test_a_section_is_chosen_before_its_settings_are_set(tmp_path: Path) -> None:
    sweep = loaded(tmp_path, {"attack.steps": [3], "attack": ["pgd", {"name": "mi_fgsm", "decay": 0.5}]})
    assert [(cell.config.attack.name, cell.config.attack.plugin.steps) for cell in sweep.cells] == [("pgd", 3), ("mi_fgsm", 3)]
    assert sweep.cells[1].config.attack.plugin.decay == 0.5


def test_the_base_may_be_a_runs_file_beside_the_sweeps(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(to_yaml(load_config(None, ["oracle.budget=77", "data=scenes"])))
    path = tmp_path / "mine.yaml"
    path.write_text("base: base.yaml\ngrid: {seed: [5]}\n")
    (cell,) = load_sweep(path).cells
    assert (cell.config.oracle.budget, cell.config.seed, cell.config.data.name) == (77, 5, "scenes")


def test_a_cell_is_called_by_what_decides_its_figures(tmp_path: Path) -> None:
    (cell,) = loaded(tmp_path, {"seed": [3]}).cells
    assert cell.config.name == cell.digest
    assert len(cell.digest) == 16
    (elsewhere,) = loaded(tmp_path, {"seed": [3]}, base={**BASE, "device": "cpu", "name": "other"}).cells
    assert elsewhere.digest == cell.digest
    assert elsewhere.config.device == "cpu"
    (spelt_out,) = loaded(tmp_path, {"seed": [3], "attack.eps": ["8/255"], "target.bits": [32]}).cells
    assert spelt_out.digest == cell.digest, "a default that is said is the default"
    (other,) = loaded(tmp_path, {"seed": [3], "attack.eps": ["7/255"]}).cells
    assert other.digest != cell.digest
    (tmp_path / "config.yaml").write_text(to_yaml(cell.config))
    assert digest_of(load_config(tmp_path / "config.yaml").resolved()) == cell.digest


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("grid: {oracle.budget: [1000, 8]}", ["cell oracle.budget=8: oracle.budget: 16 or more wanted for the surrogate of aach, 8 got"]),
        ("grid: {seed: [0, 1], oracle.bugdet: [5]}", ["every cell: oracle.bugdet: no such key (did you mean 'budget'?)"]),
        (
            "grid: {seed: [-1, 1], attack: [ach, aach]}",
            [
                "cell seed=-1 attack=ach and 1 more: seed: 0 or more wanted, -1 got",
                "cell seed=-1 attack=ach and 1 more: attack: no attack is called 'ach' (did you mean 'aach'?)",
            ],
        ),
        ("grid: {seed: 3}", ["grid: seed: a list of values wanted, 3 got; write [3]."]),
        ("grid: {seed: []}", ["grid: seed: a list of values wanted, [] got."]),
        ("name: x", ["grid: a table of keys, each with a list of values, wanted, None got."]),
        ("grid: [{seed: [0]}, 7]", ["grid 2: a table of keys, each with a list of values, wanted, 7 got."]),
        ("grid: {seed: [0], together: [{seed: 1}]}", ["grid: seed: wanted in `together` or beside it, got in both."]),
        ("grid: {together: [3]}", ["grid: together: a list of tables, each with settings that go together, wanted, [3] got."]),
        ("grid: {device: [cpu, cuda]}", ["grid: device: a setting that makes runs differ wanted, device does not."]),
        (
            "gird: {seed: [0]}\ngrid: {seed: [0]}",
            ["gird: no such key of a sweep (did you mean 'grid'?); known: name, base, grid, attempts."],
        ),
        ("attempts: 0\ngrid: {seed: [0]}", ["attempts: a whole number of 1 or more wanted, 0 got."]),
        ("base: [1]\ngrid: {seed: [0]}", ["base: a run's settings, or the path of its file, wanted, [1] got."]),
        ("base: no.yaml\ngrid: {seed: [0]}", ["config: a YAML file wanted, no file at "]),
        ("name: a/b\ngrid: {seed: [0]}", ["name: a folder's name of at most 100 letters"]),
        (f"grid: {{seed: {list(range(101))}, target.seed: {list(range(100))}}}", [f"grid: at most {MOST:,} cells wanted, 10,100 got"]),
        ("grid: {seed: [0", ["config: YAML wanted, "]),
    ],
)
def test_a_bad_file_is_a_line_a_problem_and_nothing_is_written(
    text: str, lines: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["sweep", str(tmp_path / "mine.yaml"), "--runs", str(tmp_path / "runs")]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == len(lines)
    for said, line in zip(err.splitlines(), lines, strict=True):
        assert said.startswith(f"error: {line}")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("flags", [["--address", "auto"], ["--gpus", "0.5"]])
def test_flags_of_ray_want_ray(flags: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("grid: {seed: [0]}")
    assert main(["sweep", str(tmp_path / "mine.yaml"), *flags]) == 2
    assert capfd.readouterr().err == f"error: {flags[0]}: --engine ray wanted with it, processes got.\n"


def test_a_refused_setting_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every cell: target"):
        loaded(tmp_path, {"target": ["dcmmh"]})


@pytest.mark.usefixtures("mobilenet_at_hand")
@pytest.mark.parametrize(
    ("name", "cells", "values"),
    [
        ("budget", 48, {"oracle.budget": [100, 200, 300, 400, 500, 1000, 2000, 5000], "seed": [0, 1, 2]}),
        ("transfer", 27, {"surrogate.image_tower": ["efficientnet_lite0", "mobilenet_v2", "convnet"], "seed": [0, 1, 2]}),
        ("iterations", 60, {"attack.steps": [0, 1, 2, 5, 10, 20, 50, 100, 200, 500], "attack": ["aach", "mi_fgsm"]}),
        ("eps", 36, {"attack.eps": [f"{eps}/255" for eps in (1, 2, 4, 8, 12, 16)]}),
        ("bits", 24, {"target.bits": [16, 32, 64, 128]}),
        ("defences", 22, {"seed": [0, 1]}),
        ("leaderboard", 69, {"seed": [0, 1, 2]}),
        ("ablation", 73, {}),
        ("gap", 17, {"oracle.budget": [2000, 500, 50000, 52000]}),
    ],
)
def test_the_sweeps_that_come_along_are_sound_and_name_their_command(name: str, cells: int, values: dict[str, list[object]]) -> None:
    sweep = load_sweep(CONFIGS / f"{name}.yaml")
    assert (sweep.name, len(sweep.cells)) == (name, cells)
    for key, wanted in values.items():
        assert list(dict.fromkeys(cell.values[key] for cell in sweep.cells)) == wanted
    assert f"`uv run crossattack sweep configs/{name}.yaml`" in (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")


def test_the_leaderboard_has_every_attack_but_those_that_take_longest() -> None:
    path = CONFIGS / "leaderboard.yaml"
    left_out = re.findall(r"\((.*)\)", path.read_text(encoding="utf-8"))[0].split(", ")
    board = {cell.config.attack.name for cell in load_sweep(path).cells}
    assert board.isdisjoint(left_out)
    assert sorted(board.union(left_out)) == sorted(ATTACKS.names())
    measured = json.loads((CONFIGS.parent / "docs/results/attacks.json").read_text(encoding="utf-8"))["attacks"]
    assert min(measured[name]["seconds"] for name in left_out) > max(measured[name]["seconds"] for name in board)
