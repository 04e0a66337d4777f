"""The experiments of the papers: each file of configs/papers is a run that would start, and says what the paper says."""

from pathlib import Path

import pytest

from crossattack.config import load_config

PAPERS = Path(__file__).parents[1] / "configs/papers"
FILES = sorted(PAPERS.rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(PAPERS).as_posix() for file in FILES])
def test_it_is_a_valid_run_and_names_its_own_command(file: Path) -> None:
    config = load_config(file)
    assert config.name is not None
    assert config.name.endswith(file.stem)
    assert f"--config configs/papers/{file.relative_to(PAPERS).as_posix()}`" in file.read_text(encoding="utf-8")


def test_aach_is_studied_by_iterations_by_queries_and_by_curves() -> None:
    configs = {file.stem: load_config(file) for file in FILES if file.parent.name == "aach"}
    steps = {name: config.attack.plugin.steps for name, config in configs.items() if name.startswith("iterations")}
    budgets = {name: config.oracle.budget for name, config in configs.items() if name.startswith("queries")}
    assert sorted(steps.values()) == [0, 100, 200, 500]
    assert sorted(budgets.values()) == [200, 300, 400, 500]
    assert (configs["pr-curves"].attacked, configs["pr-curves"].attack.plugin.steps) == (500, 500)
    assert {config.attack.name for config in configs.values()} == {"aach"}
