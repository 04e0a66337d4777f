"""A small service on a real socket, in a thread of the test's own process."""

import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn
from PIL import Image
from torch import Tensor
from worlds import scenes, untrained_target

from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.index import Index
from crossattack.serve.accounts import Accounts
from crossattack.serve.app import make_app
from crossattack.serve.service import Service
from crossattack.serve.start import listening, server_settings
from crossattack.targets._trained import NetworkTarget

ALICE, BOB = "alice-token-0123456789", "bob-token-0123456789abc"


@dataclass(frozen=True)
class Served:
    """A service that answers, somebody who asks it, and pairs that it has never seen."""

    service: Service
    url: str
    http: httpx2.Client
    query: Pairs

    def texts(self, items: Sequence[Any], *, to: str = "/v1/encode/texts", headers: Any = None, **body: Any) -> Any:
        """Send texts."""
        return self.http.post(to, json={"items": items, **body}, headers=headers)

    def images(self, files: Sequence[bytes], *, to: str = "/v1/encode/images", headers: Any = None, keys: str | None = None) -> Any:
        """Send files."""
        parts = [("items", ("picture.png", file, "image/png")) for file in files]
        return self.http.post(to, files=parts, data={"keys": keys} if keys else None, headers=headers)

    def stats(self, headers: Any = None) -> Any:
        """What the service says that it counted."""
        return self.http.get("/v1/stats", headers=headers).json()


def small_service(
    state: Path, *, accounts: dict[str, Any] | None = None, target: NetworkTarget | None = None, **settings: Any
) -> tuple[Service, Pairs]:
    """A service of a target, by default an untrained one, over small scenes, and the pairs of the query split."""
    pairs, split = scenes()
    target = target or untrained_target(pairs)
    database = pairs.take(split.database)
    index = Index(harden(encode(target, "images", database.images)), harden(encode(target, "texts", database.texts)))
    kept = Accounts(state, target_digest=target.digest, **(accounts or {}))
    return Service(name="dcmh", target=target, database=database, index=index, accounts=kept, **settings), pairs.take(split.query)


@contextmanager
def serving(state: Path, *, captions: Sequence[str] | None = None, **settings: Any) -> Iterator[Served]:
    """The service, answering at a free port of this machine until the end of the block. captions: for the database's first items."""
    service, query = small_service(state, **settings)
    if captions:
        texts = (*captions, *service.database.texts[len(captions) :])
        service = replace(service, database=replace(service.database, texts=texts))
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(server_settings(make_app(service)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        deadline = time.monotonic() + 30
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            with httpx2.Client(base_url=url, timeout=30, trust_env=False) as http:
                yield Served(service, url, http, query)
        finally:
            server.should_exit = True
            thread.join(30)
            service.accounts.close()


def png(picture: Tensor, format: str = "PNG", **options: Any) -> bytes:
    """A picture (3, height, width) as a file."""
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, format, **options)
    return file.getvalue()


def plain(width: int, height: int, mode: str = "RGB", colour: Any = 0, format: str = "PNG", **options: Any) -> bytes:
    """A file with a picture of one colour."""
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, format, **options)
    return file.getvalue()


def codes_of(reply: Any) -> np.ndarray[Any, Any]:
    """The codes in a reply, all of which are there."""
    assert reply.status_code == 200, reply.text
    return np.array([result["code"] for result in reply.json()["results"]], np.int8)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(reply: Any) -> tuple[int, str]:
    """The status and the word of a refusal; its sentence is one line."""
    error = reply.json()["error"]
    assert error["message"]
    assert "\n" not in error["message"]
    return reply.status_code, error["code"]


def item_codes(reply: Any) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [result.get("error", {}).get("code", "answered") for result in reply.json()["results"]]


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge and whose data is a few thousand zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")
