"""The user's own files: a folder or a zip archive, read by name, with one line where they are not what was wanted."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crossattack.errors import ConfigError, DataError

MEMBER_BYTES = 256 * 2**20  # of one file: a damaged or hostile archive must not ask for all memory


@dataclass(frozen=True)
class Files:
    """Files below a root. names: sorted, with "/" between parts; read: a file's bytes by its name."""

    root: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]


def own_root(root: str | None, data: str, wanted: str, instead: str) -> Path:
    """The path that the user gave. `ConfigError` where there is none, `DataError` where nothing lies there."""
    if root is None:
        raise ConfigError(
            f"{data}: {wanted} wanted, no `root` got; get it from its authors and say where it lies with --root, or {instead}."
        )
    path = Path(root).expanduser()
    if not path.exists():
        raise DataError(f"{data}: {wanted} wanted at {root}, nothing got there; check --root, or {instead}.")
    return path


@contextmanager
def opened(root: Path) -> Iterator[Files]:
    """The files of a folder or a zip archive, but those that are hidden; links are not followed out of an archive."""
    if root.is_dir():
        yield in_folder(root)
    else:
        with archived(root) as archive:
            yield in_archive(root, archive)


def left_open(root: Path) -> Files:
    """The same for pictures that are read when they are asked for: an archive stays open as long as anybody has its files."""
    return in_folder(root) if root.is_dir() else in_archive(root, archived(root))


def in_folder(root: Path) -> Files:
    """The files of a folder."""
    found = (path for path in root.rglob("*") if path.is_file())
    return Files(root, visible(path.relative_to(root).as_posix() for path in found), lambda name: read_whole(root / name))


def in_archive(root: Path, archive: zipfile.ZipFile) -> Files:
    """The members of an open archive."""
    names = visible(member.filename for member in archive.infolist() if not member.is_dir())
    return Files(root, names, lambda name: read_member(archive, name))


def archived(root: Path) -> zipfile.ZipFile:
    """A zip archive, opened; `DataError` where it is none."""
    try:
        return zipfile.ZipFile(root)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{root}: a folder or a zip archive wanted, neither got ({error}).") from error


def visible(names: Iterator[str]) -> tuple[str, ...]:
    """Sorted, without what a file manager leaves behind: `.DS_Store`, `__MACOSX/...`."""
    return tuple(sorted(name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))))


def read_whole(path: Path) -> bytes:
    """A file's bytes."""
    try:
        if path.stat().st_size > MEMBER_BYTES:
            raise DataError(f"{path}: at most {MEMBER_BYTES:,} bytes wanted, {path.stat().st_size:,} got; remove it.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: a file to read wanted, none got ({error.strerror}).") from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member's bytes."""
    size = archive.getinfo(name).file_size
    if size > MEMBER_BYTES:
        raise DataError(f"{archive.filename}: at most {MEMBER_BYTES:,} bytes wanted at {name}, {size:,} got; remove it.")
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError(
            f"{archive.filename}: {name} wanted whole, a damaged or locked one got ({error}); get the archive again."
        ) from error
