"""The service beside the same target in process: items a second at batch 64, on loopback, counted and kept durably.

uv run python benchmarks/service.py [--modality texts]

Clients are processes of their own, as they are in life; the target answers in process and over HTTP by turns, in one run, so
that both meet the same machine.
"""

import argparse
import io
import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import uvicorn
from PIL import Image

from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.endpoint import Request
from crossattack.index import Index
from crossattack.ledger import Modality, idempotency_key
from crossattack.oracle import LocalEndpoint
from crossattack.progress import Silent
from crossattack.serve.accounts import Accounts
from crossattack.serve.app import make_app
from crossattack.serve.service import Service
from crossattack.serve.start import listening, server_settings
from crossattack.targets._trained import NetworkTarget
from surrogates.network import network_for

BATCH, ROUNDS, CLIENTS = 64, 9, 4
REQUESTS = {"images": 4, "texts": 50}  # of a client, in a round
Asker = subprocess.Popen[bytes]


def png(picture: torch.Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


def content(modality: Modality, pairs: Pairs) -> dict[str, Any]:
    """A batch as httpx2 takes it, every item with a key that is new."""
    keys = [idempotency_key() for _ in range(BATCH)]
    if modality == "texts":
        return {"json": {"items": pairs.texts, "keys": keys}}
    return {"files": [("items", ("a.png", png(picture), "image/png")) for picture in pairs.images], "data": {"keys": json.dumps(keys)}}


def over_http(askers: list[Asker], modality: Modality, batches: list[Pairs], wanted: list[np.ndarray]) -> float:
    """Items a second of all who ask at once, from the first request to the last reply."""
    for asker in askers:
        assert asker.stdin is not None
        pickle.dump([(f"/v1/encode/{modality}", content(modality, batch)) for batch in batches], asker.stdin)
    for asker in askers:
        asker.stdin.flush()
    found = [pickle.load(asker.stdout) for asker in askers]
    for _, _, replies in found:
        for results, codes in zip(replies, wanted, strict=True):
            assert np.array_equal([result["code"] for result in results], codes)
    seconds = max(ended for _, ended, _ in found) - min(began for began, _, _ in found)
    return len(askers) * len(batches) * BATCH / seconds


def in_process(local: LocalEndpoint, modality: Modality, batches: list[Pairs]) -> tuple[float, list[np.ndarray]]:
    """Items a second of the target itself, and the codes."""
    requests = [Request(modality, getattr(batch, modality), tuple(map(str, range(BATCH)))) for batch in batches]
    began = time.monotonic()
    codes = [np.stack(local.answer(request)) for request in requests]
    return len(batches) * BATCH / (time.monotonic() - began), codes


def measure(service: Service, askers: list[Asker], modality: Modality) -> dict[str, float]:
    local, rates = LocalEndpoint(service.target, batch_size=BATCH), []
    for _ in range(ROUNDS + 1):
        batches = [service.database.take(torch.randint(len(service.database), (BATCH,))) for _ in range(REQUESTS[modality])]
        inside, codes = in_process(local, modality, batches)
        rates.append((inside, *(over_http(askers[:count], modality, batches, codes) for count in (1, CLIENTS))))
    inside, alone, together = (median(rate) for rate in zip(*rates[1:], strict=True))
    return {
        **{"in_process": int(inside), "one_client": int(alone), f"{CLIENTS}_clients": int(together)},
        **{"share_of_one": round(alone / inside, 3), f"share_of_{CLIENTS}": round(together / inside, 3)},
    }


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Service, str]]:
    """A service of the default towers, untrained, at a free port of this machine."""
    pairs, split = Scenes(pairs=2000).load(Silent())
    network = network_for(pairs.texts, image="efficientnet_lite0", text="bag_of_words", bits=32, weights="none").eval()
    target = NetworkTarget(network.to(memory_format=torch.channels_last), "0" * 16, {})
    database = pairs.take(split.database)
    index = Index(*(harden(encode(target, kind, getattr(database, kind))) for kind in ("images", "texts")))
    accounts = Accounts(folder / "state.sqlite", target_digest=target.digest)
    service = Service(name="dcmh", target=target, database=database, index=index, accounts=accounts)
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(server_settings(make_app(service)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield service, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            accounts.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modality", choices=REQUESTS, action="append")
    command = [sys.executable, str(Path(__file__).with_name("_asker.py"))]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        service, url = stack.enter_context(serving(folder))
        askers = [
            stack.enter_context(subprocess.Popen([*command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)) for _ in range(CLIENTS)
        ]
        for modality in parser.parse_args().modality or list(REQUESTS):
            print(modality, json.dumps(measure(service, askers, modality)), flush=True)


if __name__ == "__main__":
    main()
