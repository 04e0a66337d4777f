"""Asking a service with patience and manners: one attempt, when another one is worth it, and how fast at most.

Client      one attempt: time-outs, a cap on the reply, no redirects, every status with its meaning
patiently   attempts until one succeeds, `attempts` are made or `total_seconds` are over
Pace        so many items a second and no more
"""

import email.utils
import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar, final
from urllib.parse import urlsplit

import httpx2 as httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

from crossattack.errors import TargetError, UsageError
from crossattack.targets._http_wire import error_text
from crossattack.targets.http import Http, is_loopback

TOKEN = "CROSSATTACK_TOKEN"
T = TypeVar("T")


class Transient(TargetError):
    """An attempt that failed in a way that may be over soon.

    counted: the service may have counted the items all the same. after: seconds for which it asks us to wait.
    """

    def __init__(self, says: str, *, counted: bool = True, after: float = 0) -> None:
        super().__init__(says)
        self.counted, self.after = counted, after


@final
class Client:
    """A connection to one service. Use it in a `with`; its token is in the headers and nowhere else."""

    def __init__(self, settings: Http) -> None:
        self._settings, self._token = settings, token_from_environment()
        self.url = settings.url.rstrip("/")
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": f"crossattack/{version('crossattack')}"}
        times = httpx.Timeout(settings.read_seconds, connect=settings.connect_seconds, pool=settings.connect_seconds)
        self._http = httpx.Client(
            headers=headers | ({"authorization": f"Bearer {self._token}"} if self._token else {}),
            timeout=times,
            follow_redirects=False,
            trust_env=not is_loopback(urlsplit(self.url).hostname or ""),  # a proxy is of no use within this machine
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """One attempt: the JSON of a good reply, `Transient` where another attempt is worth it, `TargetError` where none is."""
        headers, body = self._good(method, path, **content)
        said = _json(body)
        if said is None:
            if headers.get("content-type", "").startswith("text/html"):
                raise TargetError(f"a service's JSON wanted of {self.url}{path}, a web page got; check `target.url`.")
            raise Transient("a reply in JSON wanted, something else got")
        return said

    def fetch(self, path: str) -> bytes:
        """One attempt at a file."""
        return self._good("GET", path)[1]

    def _good(self, method: str, path: str, **content: Any) -> tuple[dict[str, str], bytes]:
        """Headers and body of a good reply; any other is raised."""
        status, headers, body = self._exchange(self._http.build_request(method, self.url + path, **content))
        if status != 200:
            raise self._refusal(status, headers, error_text(_json(body)))
        return headers, body

    def _exchange(self, request: httpx.Request) -> tuple[int, dict[str, str], bytes]:
        """Send, and read no more than the cap and no longer than the time there is."""
        began, body, most = time.monotonic(), bytearray(), self._settings.reply_bytes
        try:
            response = self._http.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > most:
                        raise Transient(f"a reply of at most {most:,} bytes wanted, more got")
                    if time.monotonic() - began > self._settings.total_seconds:
                        raise Transient(f"a reply within {self._settings.total_seconds:g} s wanted, a slower one got")
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Transient(f"no connection ({self._redacted(str(error)) or type(error).__name__})", counted=False) from error
        except httpx.TransportError as error:
            raise Transient(f"the connection failed ({self._redacted(str(error)) or type(error).__name__})") from error
        told = bytes(body).replace(self._token.encode(), b"***") if self._token else bytes(body)  # should it be sent back to us
        return response.status_code, dict(response.headers), told

    def _refusal(self, status: int, headers: dict[str, str], says: str) -> TargetError:
        """What a status other than 200 means for us."""
        got = f"{status} got" + (f" ({self._redacted(says)})" if says else "")
        if status == 429 or status >= 500:
            return Transient(f"an answer wanted, {got}", counted=status != 429, after=retry_after(headers.get("retry-after", "")))
        if 300 <= status < 400:
            return TargetError(
                f"an answer of {self.url} itself wanted, {got}, a redirect elsewhere, which is not followed; check `target.url`."
            )
        if status == 403:
            return TargetError(
                f"leave to ask {self.url} wanted, {got}; stopped at once, what was answered is kept: ask its owner, then resume."
            )
        advice = {
            401: f"put a token that it knows into {TOKEN}",
            404: "check `target.url`: is a service of crossattack's API there?",
            413: "send less at a time with `--set target.batch=8`",
        }.get(status, "what was answered is kept; check the service's version and log")
        return TargetError(f"an answer of {self.url} wanted, {got}; {advice}.")

    def _redacted(self, text: str) -> str:
        """A text without the token, should it have found its way in."""
        return text.replace(self._token, "***") if self._token else text


def _json(body: bytes) -> Any:
    """What a body says; None where that is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def token_from_environment() -> str:
    """The token, empty where there is none; never part of a message."""
    token = os.environ.get(TOKEN, "").strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{TOKEN}: a token in one word of ASCII wanted, something else got; set it anew.")
    return token


def patiently(settings: Http, url: str, attempt: Callable[[], T], attempts: int | None = None) -> T:
    """The first success of `attempt`; `TargetError` says how many were made and how the last one failed."""

    def wait(state: RetryCallState) -> float:
        assert state.outcome is not None
        error = state.outcome.exception()
        jittered = settings.backoff * 2 ** min(state.attempt_number - 1, 20) * random.uniform(0.5, 1)
        asked = error.after if isinstance(error, Transient) else 0.0
        return float(min(max(jittered, asked), settings.longest_wait))

    retrying = Retrying(
        retry=retry_if_exception_type(Transient),
        stop=stop_after_attempt(attempts or settings.attempts) | stop_before_delay(settings.total_seconds),
        wait=wait,
        reraise=True,
    )
    began = time.monotonic()
    try:
        return retrying(attempt)
    except Transient as error:
        made = f"{retrying.statistics['attempt_number']} attempts in {time.monotonic() - began:.1f} s"
        raise TargetError(f"an answer of {url} wanted, none got in {made}, the last: {error}; what was answered is kept.") from error


def retry_after(header: str) -> float:
    """Seconds that a Retry-After asks for: a number, or a date; 0 where it says neither."""
    try:
        return max(0.0, float(header)) if header.strip().isdigit() else _until(header)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _until(date: str) -> float:
    then = email.utils.parsedate_to_datetime(date)
    return max(0.0, (then.astimezone(UTC) - datetime.now(UTC)).total_seconds())


@final
class Pace:
    """At most `rate` items a second, in the long run and from one request to the next."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free = rate, 0.0

    def keep(self, items: int) -> None:
        """Wait until these may be sent."""
        now = time.monotonic()
        if self._free > now:
            time.sleep(self._free - now)
        self._free = max(now, self._free) + items / self._rate
