"""The work of a cell: a function of its folder, known to workers by its dotted name.

It reads config.yaml and leaves results.json. What it raises is the reason why the cell came to nothing.
"""

import importlib
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from crossattack.config import RunConfig, load_config
from crossattack.errors import CrossattackError
from crossattack.one_run import carry_out
from crossattack.progress import Silent
from crossattack.sweep.grid import digest_of
from crossattack.sweep.outcome import results_of

Work: TypeAlias = Callable[[Path], object]
EXPERIMENT: Final = "crossattack.sweep.work:experiment"
WITH_CODE: Final = "crossattack.sweep.work:experiment_with_code"
PATIENCE: Final = 60.0  # seconds for a worker whose driver was killed to notice and leave the folder
LONGEST: Final = 300  # characters of a reason


def experiment(folder: Path) -> None:
    """The real one: the run that config.yaml describes, or the rest of it."""
    _experiment(load_config(folder / "config.yaml"), folder)


def experiment_with_code(folder: Path) -> None:
    """The same where the command line gave leave to run the code that a target names."""
    _experiment(load_config(folder / "config.yaml").with_leave(), folder)


def _experiment(config: RunConfig, folder: Path) -> None:
    if results_of(folder, digest_of(config.resolved())) is not None:
        return
    from crossattack.common import Common  # only now: with it comes torch
    from crossattack.given import Given

    given = Given(common=Common(folder.parent / "common"))
    carry_out(config, folder, Silent(), resumed=(folder / "log.jsonl").exists(), patience=PATIENCE, given=given)


def named(dotted: str) -> Work:
    """ "package.module:function"."""
    module, _, function = dotted.partition(":")
    work: Work = getattr(importlib.import_module(module), function)
    return work


def attempt(dotted: str, folder: Path) -> str | None:
    """Do the work. None, or the reason why it came to nothing; our own bugs leave their traceback on stderr."""
    try:
        named(dotted)(folder)
    except CrossattackError as error:
        return _one_line(str(error))
    except BaseException as error:
        with suppress(OSError):  # the disk may be what is wrong
            traceback.print_exc(file=sys.stderr)
        return _one_line(f"{type(error).__name__}: {error}")
    return None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
