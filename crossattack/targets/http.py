"""A service behind HTTP: a black box that is really remote."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from crossattack.datasets import Pairs
from crossattack.endpoint import Endpoint
from crossattack.errors import ConfigError
from crossattack.progress import Progress
from crossattack.targets._http_shown import Shown
from crossattack.targets._http_wire import Info

Seconds = Annotated[float, Field(gt=0, le=86_400)]


@dataclass(frozen=True, kw_only=True)
class Http:
    """A retrieval service that you own or may test, asked over HTTP.

    It is asked for the codes of pictures (as PNG) and texts, or for what they find, a batch at a time and politely: never
    faster than `rate`, and after a failure only when the service is likely to have recovered. The token, where one is
    needed, comes from CROSSATTACK_TOKEN and is written down nowhere.

    url: where its `/v1/info` lies, without user, password, query or fragment. authorised: you own it, or its owner lets you.
    rate: items a second, at most. batch: items a request, at most; the service may want fewer. attempts, total_seconds:
    when to give up on one request. backoff: seconds before the second attempt, doubled from there up to `longest_wait`,
    which caps a Retry-After too. reply_bytes: of one reply, at most.
    """

    remote: ClassVar[bool] = True  # nothing to train, and no white box
    url: str = ""
    authorised: bool = False
    rate: Annotated[float, Field(gt=0, le=1e6)] = 50.0
    batch: Annotated[int, Field(ge=1, le=4096)] = 64
    attempts: Annotated[int, Field(ge=1, le=1000)] = 12
    connect_seconds: Seconds = 2.0
    read_seconds: Seconds = 30.0
    total_seconds: Seconds = 300.0
    backoff: Seconds = 0.5
    longest_wait: Seconds = 30.0
    reply_bytes: Annotated[int, Field(ge=1024)] = 16 << 20

    def __post_init__(self) -> None:
        wanted = "`url` of http: the address of a service such as http://127.0.0.1:8000 wanted"
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ConfigError(f"{wanted}, something else got; check it.") from None
        if "@" in self.url or parts.query or parts.fragment:  # may be secrets, so none of it is repeated
            got = "one with a user, a password, a query or a fragment got"
            raise ConfigError(f"{wanted}, {got}; leave those out and put the token into the environment, as CROSSATTACK_TOKEN.")
        if parts.scheme not in ("http", "https") or not host or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ConfigError(f"{wanted}, {self.url!r:.60} got; give it with `--set target.url=...`.")
        if not self.authorised and not is_loopback(host):
            says = "say `--i-am-authorised` if you own it or its owner lets you (docs/responsible-use.md)"
            raise ConfigError(f"`authorised` of http: leave to test {host} wanted, none got; {says}.")

    def load(self, train: Pairs, *, device: str, progress: Progress) -> "RemoteTarget":
        """The service, once it has said what it is. Nothing is trained: the pairs stay here."""
        from crossattack.targets._http_endpoint import introduce  # only now, as it brings the HTTP client along

        return RemoteTarget(self, introduce(self))


@dataclass(frozen=True)
class RemoteTarget:
    """A service that has said what it is. There is no network to look into: what it knows, it is asked."""

    settings: Http
    info: Info

    @property
    def digest(self) -> str:
        """Of what answers there, by its own word."""
        return self.info.digest

    def counted(self) -> int | None:
        """Items that the service has counted for our token, ever; None where it does not say."""
        from crossattack.targets._http_endpoint import ask_count

        return ask_count(self.settings)

    @contextmanager
    def connect(self, shown: Shown | None = None) -> Iterator[Endpoint]:
        """The endpoint, for as long as the connection is wanted. shown: where to keep what lists show, where it answers with lists."""
        from crossattack.targets._http_client import Client
        from crossattack.targets._http_endpoint import HttpEndpoint

        with Client(self.settings) as client:
            yield HttpEndpoint(client, self.settings, self.info, shown)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
