"""Leave to run code that a configuration names, given by the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from crossattack.leave import Leave
from crossattack.registry import TARGETS

KEY = "target.allow_code"


def leave(tree: Mapping[str, Any], changes: Sequence[tuple[str, Any]]) -> list[tuple[str, Leave]]:
    """Leave for code that was typed on the command line: who runs it is who named it. None for what a file names.

    tree: what the file says. changes: what was typed, by dotted key.
    """
    section = tree.get("target")
    kept = section if isinstance(section, Mapping) else {"name": section}
    typed = dict(changes)
    name = typed.get("target.name") or typed.get("target") or kept.get("name")
    code: Sequence[str] = getattr(TARGETS.load(str(name)), "code", ()) if name in TARGETS.names() else ()
    named = any(f"target.{key}" in typed for key in code)
    from_file = any(kept.get(key) and f"target.{key}" not in typed for key in code)
    return [(KEY, Leave())] if named and not from_file and KEY not in typed else []
