"""Bearer tokens: who may ask.

A file has one `name:token` a line, for its owner's eyes only; `#` begins a remark. A line that begins with `!` is a token that was
revoked: its bearer is told so (403), while a token that nobody knows is just that (401). The file is read again when it changes;
while it cannot be read nobody gets in. Instead of a file, the variable CROSSATTACK_TOKENS may hold the lines, or the same
parted by spaces.

Of a token only its SHA-256 is kept, and compared with all that are known in a time that does not depend on which one is right.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, final

from crossattack.errors import UsageError
from crossattack.serve.refusals import Refusal

VARIABLE: Final = "CROSSATTACK_TOKENS"
LINE: Final = re.compile(r"(?P<revoked>!?)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}):(?P<token>[A-Za-z0-9._~+/=-]{16,512})")
ANYONE: Final = "anyone"  # whose account it is where no tokens are asked for
Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Bearer:
    """One token, as far as it is remembered."""

    name: str
    sha256: bytes
    revoked: bool


@final
class Tokens:
    """Those who may ask: `Tokens.from_file(path).owner("Bearer ...")` is the name that an account has."""

    def __init__(self, bearers: Iterable[Bearer] = (), path: Path | None = None, stamp: Stamp | None = None) -> None:
        self._bearers, self._path, self._stamp = tuple(bearers), path, stamp

    @classmethod
    def from_file(cls, path: Path) -> "Tokens":
        """Tokens of a file that nobody else may read; `UsageError` otherwise."""
        stamp = _stamp(path)
        return cls(_read(path), path, stamp)

    @classmethod
    def from_text(cls, text: str) -> "Tokens":
        """Tokens of the environment."""
        return cls(_parse(text.split(), VARIABLE))

    @property
    def are_wanted(self) -> bool:
        """Whether a caller has to show one."""
        return self._path is not None or bool(self._bearers)

    def owner(self, authorization: str | None) -> str:
        """The account of whoever sent this header; `Refusal` where it is nobody's or was revoked."""
        if not self.are_wanted:
            return ANYONE
        self._follow()
        scheme, _, token = (authorization or "").partition(" ")
        shown = hashlib.sha256(token.strip().encode()).digest()
        found = None
        for bearer in self._bearers:  # all of them, always: how long it takes tells nothing
            if hmac.compare_digest(bearer.sha256, shown):
                found = bearer
        if found is None or scheme.lower() != "bearer":
            said = "a token wanted: send `Authorization: Bearer TOKEN` with one that the owner of this service gave you."
            raise Refusal(401, "no_token" if authorization is None else "unknown_token", said, {"WWW-Authenticate": "Bearer"})
        if found.revoked:
            raise Refusal(403, "token_revoked", "this token was revoked; ask the owner of this service for another one.")
        return found.name

    def _follow(self) -> None:
        """Read the file again where it is another than before; one that cannot be read lets nobody in."""
        if self._path is None:
            return
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._bearers, self._stamp = _read(self._path), stamp
        except UsageError as error:
            self._stamp = None
            said = "the list of tokens cannot be read at present; try again later."
            raise Refusal(503, "tokens_unreadable", said, {"Retry-After": "30"}) from error


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"tokens: a file of `name:token` lines wanted, {path} cannot be read ({error.strerror}).") from error
    if status.st_mode & 0o077:
        raise UsageError(f"tokens: a file for its owner only wanted, {path} has mode {status.st_mode & 0o777:03o}; run `chmod 600 {path}`.")
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> tuple[Bearer, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"tokens: a file of `name:token` lines wanted, {path} cannot be read; check what it is.") from error
    return _parse([line.strip() for line in lines], str(path))


def _parse(lines: Iterable[str], where: str) -> tuple[Bearer, ...]:
    """The bearers of these lines. What is wrong is told by its number: the line itself may be a secret."""
    found: dict[bytes, Bearer] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            wanted = "`name:token` with a token of 16 or more letters, digits and ._~+/=- wanted"
            raise UsageError(
                f"tokens: {wanted}, line {number} of {where} is something else; mend it (`openssl rand -hex 24` makes a token)."
            )
        sha256 = hashlib.sha256(match["token"].encode()).digest()
        if sha256 in found:
            raise UsageError(
                f"tokens: every token once wanted, line {number} of {where} says one again; give everybody a token of their own."
            )
        found[sha256] = Bearer(match["name"], sha256, revoked=bool(match["revoked"]))
    if not found:
        raise UsageError(f"tokens: at least one `name:token` line wanted, none in {where}; add one.")
    return tuple(found.values())
