"""docs/experiments.md tells and draws the kept sweeps."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
KEPT = json.loads((ROOT / "docs/results/budget.json").read_text(encoding="utf-8"))
DONE = [cell for cell in KEPT["cells"] if cell["state"] == "done"]
OF_SEED_0 = {cell["values"]["oracle.budget"]: cell for cell in DONE if cell["values"]["seed"] == 0}


def recovered(budget: int, direction: str) -> str:
    return f"{100 * OF_SEED_0[budget]['directions'][direction]['recovered']:.0f} %"


def test_what_a_query_buys_is_told_as_it_was_measured() -> None:
    assert f"**Not finished: {len(DONE)} of {len(KEPT['cells'])} runs**" in PAGE
    assert {(cell["values"]["seed"], cell["values"]["oracle.budget"]) for cell in DONE if cell["values"]["seed"]} == {(1, 100), (1, 200)}
    found = OF_SEED_0[100]["directions"]["image_to_text"]["map"]
    few, much = (recovered(budget, "image_to_text") for budget in (100, 1000))
    assert f"from {found['clean']:.3f} to {found['attacked']:.3f}, {few} of what a white box takes; 1,000 take {much}, 2,000 take " in PAGE
    assert f"2,000 take {recovered(2000, 'image_to_text')}." in PAGE
    texts = [recovered(budget, "text_to_image") for budget in (100, 500, 1000)]
    assert "100 queries recover {}, 500 recover {}, 1,000 recover {};".format(*texts) in PAGE
    last = [recovered(5000, direction) for direction in ("image_to_text", "text_to_image")]
    assert f"{OF_SEED_0[5000]['budget']['spent']:,} different items" in PAGE
    assert "{} on pictures, {} on texts.".format(*last) in PAGE
    bits = [f"{100 * OF_SEED_0[budget]['surrogates'][0]['bit_agreement']:.0f} %" for budget in (100, 1000, 5000)]
    assert "{} after 100 queries, {} after 1,000, {} at the end".format(*bits) in PAGE


def test_the_figure_is_drawn_from_the_kept_sweep(tmp_path: Path) -> None:
    drawn = tmp_path / "budget.svg"
    subprocess.run([sys.executable, "-m", "crossattack.report.sweep", str(ROOT / "docs/results/budget.json"), str(drawn)], check=True)
    told = [re.findall(r"<!-- ([^>]*) -->", path.read_text(encoding="utf-8")) for path in (drawn, ROOT / "docs/budget.svg")]
    assert told[0] == told[1]
    assert len(told[0]) > 10
