"""Every exception that crossattack raises on purpose.

    CrossattackError
    ├── UsageError              what was asked for cannot be: exit code 2
    │   ├── UnknownName         no plugin of that name
    │   ├── ConfigError         a key or a value of a configuration
    │   └── MissingDependency   an optional package or program is not installed
    ├── BudgetRefused           the budget does not cover what was asked: exit code 3
    ├── LedgerError             the ledger cannot be opened, or is not the one that was expected
    ├── RecordError             the record of a sweep cannot be read or written
    ├── DataError               a data set cannot be fetched, read or split as asked
    │   └── PicturesMissing     its texts and labels are there, pictures are not
    ├── TargetError             a target refuses, or its file is damaged
    │   └── ItemRefused         it answers, but not to this item
    ├── TrainingFailed          a network's training came to nothing
    ├── OutputLost              stdout takes no more: exit code 1, or 141 where nobody reads it
    └── Interrupted             Ctrl-C, where there is something to go on with: exit code 130

A message says what was wanted, what was got and what to do, in one line; the command line prints it and nothing else.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CrossattackError(Exception):
    """The root of the tree."""

    exit_code = 1


class UsageError(CrossattackError):
    """What was asked for cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A key or a value of a configuration is not one that exists."""


class MissingDependency(UsageError):
    """An optional package or program is not installed; the message says which command gets it."""


class UnknownName(UsageError):
    """No plugin of that name; the message lists the choices and names the nearest."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind, self.name, self.choices = kind, name, tuple(choices)
        super().__init__(f"no {kind} is called {name!r}{nearest(name, self.choices)}; choose one of {', '.join(self.choices)}.")


class BudgetRefused(CrossattackError):
    """More queries were wanted than are left; nothing was sent and nothing was charged."""

    exit_code = 3

    def __init__(self, wanted: int, left: int, of: int, what: str = "`budget`") -> None:
        self.wanted, self.left, self.of = wanted, left, of
        super().__init__(f"{wanted} queries wanted, {left} of {of} left; nothing was sent. Ask for fewer or raise {what}.")


class LedgerError(CrossattackError):
    """The ledger cannot be opened, or is not the one that was expected."""


class RecordError(CrossattackError):
    """The record of a sweep cannot be read or written."""


class DataError(CrossattackError):
    """A data set cannot be fetched, read or split as asked."""


class PicturesMissing(DataError):
    """Texts and labels of a data set were read and its pictures are not there. pairs: all but the pictures, as `Pairs`."""

    def __init__(self, said: str, pairs: object) -> None:
        self.pairs = pairs
        super().__init__(said)


class TargetError(CrossattackError):
    """A target refuses, or its file is damaged."""


class ItemRefused(TargetError):
    """A target that answers will not answer this item; an attacked item is kept as it was, any other ends the run."""


class TrainingFailed(CrossattackError):
    """A network's training came to nothing; the message says which setting to change."""


class OutputLost(CrossattackError):
    """Stdout takes no more, so the result did not reach whoever asked. closed: nobody reads it any longer."""

    def __init__(self, reason: str, *, closed: bool) -> None:
        self.exit_code = 141 if closed else 1  # what a shell says of a program that was ended by SIGPIPE
        super().__init__(
            f"stdout: room for the result wanted, none got ({reason}); send it elsewhere. A finished run is kept in its folder."
        )


class Interrupted(CrossattackError):
    """Ctrl-C, said with how to go on."""

    exit_code = 130


def nearest(name: str, choices: Iterable[str]) -> str:
    """ " (did you mean 'aach'?)", or nothing when no choice is near."""
    close = get_close_matches(name, list(choices), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
