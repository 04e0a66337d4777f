"""The service beside the same target in process: items a second at batch 64, on loopback, counted and kept durably.

uv run python benchmarks/service.py
"""

import io
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx2
import numpy as np
import torch
import uvicorn
from PIL import Image

from crossattack.codes import harden
from crossattack.datasets.scenes import Scenes
from crossattack.encoding import encode
from crossattack.endpoint import Request
from crossattack.index import Index
from crossattack.oracle import LocalEndpoint
from crossattack.progress import Silent
from crossattack.serve.accounts import Accounts
from crossattack.serve.app import make_app
from crossattack.serve.service import Service
from crossattack.serve.start import listening, server_settings
from crossattack.targets._trained import HashingTarget
from surrogates.network import network_for

BATCH, ROUNDS = 64, 15


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def png(picture: torch.Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


def measure(service: Service, http: httpx2.Client) -> dict[str, float]:
    """One batch at a time, in process and over HTTP by turns, so that both meet the same machine."""
    local, taken = LocalEndpoint(service.target, batch_size=BATCH), {"images": [], "texts": []}
    keys = iter(range(10**9))
    for _ in range(ROUNDS):
        chosen = torch.randint(len(service.database), (BATCH,))
        pairs = service.database.take(chosen)
        ours = [str(next(keys)) for _ in range(BATCH)]
        files = [("items", ("a.png", png(picture), "image/png")) for picture in pairs.images]
        asks = {
            "images": lambda files=files, ours=ours: http.post("/v1/encode/images", files=files, data={"keys": json.dumps(ours)}),
            "texts": lambda texts=pairs.texts, ours=ours: http.post(
                "/v1/encode/texts", json={"items": texts, "keys": [f"t{k}" for k in ours]}
            ),
        }
        for modality, ask in asks.items():
            request = Request(modality, getattr(pairs, modality), tuple(ours))
            in_process = seconds(lambda request=request: local.answer(request))
            replies = []
            over_http = seconds(lambda ask=ask, replies=replies: replies.append(ask().json()["results"]))
            assert np.array_equal([result["code"] for result in replies[0]], np.stack(local.answer(request)))
            taken[modality].append((in_process, over_http))
    found = {}
    for modality, pairs_of_times in taken.items():
        inside, outside = (median(times) for times in zip(*pairs_of_times[1:], strict=True))
        found[f"{modality}_in_process"], found[f"{modality}_over_http"] = int(BATCH / inside), int(BATCH / outside)
        found[f"{modality}_share"] = round(inside / outside, 3)
    return found


def main() -> None:
    pairs, split = Scenes(pairs=2000).load(Silent())
    network = network_for(pairs.texts, image="efficientnet_lite0", text="bag_of_words", bits=32, weights="none").eval()
    target = HashingTarget(network.to(memory_format=torch.channels_last), "0" * 16, {})
    database = pairs.take(split.database)
    index = Index(*(harden(encode(target, kind, getattr(database, kind))) for kind in ("images", "texts")))
    with tempfile.TemporaryDirectory(dir=".") as folder, listening("127.0.0.1", 0) as listener:
        accounts = Accounts(Path(folder) / "state.sqlite", target_digest=target.digest)
        service = Service(name="dcmh", target=target, database=database, index=index, accounts=accounts)
        server = uvicorn.Server(server_settings(make_app(service)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with httpx2.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60, trust_env=False) as http:
            print(json.dumps(measure(service, http), indent=2))
        server.should_exit = True
        thread.join()
        accounts.close()


if __name__ == "__main__":
    main()
