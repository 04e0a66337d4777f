"""docs/closing-the-gap.md tells what was kept of the measurement, of the trial runs and of the ablation as it was measured."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossattack.report import gap
from crossattack.report.ablation import filled
from crossattack.sweep.grid import load_sweep

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/closing-the-gap.md").read_text(encoding="utf-8")
KEPT = json.loads((ROOT / "docs/results/ablation.json").read_text(encoding="utf-8"))
TRIALS = json.loads((ROOT / "docs/results/gap-trials.json").read_text(encoding="utf-8"))["trials"]
GAP = json.loads((ROOT / "docs/results/gap.json").read_text(encoding="utf-8"))


def test_the_page_opens_with_the_goals_as_they_were_measured() -> None:
    assert gap.filled(PAGE, GAP) == PAGE
    assert PAGE.index("<!-- goals -->") < PAGE.index("\n## ")
    done = [row for row in gap.rows_of(GAP) if row.goal and row.side]
    assert len(done) >= 4
    for row in done:
        assert row.side is not None
        scores, low, high = row.side["map"], *row.side["recovered_ci95"]
        assert row.side["recovered"] == pytest.approx(
            (scores["clean"] - scores["attacked"]) / (scores["clean"] - scores["ceiling"]), abs=1e-4
        )
        assert low <= row.side["recovered"] <= high
        assert f"| {row.goal} | {row.target if row.target == gap.TEXTS else f'`{row.target}`'} |" in PAGE


@pytest.mark.usefixtures("mobilenet_at_hand")
def test_every_cell_of_the_measurement_is_told_and_those_not_run_as_such() -> None:
    cells = load_sweep(ROOT / "configs/gap.yaml").cells
    assert [cell["digest"] for cell in GAP["cells"]] == [cell.digest for cell in cells]
    assert GAP["shared"]["attacked"] == 500
    assert GAP["shared"]["target.seed"] == 2
    pending = [cell for cell in GAP["cells"] if cell["state"] != "done"]
    assert PAGE.count("not run yet") == len(pending)


def test_what_was_found_is_told_as_it_was_measured() -> None:
    rows, told = gap.rows_of(GAP), " ".join(PAGE.split())
    done = sum(cell["state"] == "done" for cell in GAP["cells"])
    assert done == len(GAP["cells"]) or f"So far {done} of the {len(GAP['cells'])} runs are done." in told

    def percent(which: str, target: str = "efficientnet_lite0") -> int:
        (row,) = (row for row in rows if which in (row.goal, row.who) and row.target == target and (row.goal or row.who != gap.OURS))
        assert row.side is not None
        return round(100 * row.side["recovered"])

    def bill(which: str, target: str) -> int | None:
        (row,) = (row for row in rows if row.goal == which and row.target == target)
        return row.spent

    first, aach = percent("family not told, 500 queries"), percent("aach")
    assert f"`understudy` recovers {first} %, AACH with 2,000 and the right family {aach} %." in told
    few, theirs = percent("family not told, 500 queries", "mobilenet_v2"), percent("aach", "mobilenet_v2")
    many = [percent("family not told, 2,000 queries", target) for target in ("efficientnet_lite0", "mobilenet_v2")]
    assert f"`mobilenet_v2` it is {few} % and {theirs} %, and with 2,000 queries {many[0]} % and {many[1]} %: all four goals" in told
    assert min(first, few) >= 75
    assert min(many) >= 85
    assert f"2,000 queries recover {percent('family excluded, 2,000 queries')} % of an `efficientnet_lite0`; the goal of 60 %" in told
    assert f"recover {percent('family excluded, 2,000 queries', 'mobilenet_v2')} % of a `mobilenet_v2`." in told
    scratch = "network from scratch, 2,000 queries"
    (scores,) = (row.side["map"] for row in rows if row.goal == scratch and row.side)
    more = percent("network from scratch, 100 more a picture", "convnet")
    assert f"out of reach**: {percent(scratch, 'convnet')} %, and {more} % with 100 more queries a picture" in told
    assert f"takes next to nothing either, {scores['clean']:.3f} to {scores['ceiling']:.3f}." in told
    which, targets = "family excluded, 100 more a picture", ("efficientnet_lite0", "mobilenet_v2")
    asked, bills = [percent(which, target) for target in targets], [bill(which, target) for target in targets]
    assert f"bring these to {asked[0]} % and {asked[1]} %, for {bills[0]:,} and {bills[1]:,} queries in all" in told
    assert f"goals missed by {80 - asked[0]} and {80 - asked[1]} points." in told
    assert f"by queries alone recover {max(percent('square'), percent('simba'))} % at most" in told
    texts, tags = percent("two edited words", gap.TEXTS), percent("tags", gap.TEXTS)
    assert f"recover {texts} %. `tags`, which needs no more than a surrogate of pairs, recovers {tags} %." in told


def test_the_figure_is_drawn_from_the_kept_measurement(tmp_path: Path) -> None:
    told, drawn = tmp_path / "page.md", tmp_path / "gap.svg"
    told.write_text(PAGE, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "crossattack.report.gap", str(ROOT / "docs/results/gap.json"), str(told), str(drawn)], check=True)
    words = [re.findall(r"<!-- ([^>]*) -->", path.read_text(encoding="utf-8")) for path in (drawn, ROOT / "docs/gap.svg")]
    assert words[0] == words[1]
    assert len(words[0]) > 20
    assert all("gap.svg)" in (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/closing-the-gap.md"))


def test_the_table_is_the_one_of_the_kept_trials() -> None:
    rows = ["| goal | wanted | recovered | mAP | attacked items | queries |", "|---|---|---|---|---|---|"]
    for trial in TRIALS.values():
        low, high = (100 * bound for bound in trial["recovered_ci95"])
        share = f"{100 * trial['recovered']:.0f} % [{low:.0f}, {high:.0f}]"
        scores = f"{trial['map']['clean']:.3f} → {trial['map']['attacked']:.3f}, white box {trial['map']['ceiling']:.3f}"
        cells = [trial["what"], f"{100 * trial['goal']:.0f} %", share, scores, str(trial["attacked"]), f"{trial['spent']:,}"]
        rows.append(f"| {' | '.join(cells)} |")
    (table,) = re.findall(r"<!-- trials -->\n(.*?)<!-- end -->", PAGE, re.S)
    assert table == "\n".join(rows) + "\n"


def test_every_trial_says_its_command() -> None:
    for trial in TRIALS.values():
        assert f"--attacked {trial['attacked']} " in trial["command"]
        (budget,) = re.findall(r"--budget (\d+) ", trial["command"])
        assert trial["spent"] <= int(budget)


@pytest.mark.usefixtures("mobilenet_at_hand")
def test_the_ablation_is_the_kept_one_and_says_how_much_of_it_there_is() -> None:
    assert filled(PAGE, KEPT) == PAGE
    assert KEPT["cells"] == len(load_sweep(ROOT / "configs/ablation.yaml").cells)
    told = " ".join(PAGE.split())
    assert KEPT["done"] == KEPT["cells"] or f"So far {KEPT['done']} of the {KEPT['cells']} runs are done" in told


def test_what_each_part_is_worth_is_told_as_it_was_measured() -> None:
    told = " ".join(PAGE.split())
    kin, strangers, asked = ({json.dumps(row["settings"]): row for row in table["rows"]} for table in KEPT["tables"])
    assert [table["shared"]["attack.queries"] for table in KEPT["tables"]] == [0, 0, 30]
    assert len({table["target"] for table in KEPT["tables"]}) == 1

    def row(rows: dict[str, Any], **settings: Any) -> dict[str, Any]:
        found: dict[str, Any] = rows[json.dumps({f"attack.{key}": value for key, value in settings.items()})]
        return found

    def percent(rows: dict[str, Any], **settings: Any) -> int:
        return round(100 * row(rows, **settings)["recovered"])

    def cost(rows: dict[str, Any], **settings: Any) -> int:
        return percent(rows) - percent(rows, **settings)

    def both(**settings: Any) -> str:
        return f"{percent(kin, **settings)} % and {percent(strangers, **settings)} %"

    usual, warped, sizes = percent(strangers), {"affine": 1, "steps": 120}, [0.75, 1, 1.25, 1.5]
    (lists,) = (one for one in kin.values() if "oracle.reveals" in one["settings"])
    more = (row(kin, strong=True), lists, row(strangers, **warped, sizes=sizes), row(asked, swaps=0.5))
    assert [one for rows in (kin, strangers, asked) for one in rows.values() if one.get("significant")] == list(more)
    assert [one["difference"] > 0 for one in more] == [True, True, False, False]
    assert (
        "Of 100 items four differences are more than chance, and each row more makes that harder to say; the first two of them harm."
        in told
    )
    assert f"learn from costs the family {cost(kin, strong=True)} points." in told
    assert f"{round(100 * lists['recovered'])} % survive of the {percent(kin)} %." in told
    alone = row(strangers, **warped)
    assert f"recover {percent(strangers, **warped)} % where they recovered {usual} % (p {alone['p']:.2f}), and" in told
    assert f"and {percent(strangers, **warped, sizes=sizes)} % where pictures are seen at four sizes in turn, which is more than" in told
    assert cost(kin, affine=1) == 0
    learned, swapped, halves = percent(asked), percent(asked, swaps=1), percent(asked, swaps=0.5)
    assert f"30 a picture bring a stranger's {usual} % to {learned} % by learning from them, to {swapped} % by swapping" in told
    assert f"squares of the surrogates' changes and to {halves} % by both in halves;" in told

    three = row(kin, copies=3)
    assert f"recover {percent(kin, copies=3)} % instead of {percent(kin)} % (p {three['p']:.2f}), of a stranger" in told
    assert (
        f"a stranger {percent(strangers, copies=3)} % instead of {usual} %; 120 steps bring the family to {percent(kin, **warped)} %."
        in told
    )
    assert f"is worth {cost(kin, audition=0)} points to who has the family" in told
    assert f"they get {percent(strangers, audition=0)} % without it, {usual} % with it." in told
    assert f"{both(doubt=0.5)}. The least alike bring {both(spread=True)}, changed ones {both(rehearsed=0.3)}." in told
    assert f"costs the family {cost(kin, push='middle')} points, its last features {cost(kin, push='features')}." in told
    bounds = sorted(cost(rows, push="relaxed") for rows in (kin, strangers))
    assert f"A bound, tanh, costs {bounds[0]} to {bounds[1]}." in told
    for lesson in ("triplets", "relations", "margins"):
        assert both(lesson=lesson) in told
    tried: dict[str, Any] = {"consensus": 30, "scales": 3, "kernel": 5, "starts": 3, "averaging": 0.98, "mixing": 0.5, "unasked": 1}
    for name, value in (tried | {"robust": "2/255"}).items():
        assert f"({both(**{name: value})})" in told
    (beside,) = (one for one in strangers.values() if "attack.families" in one["settings"])
    assert f"a `convnet` beside the stranger ({round(100 * beside['recovered'])} %)" in told
