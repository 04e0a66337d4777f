"""The report of a sweep: what it makes of a grid, its means, areas and gaps by hand, its tables, its kept file."""

import csv
import io
import json
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_sweeps import BUDGETS, attacks, budget, set_back, swept, transfer
from scipy.stats import t as student
from sweeps import toys
from toy_cells import BASE

from crossattack.cli import main
from crossattack.errors import UsageError
from crossattack.metrics.statistics import student_interval
from crossattack.progress import Silent
from crossattack.report.sweep.curves import Line, Point, area, laid_out, lines_of, references, scale_of, ticks, trapezoids
from crossattack.report.sweep.drawing import charts, spread
from crossattack.report.sweep.figure import draw, write_figures
from crossattack.report.sweep.layout import Layout, label, layout_of, number_of, told
from crossattack.report.sweep.matrix import gap, matrices_of
from crossattack.report.sweep.merging import Group, groups_of
from crossattack.report.sweep.page import command, sweep_page
from crossattack.report.sweep.tables import tables
from crossattack.report.sweep.words import standing, told_gap
from crossattack.report.tables import as_csv
from crossattack.sweep.again import file_of
from crossattack.sweep.grid import load_sweep
from crossattack.sweep.kept import done_cells, find, keep, read

CONFIGS = Path(__file__).parents[1] / "configs"


def of_file(name: str) -> Layout:
    return layout_of([cell.values for cell in load_sweep(CONFIGS / f"{name}.yaml").cells])


def test_what_varies_decides_what_is_drawn() -> None:
    along = {name: (of_file(name).along, of_file(name).others) for name in ("budget", "eps", "iterations", "bits")}
    keys = {"budget": "oracle.budget", "eps": "attack.eps", "iterations": "attack.steps", "bits": "target.bits"}
    assert along == {name: (key, ("attack",)) for name, key in keys.items()}
    assert of_file("transfer") == Layout(rows="surrogate.image_tower", columns="target.image_tower", twins=True)
    some = [
        {"attack": "aach"},
        {"attack": "qair", "oracle.budget": 20_000, "oracle.reveals": "ranking"},
        {"attack": "nes", "oracle.budget": 20_000},
    ]
    assert layout_of(some) == Layout(others=("attack",))
    crossed = [{"attack": attack, "data": data} for attack in ("aach", "pgd") for data in ("scenes", "pictograms")]
    assert layout_of(crossed) == Layout(rows="attack", columns="data")
    assert layout_of(crossed[:3]) == Layout(others=("attack", "data")), "not all that these make"
    both = [{"target.bits": bits, "surrogate.bits": bits} for bits in (16, 64)]
    assert layout_of(both) == Layout(along="target.bits"), "what follows from another key tells nothing apart"
    assert layout_of([{"seed": 0}, {"seed": 1}]) == Layout()


def test_values_are_numbers_where_they_are_and_are_told() -> None:
    assert [number_of(value) for value in (8, "8/255", 0.5, "aach", True, "1/0", None)] == [8.0, 8 / 255, 0.5, None, None, None, None]
    assert [told(value) for value in (5000, "8/255", {"name": "gradient", "decay": 1.0}, None)] == [
        "5,000",
        "8/255",
        "gradient (decay 1.0)",
        "null",
    ]
    assert label({"attack": "aach", "target.bits": 16, "seed": 1}, ["attack", "target.bits"]) == "aach, bits 16"


def test_seeds_are_merged_into_means_and_named_intervals() -> None:
    made = budget()
    first, *_ = groups_of(made)
    figure = first.figure("image_to_text", "recovered")
    assert figure
    assert (figure.value, figure.interval, figure.kind) == (pytest.approx(0.4), (pytest.approx(0.39), pytest.approx(0.41)), "range")
    digests = [cell["digest"] for cell in first.cells]
    pooled = {"map_ci95": {"attacked": [0.4, 0.5]}, "recovered_ci95": [0.3, 0.5]}
    made["intervals"] = [{"cells": digests, "directions": {"image_to_text": pooled}}]
    again, second, *_ = groups_of(made)
    assert [getattr(again.figure("image_to_text", name), "kind", None) for name in ("recovered", "attacked", "clean")] == [
        "pooled",
        "pooled",
        "range",
    ]
    assert second.figure("image_to_text", "recovered").kind == "range"  # type: ignore[union-attr]
    places = [place for place, cell in enumerate(made["cells"]) if cell["digest"] in digests[1:]]
    alone, *_ = groups_of(set_back(made, "pending", *places))
    figure = alone.figure("image_to_text", "recovered")
    assert figure
    assert (figure.interval, figure.kind) == ((pytest.approx(0.33), pytest.approx(0.45)), "run"), "intervals of three seeds are not one's"
    assert (len(alone.cells), alone.planned) == (1, 3)


