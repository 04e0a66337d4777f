"""Run AACH's protocol: the studies of iterations and of queries, and the run behind the curves, from configs/papers/aach.

    uv run python examples/aach_protocol.py --quick      # its course on small drawings, in a minute or two
    uv run python examples/aach_protocol.py              # as the files say; hours without a GPU

A quick run has a larger eps, a fiftieth of the steps and a small network that nobody would use, so its figures say nothing of AACH.

Runs are kept in `--runs`; an interrupted protocol goes on where it stopped, and finished runs are shown again. The tables of the paper
are not known to us, so no published figure stands beside these.
"""

import argparse
import sys
from pathlib import Path

from _shown import HEADER, line

import crossattack

CONFIGS = Path(__file__).parents[1] / "configs/papers/aach"
ORDER = ("iterations-0", "iterations-100", "iterations-200", "iterations-500", *(f"queries-{n}00" for n in (2, 3, 4, 5)), "pr-curves")
QUICK = {
    **{"data.name": "scenes", "data.pixels": 32, "attacked": 60},
    **{"target.image_tower": "convnet", "target.bits": 16, "target.epochs": 8, "target.batch": 32},
    **{"surrogate.image_tower": "convnet", "surrogate.epochs": 10, "surrogate.least_steps": 0, "attack.eps": "32/255"},
    **{"evaluation.resamples": 50, "ceiling.steps": 10},
}
FEWER = 50  # times, the steps of a quick run


def main() -> None:
    """Every configuration of the folder, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small enough for a look")
    parser.add_argument("--pairs", type=int, default=1200, help="scenes that are drawn for a quick run")
    parser.add_argument("--only", nargs="+", choices=ORDER, default=ORDER, metavar="NAME", help=f"some of {', '.join(ORDER)}")
    parser.add_argument("--runs", type=Path, default=Path("runs/aach-protocol"), help="where the runs are kept")
    asked = parser.parse_args()
    watch = crossattack.RichBars() if sys.stderr.isatty() else None
    for direction in ("image_to_text", "text_to_image"):
        print(f"{direction}\n{HEADER}")
        for name in asked.only:
            config = crossattack.load_config(CONFIGS / f"{name}.yaml")
            if asked.quick:
                flags = {**QUICK, "data.pairs": asked.pairs, "attack.steps": config.attack.plugin.steps // FEWER}
                config = crossattack.load_config(CONFIGS / f"{name}.yaml", flags=flags)
            folder = asked.runs / (f"{name}-quick" if asked.quick else name)
            print(line(name, crossattack.run_experiment(config, folder, on_event=watch), direction), flush=True)
    print(f"runs: {asked.runs}")


if __name__ == "__main__":
    main()
