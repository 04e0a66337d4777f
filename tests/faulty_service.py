"""A service that speaks wire version 1 badly: a process of its own, real sockets, faults by a seeded schedule.

    python tests/faulty_service.py --port 0 --count count.log --faults '{"busy": 0.2, "lost": 0.2}' --seed 7

Its first line on stdout is its port. Codes are a deterministic function of an item's bytes. What it has counted lies in an
append-only file that outlives it: a line an item, with the item's key. `--exit-after 9` ends the process after it has counted
the items of its ninth request and before it answers, as a crash would.
"""

import argparse
import hashlib
import json
import os
import random
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CRASH = 17


def code_of(item: bytes, dim: int) -> list[int]:
    """A code that nobody can predict and that never changes."""
    return [1 if byte & 1 else -1 for byte in hashlib.shake_256(item).digest(dim)]


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

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        options = self.server.options
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
            **{"api": 1, "name": "faulty", "digest": "0123456789abcdef", "reveals": "codes", "dim": options.dim, "top_k": None},
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
            items, keys = self.images(body) if modality == "images" else self.texts(body)
            server.bill(modality, keys or ["-"] * len(items))
            if server.requests == options.exit_after:
                os._exit(CRASH)
        return self.misbehave(fault, [{"code": code} for code in server.codes(modality, items)])

    def misbehave(self, fault: str, results: list[Any]) -> None:
        """Answer, or fail to, once the items are counted."""
        if fault == "lost":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if fault == "slow":
            time.sleep(self.server.options.slow)
        elif fault == "unavailable":
            return self.refuse(503, "come back later")
        elif fault == "bits":
            results[-1] = {"code": results[-1]["code"][1:]}
        elif fault == "values":
            results[0] = {"code": [0, *results[0]["code"][1:]]}
        elif fault == "fewer":
            results = results[1:]
        elif fault == "oversized":
            results[0]["more"] = "x" * 3_000_000
        content = json.dumps({"results": results}).encode()
        if fault == "malformed":
            content = content[:-2] + b"]]"
        self.reply(content, cut=20 if fault == "truncated" else 0)

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
