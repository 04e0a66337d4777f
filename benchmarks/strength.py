"""Every attack in a run of its own on the default target: what the table of docs/attacks.md is made of.

uv run python benchmarks/strength.py docs/results/attacks.json [ATTACK ...]

Runs that the file has already are not made again; name an attack to renew its row. Two cores take about three minutes a run.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from crossattack.cache import whole_file
from crossattack.registry import ATTACKS

COMMON = ["--target", "dcmh", "--attacked", "100"]
QUERIES = ["--budget", "20000"]  # 200 a picture
OWN: dict[str, list[str]] = {
    "eqb2a": ["--set", "oracle.reveals=ranking", "--set", "oracle.top_k=all"],
    "finite_difference": QUERIES,
    "gradient": ["--set", "attack.decay=1", "--set", "attack.diversity=0.5", "--set", "attack.kernel=5"],
    "lbfgs": ["--attacked", "25"],  # one item at a time
    "nes": QUERIES,
    "qair": [*QUERIES, "--set", "oracle.reveals=ranking", "--set", "oracle.top_k=100"],
    "simba": QUERIES,
    "spsa": QUERIES,
    "square": QUERIES,
    "tokens": ["--set", "surrogate.text_tower=transformer"],
}


def measure(arguments: list[str]) -> dict[str, Any]:
    """The figures of one run that belong into the table."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "crossattack.run", *arguments, "--runs", runs, "--json", "--quiet"]
        results = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    keys = ("map", "recovered", "recovered_ci95", "over_noise", "over_noise_ci95", "success")
    return {
        "command": shlex.join(["uv", "run", "python", "-m", "crossattack.run", *arguments]),
        "spent": results["budget"]["spent"],
        "seconds": results["seconds"]["attacked"],
        "directions": {direction: {key: found[key] for key in keys} for direction, found in results["directions"].items()},
        "distortion": results["distortion"],
    }


def main() -> None:
    path, renewed = Path(sys.argv[1]), sys.argv[2:]
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"attacks": {}}
    for name in renewed or [name for name in ATTACKS.names() if name not in kept["attacks"]]:
        print(name, file=sys.stderr, flush=True)
        kept["attacks"][name] = measure([*COMMON, "--attack", name, *OWN.get(name, [])])
        with whole_file(path) as file:
            file.write_text(json.dumps({"attacks": dict(sorted(kept["attacks"].items()))}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