def test_an_area_is_the_mean_height_over_log10_of_queries() -> None:
    """A line that is straight in log10 has the mean of its ends; by hand: 0.4 and 0.4 + 0.2 log10(50)."""
    lines = lines_of(groups_of(budget()), Layout(along="oracle.budget", others=("attack",)))
    scale = scale_of(lines)
    assert scale == "log10(x)"
    aach, momentum = (area(line, "image_to_text", "recovered", scale) for line in lines)
    assert aach
    assert momentum
    middle = 0.4 + 0.1 * log10(50)
    assert (aach.value, aach.lowest, aach.highest) == (pytest.approx(middle), pytest.approx(middle - 0.01), pytest.approx(middle + 0.01))
    assert momentum.value == pytest.approx(middle / 2)
    assert (aach.first, aach.last, aach.points, aach.seeds) == (100, 5000, 8, 3)
    assert trapezoids([0.0, 1.0, 3.0], [1.0, 2.0, 4.0]) == pytest.approx((1.5 + 6) / 3)
    assert [laid_out(x, "log10(1 + x)") for x in (0.0, 9.0)] == [0, 1]
    heights = np.random.default_rng(0).random(8).tolist()
    axis = [log10(each) for each in BUDGETS]
    assert trapezoids(axis, heights) == pytest.approx(np.trapezoid(heights, axis) / log10(50))


def test_an_area_of_an_unfinished_sweep_is_of_the_seeds_that_got_furthest() -> None:
    unfinished = set_back(budget(), "pending", *range(10, 48))  # aach: seed 0 whole, two budgets of seed 1
    (line,) = lines_of(groups_of(unfinished), Layout(along="oracle.budget", others=("attack",)))
    found = area(line, "image_to_text", "recovered", "log10(x)")
    assert found
    assert (found.points, found.seeds, found.value) == (8, 1, pytest.approx(0.39 + 0.1 * log10(50)))
    (single,) = lines_of(groups_of(set_back(budget(), "pending", *range(1, 48))), Layout(along="oracle.budget", others=("attack",)))
    assert area(single, "image_to_text", "recovered", "log10(x)") is None


def test_a_budget_stands_where_its_queries_were_spent_and_references_are_means_over_lines() -> None:
    made = budget()
    for cell in made["cells"]:
        cell["budget"]["spent"] -= 2 if cell["values"]["attack"] == "aach" else 0
        cell["directions"]["image_to_text"]["map"]["clean"] += 0.02 if cell["values"]["attack"] == "aach" else 0
    lines = lines_of(groups_of(made), Layout(along="oracle.budget", others=("attack",)))
    assert [point.x for point in lines[0].points[:2]] == [98, 198]
    assert references(lines, "image_to_text", "clean")[:2] == [(99, pytest.approx(0.71)), (199, pytest.approx(0.71))]
    drawn = charts(lines, "image_to_text", "pictures ask for texts", "queries spent", "log10(x)")
    assert [[line.label for line in chart.lines] for chart in drawn][1] == ["aach", "mi_fgsm"]
    assert [tick for _, tick in drawn[0].across] == ["100", "200", "300", "500", "1,000", "2,000", "5,000"], "no room for 400"


def test_the_gap_is_the_diagonal_less_the_rest_with_students_interval() -> None:
    layout = of_file("transfer")
    (matrix,) = matrices_of(groups_of(transfer()), layout)
    found = gap(matrix, "image_to_text", "recovered")
    assert found
    assert (found.same, found.other, found.value, found.seeds) == (pytest.approx(0.8), pytest.approx(0.3), pytest.approx(0.5), 3)
    assert found.interval == pytest.approx(student.interval(0.95, 2, 0.5, 0.02 / 3**0.5))
    assert "a gap of 50 points, between 45 and 55 (95 %, Student's over 3 seeds); zero is outside" in told_gap(matrix, "image_to_text")[0]
    (partly,) = matrices_of(groups_of(set_back(transfer(), "failed", 26, 17, reason="no luck")), layout)
    alone = gap(partly, "image_to_text", "recovered")
    assert alone
    assert (alone.value, alone.interval, alone.seeds) == (pytest.approx(0.48), None, 1), "seeds with every cell only"
    (nothing,) = matrices_of(groups_of(set_back(transfer(), "pending", 26, 17, 8)), layout)
    assert gap(nothing, "image_to_text", "recovered") is None
    assert "No seed has every cell" in told_gap(nothing, "image_to_text")[0]
    assert student_interval([1.0]) is None
    assert student_interval([0.1, 0.4, 0.7, 0.3]) == pytest.approx(
        student.interval(0.95, 3, 0.375, np.std([0.1, 0.4, 0.7, 0.3], ddof=1) / 2)
    )


