"""What the oracle costs beside the target that it asks: milliseconds a batch of 128 pictures, and queries a second.

uv run python benchmarks/oracle.py
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from crossattack.encoding import encode_images
from crossattack.fingerprint import fingerprint_images
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle
from crossattack.targets import Similarity
from surrogates.network import HashingNetwork, network_for
from surrogates.texts import Texts

BATCH, SIDE, BITS, ROUNDS = 128, 64, 32, 15


@dataclass(frozen=True)
class Untrained:
    """The default picture tower, as fast as it will be when it has learned something."""

    network: HashingNetwork
    similarity: Similarity = Similarity.HAMMING
    digest: str = "benchmark"
    dim: int = BITS

    def encode_images(self, images: Tensor) -> Tensor:
        return self.network.encode_images(images)

    def encode_texts(self, texts: Texts) -> Tensor:
        return self.network.encode_texts(texts)


def seconds(call: Callable[..., object], *arguments: object, **settings: object) -> float:
    began = time.perf_counter()
    call(*arguments, **settings)
    return time.perf_counter() - began


def one_round(seed: int, target: Untrained, ledger: Ledger) -> dict[str, float]:
    """Seconds that one batch of new pictures takes at each step."""
    oracle = Oracle(ledger, LocalEndpoint(target), budget=10**9)
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    taken = {"forward": seconds(encode_images, target, images), "oracle": seconds(oracle.query_images, images, phase="mining")}
    taken["known"] = seconds(oracle.query_images, images, phase="mining")
    taken["fingerprint"] = seconds(fingerprint_images, images)
    purchase = partial(ledger.charge, "bare", phase="mining", modality="images", keys=fingerprint_images(images))
    taken["charge"] = seconds(purchase)
    code = np.ones(BITS, np.int8)
    answers = {charge.id: code for charge in purchase()}
    taken["store"] = seconds(ledger.store, answers)
    return taken


def main() -> None:
    network = network_for([["cat", "dog"]] * 20, image="efficientnet_lite0", text="bag_of_words", bits=BITS, weights="none").eval()
    target = Untrained(network.to(memory_format=torch.channels_last))
    with tempfile.TemporaryDirectory(dir=".") as folder, Ledger.open(Path(folder) / "ledger.sqlite", target_digest=target.digest) as ledger:
        ledger.open_account("bare", reveals="codes", cap=10**9)
        rounds = [one_round(seed, target, ledger) for seed in range(ROUNDS)]
    typical = {step: median(taken[step] for taken in rounds) for step in rounds[0]}
    overhead = typical["fingerprint"] + typical["charge"] + typical["store"]
    result = {
        "milliseconds": {step: round(taken * 1000, 2) for step, taken in typical.items()},
        "overhead_of_forward": round(overhead / typical["forward"], 3),
        "ledger_queries_per_s": int(BATCH / overhead),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
