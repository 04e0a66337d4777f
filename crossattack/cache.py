"""The user's cache folder, and files that are either whole or absent.

What is fetched, built or trained once for this machine lies in `~/.cache/crossattack` (`XDG_CACHE_HOME` and
`CROSSATTACK_CACHE` are respected), never in the tree.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from crossattack.errors import UsageError


def cache_folder(*parts: str) -> Path:
    """The folder for these parts, made when it is not there: `cache_folder("targets")`."""
    root = os.environ.get("CROSSATTACK_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crossattack"
    folder = Path(root, *parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"a cache folder to write to wanted, {folder} got ({error.strerror}); set CROSSATTACK_CACHE.") from error
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` at the end, removed when anything fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time works on `path`; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def built_once(path: Path) -> Iterator[bool]:
    """Under the lock: True where `path` has yet to be built by the caller, False where it is there already."""
    with locked(path):
        yield not path.exists()
