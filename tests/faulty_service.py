"""A service that speaks wire version 1 badly: a process of its own, real sockets, faults by a seeded schedule.

    python tests/faulty_service.py --port 0 --count count.log --faults '{"busy": 0.2, "lost": 0.2}' --seed 7

Its first line on stdout is its port. Codes are a deterministic function of an item's bytes, and so are the lists that it shows
with `--top-k 12`. What it has counted lies in an append-only file that outlives it: a line an item, with the item's key.
`--exit-after 9` ends the process after it has counted the items of its ninth request, or of the next that it counts at all,
and before it answers, as a crash would.
`--hold 9` never answers the ninth request; that it is being held is noted in `<count>.held`, so that the caller can be killed.
"""

import argparse
import hashlib
import io
import json
import os
import random
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CRASH = 17


def code_of(item: bytes, dim: int) -> list[int]:
    """A code that nobody can predict and that never changes."""
    return [1 if byte & 1 else -1 for byte in hashlib.shake_256(item).digest(dim)]


def list_of(item: bytes, top_k: int, database: int) -> list[int]:
    """Ids that nobody can predict and that never change."""
    return random.Random(hashlib.sha256(item).digest()).sample(range(database), top_k)


def text_of(item: int) -> str:
    """A text of the database."""
    return f"item number {item} of kind {item % 7}"


def picture_of(item: int, side: int) -> bytes:
    """A picture of the database, as a PNG."""
    from PIL import Image  # only where lists are shown: it takes a while

    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), hashlib.shake_256(f"picture {item}".encode()).digest(3 * side * side)).save(file, "PNG")
    return file.getvalue()


