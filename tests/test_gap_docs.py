"""docs/closing-the-gap.md tells the kept trial runs as they were measured."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/closing-the-gap.md").read_text(encoding="utf-8")
TRIALS = json.loads((ROOT / "docs/results/gap-trials.json").read_text(encoding="utf-8"))["trials"]


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
        assert f"--budget {trial['spent']} " in trial["command"]