@pytest.mark.parametrize("seed", range(20))
def test_names_stand_apart_in_their_order_and_within_bounds(seed: int) -> None:
    wanted = np.random.default_rng(seed).uniform(0, 100, 1 + seed // 2).round().tolist()
    found = spread(wanted, 8.0, 0.0, 100.0)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 8 - 1e-9).all()
    assert min(found) >= 0
    assert max(found) <= 100 + 1e-9
    assert spread([10.0, 50.0, 90.0], 8.0, 0.0, 100.0) == [10, 50, 90], "nobody moves who need not"
    assert spread([50.0, 50.0], 8.0, 0.0, 100.0) == [46, 54]


def test_tables_hold_every_run_and_every_mean() -> None:
    made = set_back(budget(), "failed", 47, reason="ValueError: no luck")
    found = {table.key: list(csv.DictReader(io.StringIO(as_csv(table)))) for table in tables(made, of_file("budget"))}
    assert {key: len(rows) for key, rows in found.items()} == {"varied": 3, "merged": 32, "areas": 4, "cells": 48, "failed": 1}
    assert float(found["merged"][0]["recovered"]) == pytest.approx(0.4)
    assert float(found["merged"][0]["bits agreed"]) == pytest.approx(0.8)
    assert found["cells"][47]["state"] == "failed"
    assert found["failed"][0]["reason"] == "ValueError: no luck"
    assert [row["here"] for row in found["varied"]] == ["told apart", "merged: means over seeds", "along the axis"]
    assert standing(made) == "This sweep is not complete: 47 of 48 runs are done, 1 failed. All below is of those that are done."
    assert standing(budget()) == "All 48 runs are done."


@pytest.mark.parametrize("name", ["transfer", "leaderboard"])
def test_the_file_on_the_page_makes_the_same_cells(name: str, tmp_path: Path) -> None:
    cells = load_sweep(CONFIGS / f"{name}.yaml").cells
    text = file_of(name, {cell.digest: cell.values for cell in cells}, {cell.digest: cell.config.resolved() for cell in cells})
    assert text
    (tmp_path / "again.yaml").write_text(text)
    assert {cell.digest for cell in load_sweep(tmp_path / "again.yaml").cells} == {cell.digest for cell in cells}
    assert command({"name": name, "file": text}) == f"cat > {name}.yaml <<'END'\n{text.rstrip()}\nEND\ncrossattack sweep {name}.yaml"
    other = {**{cell.digest: cell.values for cell in cells}, "0" * 16: {"seed": 7}}
    assert file_of(name, other, {cell.digest: cell.config.resolved() for cell in cells}) is None, "checked, not hoped"


