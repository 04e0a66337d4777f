"""`crossattack serve`: settings -> service -> socket.

What can be refused is refused before anything is loaded, and a socket that others can reach is opened only where tokens are
asked for.
"""

import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattack.cache import cache_folder
from crossattack.config import RunConfig, load_config
from crossattack.errors import MissingDependency, UsageError
from crossattack.progress import Progress, progress_for

MOST_CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line asked for. flags: settings by dotted key, None where not given."""

    flags: Mapping[str, Any]
    path: Path | None = None
    overrides: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = 8765
    reveals: str = "codes"
    top_k: int | None = None
    tokens: Path | None = None
    rate: str | None = None
    quota: int | None = None
    state: Path | None = None


def serve(wish: Wish) -> None:
    """Serve until interrupted."""
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise MissingDependency(f"{error.name} wanted to serve, not installed; run `pip install 'crossattack[serve]'`.") from error
    from crossattack.serve.guard import is_loopback, log
    from crossattack.serve.rate import items_a_second
    from crossattack.serve.tokens import VARIABLE, Tokens

    text = os.environ.get(VARIABLE, "")
    tokens = Tokens.from_file(wish.tokens) if wish.tokens else Tokens.from_text(text) if text.strip() else Tokens()
    if not (is_loopback(wish.host) or tokens.are_wanted):
        raise UsageError(f"host: 127.0.0.1 wanted where no tokens are asked for, {wish.host} got; give `--tokens FILE`.")
    if wish.reveals != "ranking" and wish.top_k is not None:
        raise UsageError(f"top-k: only with `--reveals ranking`, {wish.reveals} got; drop it.")
    per_second = None if wish.rate is None else items_a_second(wish.rate)
    config = load_config(wish.path, wish.overrides, wish.flags)
    with listening(wish.host, wish.port) as listener:
        from crossattack.serve.app import make_app

        service = build(config, wish, tokens, per_second, progress_for(sys.stderr))
        _log_as_json()
        port = listener.getsockname()[1]
        url = f"http://{f'[{wish.host}]' if ':' in wish.host else wish.host}:{port}/"
        log.info("serving", extra={"fields": {"url": url, "tokens": tokens.are_wanted, **service.info()}})
        try:
            uvicorn.Server(server_settings(make_app(service))).run(sockets=[listener])
        except KeyboardInterrupt:
            log.info("interrupted")
        finally:
            service.accounts.close()


def server_settings(app: Any) -> Any:
    """How uvicorn runs the application: its own log lines are ours, and there is an end to how many may come at once."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )


def _log_as_json() -> None:
    """Lines of JSON on stderr, from the service, from uvicorn, and for warnings of libraries."""
    from crossattack.serve.guard import JsonLines

    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("crossattack.serve", "uvicorn", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def build(config: RunConfig, wish: Wish, tokens: Any, per_second: float | None, progress: Progress) -> Any:
    """The service of these settings: data loaded, target trained on first use, database encoded once."""
    from crossattack.deployed import deployed
    from crossattack.endpoint import Reveals, Similarity
    from crossattack.errors import UsageError
    from crossattack.index import build_index
    from crossattack.serve.accounts import Accounts
    from crossattack.serve.rate import Rate
    from crossattack.serve.service import USUAL_HITS, Service

    device = config.torch_device()
    pairs, split = config.data.plugin.load(progress)
    database = pairs.take(split.database)
    target = deployed(config, pairs.take(split.train), device=device, progress=progress).target
    if target.similarity is not Similarity.HAMMING:
        raise UsageError(f"a hashing target wanted to serve, {config.target.name} compares by {target.similarity.value}; choose another.")
    reveals = next(word for word in Reveals if word.value == wish.reveals)
    name = str(config.target.name)
    state = wish.state or cache_folder("services") / f"{name}-{target.digest}.sqlite"
    return Service(
        name=name,
        target=target,
        database=database,
        index=build_index(target, database, device=device, progress=progress),
        accounts=Accounts(state, target_digest=target.digest, quota=wish.quota),
        tokens=tokens,
        reveals=reveals,
        top_k=(wish.top_k or min(USUAL_HITS, len(database))) if reveals is Reveals.RANKING else None,
        rate=None if per_second is None else Rate(per_second, burst=Service.batch),
        device=device,
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is one that is free."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise UsageError(f"host, port: an address of this machine that is free wanted, {host} port {port} got ({error}).") from error
    # Accepted connections inherit it; without it a reply's body waits 40 ms for its head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
