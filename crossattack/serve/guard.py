"""The door: every request passes here before anything else, and every reply on its way out.

It puts the headers of a strict policy on every reply, turns whatever was raised into one JSON sentence, and writes one line of
JSON a request: never a token, a body or a query string.
"""

import ipaddress
import json
import logging
import time
from datetime import UTC, datetime
from typing import Any, Final, final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossattack.serve.refusals import Refusal

log = logging.getLogger("crossattack.serve")

POLICY: Final = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@final
class Guard:
    """An ASGI application around another one. open_to_all: no tokens are asked for, so only this machine's own pages may come."""

    def __init__(self, app: ASGIApp, *, open_to_all: bool) -> None:
        self.app, self.open_to_all = app, open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        state = scope.setdefault("state", {})
        try:
            if self.open_to_all:
                _refuse_strangers(Headers(scope=scope))
            await self.app(scope, receive, guarded)
        except Refusal as refusal:
            state["refused_as"] = refusal.code
            if refusal.status >= 500:
                log.exception("failed", extra={"fields": {"path": scope["path"]}})
            await JSONResponse(refusal.body(), refusal.status, refusal.headers)(scope, receive, guarded)
        except Exception:
            log.exception("failed", extra={"fields": {"path": scope["path"]}})
            if not status:
                failure = Refusal(500, "internal", "an answer wanted, a fault of this service got; its log says more.")
                await JSONResponse(failure.body(), failure.status)(scope, receive, guarded)
        finally:
            told = {key: state[key] for key in ("account", "items", "replayed", "refused", "refused_as") if key in state}
            seconds = round(time.monotonic() - began, 4)
            fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": seconds, **told}
            log.info("request", extra={"fields": fields})


@final
class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse_strangers(headers: Headers) -> None:
    """Without tokens a browser would ask on behalf of any page its user has open: under a name of that page's own, or across sites."""
    name = headers.get("host", "").lower()
    if not is_loopback(name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name):
        raise Refusal(403, "strange_host", "a request to localhost wanted, one to another name got; start the service with --tokens.")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refusal(403, "other_site", "a request of this service's own page wanted, one of another site got.")
