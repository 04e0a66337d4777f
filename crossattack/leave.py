"""Leave to run code that a configuration names."""

from typing import Any, final

from crossattack.errors import ConfigError


@final
class Leave:
    """Leave to run code. It is an object, so that no file can hold it: the command line has it, or Python."""

    def __repr__(self) -> str:
        return "Leave()"


def refuse_other(name: str, given: Any) -> None:
    """`ConfigError` where something else says that it is leave: a file that would give itself leave."""
    if given is not None and not isinstance(given, Leave):
        raise ConfigError(f"`allow_code` of {name}: leave given on the command line wanted, {given!r:.40} got; say `--allow-code` there.")
