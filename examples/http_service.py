"""Attack an HTTP service: one that this example starts, or your own.

    uv run python examples/http_service.py
    uv run python examples/http_service.py --url http://127.0.0.1:8765 --data scenes

Starts `crossattack serve` on a free port of this machine, asks it everything that an attack and its evaluation need, and compares
the bill with what the service counted. A service on another machine wants `--i-am-authorised`; its token comes from
`CROSSATTACK_TOKEN` (docs/remote-targets.md).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from _shown import HEADER, line

import crossattack

TARGET = ["target.image_tower=convnet", "target.bits=16", "target.epochs=8", "target.batch=32"]  # of the service that is started here


@contextmanager
def served(data: Sequence[str]) -> Iterator[str]:
    """A service of this machine until the end of the block: its address."""
    sets = [part for setting in (*data, *TARGET) for part in ("--set", setting)]
    command = [sys.executable, "-c", "from crossattack.cli import main; main()", "serve", "--port", "0", *sets]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        said = []
        try:
            for text in service.stderr:  # lines of JSON once it serves, progress before
                said.append(text)
                if text.startswith("{") and "url" in (event := json.loads(text)):
                    yield event["url"].rstrip("/")
                    return
            raise crossattack.CrossattackError(f"a service wanted, it ended: {said[-1].strip() if said else 'without a word'}")
        finally:
            service.terminate()


def attack(url: str, data: Sequence[str], asked: argparse.Namespace) -> None:
    """Noise and AACH on what answers at this address, and both bills."""
    small = ["surrogate.image_tower=convnet", f"surrogate.epochs={asked.epochs}", "surrogate.least_steps=0", "attack.eps=32/255"]
    flags = {"target.name": "http", "target.url": url, "target.authorised": asked.i_am_authorised or None}
    flags |= {"oracle.budget": asked.budget, "attacked": asked.attacked, "target.rate": asked.rate}
    config = crossattack.load_config(overrides=[*data, *small], flags=flags)
    results = crossattack.run_experiment(config, asked.folder)
    bill, counted = results["budget"], results["service"]["counted"]
    print(HEADER)
    print(line("aach over HTTP", results))
    print(f"the ledger: {bill['spent']} queries of the attacker, {bill['evaluation']} of the referee")
    print(f"the service counted: {counted['after'] - counted['before']}")


def main() -> None:
    """Start a service unless there is one, and attack it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a service that you own or may test; one is started without it")
    parser.add_argument("--data", default="scenes", help="the data set that it searches")
    parser.add_argument("--set", action="append", metavar="A.B=C", help="settings of that data set, such as data.pairs=2000")
    parser.add_argument("--budget", type=int, default=300, help="queries of the attacker")
    parser.add_argument("--attacked", type=int, default=100, help="items that are attacked")
    parser.add_argument("--epochs", type=int, default=10, help="of the surrogate")
    parser.add_argument("--rate", type=float, default=1000, help="items a second that are sent at most")
    parser.add_argument("--folder", type=Path, help="where the run is kept; nothing is kept without it")
    parser.add_argument("--i-am-authorised", action="store_true", help="you own the service, or its owner lets you test it")
    asked = parser.parse_args()
    data = [f"data={asked.data}", *(asked.set or ["data.pairs=1200", "data.pixels=32"] * (asked.data == "scenes"))]
    try:
        if asked.url:
            attack(asked.url, data, asked)
        else:
            with served(data) as url:
                attack(url, data, asked)
    except crossattack.CrossattackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
