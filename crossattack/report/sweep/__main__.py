"""The figure of a sweep from the JSON that was kept of it: python -m crossattack.report.sweep docs/results/budget.json budget.svg"""

import json
import sys
from pathlib import Path

from crossattack.report.sweep.figure import draw

if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