class Service(ThreadingHTTPServer):
    """What the handlers share."""

    daemon_threads = True

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", options.port), Handler)
        self.options, self.lock, self.requests = options, threading.Lock(), 0
        self.faults, self.random = json.loads(options.faults), random.Random(options.seed)
        self.count = open(options.count, "a+", encoding="ascii")  # noqa: SIM115, as long as the service lives
        self.count.seek(0)
        lines = self.count.read().split("\n")
        self.known = {key for line in lines for _, _, key in [line.partition(" ")] if key != "-"} if options.idempotency else set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless whoever asked has gone: that is what tests of faults are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def fault(self) -> str:
        """What goes wrong with this request, by the schedule; nothing, most of the time."""
        drawn = self.random.random()
        for name, share in self.faults.items():
            drawn -= share
            if drawn < 0:
                return str(name)
        return ""

    def codes(self, modality: str, items: list[bytes]) -> list[list[int]]:
        """What the items are answered with; a test may put a real network here."""
        return [code_of(item, self.options.dim) for item in items]

    def bill(self, modality: str, keys: list[str]) -> None:
        """Count what is new, durably, before anything is answered."""
        for key in keys:
            if key == "-" or key not in self.known:
                self.count.write(f"{modality} {key}\n")
                self.known |= {key} if self.options.idempotency else set()
        self.count.flush()
        os.fsync(self.count.fileno())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # heads and bodies leave apart, and neither waits for the other

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        options = self.server.options
        if item := re.fullmatch(r"/v1/items/(\d+)\.png", self.path):
            return self.show(int(item[1]))
        if self.path == "/v1/stats":
            lines = Path(options.count).read_text(encoding="ascii").split()[::2]
            return self.reply({"items": len(lines), "images": lines.count("images"), "texts": lines.count("texts")})
        if self.path != "/v1/info":
            return self.reply({"error": {"code": "not_found", "message": "no such path"}}, 404)
        if options.page:
            return self.reply(b"<html>Welcome</html>", kind="text/html")
        if not self.allowed():
            return self.refuse(401, "who are you?")
        info = {
            **{"api": 1, "name": "faulty", "digest": "0123456789abcdef", "dim": options.dim},
            **{"reveals": "ranking" if options.top_k else "codes", "top_k": options.top_k or None},
            **{"database": {"images": options.database, "texts": options.database}, "batch": options.batch},
            **({"idempotency_seconds": 86_400} if options.idempotency or options.boasts else {}),
        }
        return self.reply({**info, **json.loads(options.info)})

    def do_POST(self) -> None:
        options, server = self.server.options, self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.allowed():
            return self.refuse(401, "who are you?")
        with server.lock:
            server.requests += 1
            fault = server.fault()
            if 0 < options.forbid_after < server.requests:
                return self.refuse(403, "not any more")
            if fault == "busy":
                return self.refuse(429, "too many requests", {"retry-after": "0"})
            if fault == "redirect":
                return self.reply(b"", 307, headers={"location": options.elsewhere})
            modality = urlsplit(self.path).path.rsplit("/", 1)[-1]
            if self.path != (f"/v1/search/{modality}?k={options.top_k}" if options.top_k else f"/v1/encode/{modality}"):
                return self.reply({"error": {"code": "not_found", "message": "no such path"}}, 404)
            items, keys = self.images(body) if modality == "images" else self.texts(body)
            server.bill(modality, keys or ["-"] * len(items))
            if 0 < options.exit_after <= server.requests:
                os._exit(CRASH)
            held = str(server.requests) in options.hold.split(",")
        if held:
            return self.hold()
        if options.top_k:
            lists = [list_of(item, options.top_k, options.database) for item in items]
            results: list[Any] = [{"hits": [{"id": one, "text": text_of(one)} for one in ids]} for ids in lists]
        else:
            results = [{"code": code} for code in server.codes(modality, items)]
        return self.misbehave(fault, self.spoilt(fault, results))

    def hold(self) -> None:
        """Say so, and keep quiet for as long as the caller lives."""
        with open(f"{self.server.options.count}.held", "a", encoding="ascii") as held:
            held.write("held\n")
        with suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def show(self, item: int) -> None:
        """A picture of the database, which costs nothing."""
        with self.server.lock:
            fault = self.server.fault()
        if fault == "busy":
            return self.refuse(429, "too many requests", {"retry-after": "0"})
        content = picture_of(item, self.server.options.side + (fault == "short"))
        content = content[: len(content) // 2] if fault == "malformed" else content + bytes(3_000_000) if fault == "oversized" else content
        return self.misbehave(fault, content, "image/png")

    def spoilt(self, fault: str, results: list[Any]) -> bytes:
        """The results as JSON, less or more than they should be."""
        ((kind, last),) = results[-1].items()
        first = results[0][kind]
        if fault == "short":
            results[-1] = {kind: last[1:]}
        elif fault == "impossible":
            results[0] = {kind: [0 if kind == "code" else {**first[0], "id": self.server.options.database}, *first[1:]]}
        elif fault == "repeated" and kind == "hits":
            results[0] = {kind: [first[-1], *first[1:]]}
        elif fault == "fewer":
            results = results[1:]
        elif fault == "oversized":
            results[0]["more"] = "x" * 3_000_000
        content = json.dumps({"results": results}).encode()
        return content[:-2] + b"]]" if fault == "malformed" else content

    def misbehave(self, fault: str, content: bytes, kind: str = "application/json") -> None:
        """Answer, or fail to, once the items are counted."""
        if fault == "lost":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if fault == "slow":
            time.sleep(self.server.options.slow)
        elif fault == "unavailable":
            return self.refuse(503, "come back later")
        self.reply(content, kind=kind, cut=20 if fault == "truncated" else 0)

    def images(self, body: bytes) -> tuple[list[bytes], list[str]]:
        """Files and keys of a multipart form."""
        boundary = re.search(r"boundary=([^;]+)", self.headers["content-type"])[1].encode()  # type: ignore[index]
        items, keys = [], []
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            if b'name="items"' in head:
                assert b"image/png" in head
                items.append(content.removesuffix(b"\r\n"))
            elif b'name="keys"' in head:
                keys = json.loads(content)
        return items, keys

    def texts(self, body: bytes) -> tuple[list[bytes], list[str]]:
        said = json.loads(body)
        return [json.dumps(item).encode() for item in said["items"]], said.get("keys", [])

    def allowed(self) -> bool:
        token = self.server.options.token
        return not token or self.headers.get("authorization") == f"Bearer {token}"

    def refuse(self, status: int, says: str, headers: dict[str, str] | None = None) -> None:
        """An error as the wire has it; it repeats the caller's token, as no service should."""
        self.reply({"error": {"code": "refused", "message": f"{says} {self.headers.get('authorization', '')}"}}, status, headers=headers)

    def reply(
        self, content: Any, status: int = 200, kind: str = "application/json", headers: dict[str, str] | None = None, cut: int = 0
    ) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = cut > 0
        try:
            self.wfile.write(body[: len(body) - cut])
        except OSError:
            self.close_connection = True  # whoever asked has gone


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """The settings of a service."""
    parser = argparse.ArgumentParser()
    for name, kind, default in (
        *(("port", int, 0), ("count", str, "count.log"), ("faults", str, "{}"), ("seed", int, 0), ("dim", int, 16)),
        *(("batch", int, 16), ("database", int, 0), ("token", str, ""), ("exit-after", int, 0), ("forbid-after", int, 0)),
        *(("slow", float, 1.0), ("elsewhere", str, "http://127.0.0.1:9/"), ("info", str, "{}")),
        *(("top-k", int, 0), ("side", int, 16), ("hold", str, "")),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default)
    for name in ("no-idempotency", "boasts", "page"):  # boasts: says that it knows keys, and does not
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args(arguments)
    options.idempotency = not (options.no_idempotency or options.boasts)
    return options


def main() -> None:
    service = Service(options_of())
    print(service.server_address[1], flush=True)
    try:
        service.serve_forever(poll_interval=0.05)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