@pytest.mark.parametrize("made", [budget(), transfer(), attacks()], ids=["curves", "matrix", "list"])
def test_a_kept_sweep_is_small_and_draws_the_same(made: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    keep(made, tmp_path / "kept.json")
    kept = read(tmp_path / "kept.json", Silent())
    assert (tmp_path / "kept.json").stat().st_size < 1500 * len(made["cells"])
    assert sweep_page(kept) == sweep_page(made)
    names = [write_figures(one, tmp_path / folder) for folder, one in (("one", made), ("two", made))]
    assert names[0] == names[1]
    assert f"{request.node.callspec.id}.svg" in names[0]
    for name in names[0]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    with pytest.raises(UsageError, match="keep: a file to write to wanted"):
        keep(made, tmp_path)


def test_a_sweep_of_which_nothing_is_done_has_a_page_and_no_figure(tmp_path: Path) -> None:
    nothing = set_back(budget(), "pending", *range(48))
    text = sweep_page(nothing)
    assert "0 of 48 runs are done, 48 pending" in text
    assert "Nothing is measured yet." in text
    assert not [name for name in write_figures(nothing, tmp_path) if name.endswith("svg")]
    with pytest.raises(UsageError, match="a sweep with a run that is done wanted"):
        draw(nothing, tmp_path / "x.svg")


def test_features_and_lists_without_ceiling_have_pages_of_map() -> None:
    made = transfer()
    for cell in made["cells"]:
        for found in cell["directions"].values():
            found |= {"recovered": None, "recovered_ci95": None}
            found["map"]["ceiling"] = None
    assert "mAP attacked when pictures ask for texts" in sweep_page(made)
    steps = swept("steps", {"attack.steps": [0, 10], "seed": [0, 1]}, lambda values: values["attack.steps"] / 20)
    assert "over log10(1 + x), x being steps of the attack" in sweep_page(steps)
    eps = swept("eps", {"attack.eps": ["1/255", "8/255"], "seed": [0]}, lambda values: float(number_of(values["attack.eps"]) or 0))
    assert "over x, x being radius of the attack" in sweep_page(eps)


def test_the_command_reports_on_a_sweep_by_folder_by_name_and_from_its_kept_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = toys(tmp_path)
    monkeypatch.setenv("TOYS", str(tmp_path / "corner"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made.write({"seed": [0, 1, 2], "oracle.budget": [100, 200]})
    made.accident("raise", 2)
    assert not made.run()
    capfd.readouterr()
    runs, kept, figures = tmp_path / "runs", tmp_path / "kept.json", tmp_path / "figures"
    assert main(["report", "toys", "--runs", str(runs), "--keep", str(kept), "--figures", str(figures)]) == 0
    said = capfd.readouterr().out.splitlines()
    assert (
        said[0]
        == f"{runs}/toys/report.html: This sweep is not complete: 4 of 6 runs are done, 2 failed. All below is of those that are done."
    )
    assert said[1].startswith(f"{figures}: curves.svg, curves.png, ")
    assert said[2] == f"{kept}: {kept.stat().st_size:,} bytes"
    text = (runs / "toys/report.html").read_text()
    assert "ValueError: no luck" in text
    told_again = json.loads(kept.read_text())
    assert {key: told_again["shared"][key] for key in ("data.pairs", "target.image_tower")} == {
        "data.pairs": 200,
        "target.image_tower": "convnet",
    }
    assert told_again["file"] in text.replace("&#39;", "'")
    (tmp_path / "again.yaml").write_text(told_again["file"])
    assert {cell.digest for cell in load_sweep(tmp_path / "again.yaml").cells} == {cell["digest"] for cell in told_again["cells"]}
    assert BASE["data"]["pairs"] == 200
    assert main(["report", str(kept), "--out", str(tmp_path / "from_kept.html")]) == 0
    assert (tmp_path / "from_kept.html").read_text() == text
    assert find("toys", runs) == runs / "toys"
    assert [folder.name for folder in done_cells("toys", runs)] == [one["digest"] for one in told_again["cells"] if one["state"] == "done"]
    capfd.readouterr()
    (tmp_path / "other.json").write_text('{"schema": 1}')
    for arguments, line in (
        (["toys", "--examples", "3"], f"error: --examples: a run wanted with it, {runs}/toys got, a sweep; report on one of its runs"),
        (["toys", "--out", str(tmp_path)], f"error: out: a file to write to wanted, {tmp_path} got (Is a directory)"),
        (["toys", "--figures", str(kept)], "error: figures: a folder to write to wanted"),
        (["nothing", "--keep", str(kept)], "error: --keep: a sweep wanted with it, 'nothing' got"),
        ([str(tmp_path / "other.json")], f"error: report: the sweep.json of a sweep (schema 1) wanted, {tmp_path}/other.json got"),
    ):
        assert main(["report", *arguments, "--runs", str(runs)]) == 2
        lines = [each for each in capfd.readouterr().err.splitlines() if each.startswith("error")]
        assert len(lines) == 1
        assert lines[0].startswith(line)


def test_a_budget_far_from_used_up_is_marked_by_what_was_spent() -> None:
    group = Group({}, (), 0, {})
    points = (Point(99.0, 100.0, "100", group), Point(3328.0, 5000.0, "5,000", group))
    assert ticks([Line("aach", points)]) == [(99.0, "100"), (3328.0, "3,328")]
