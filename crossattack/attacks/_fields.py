"""Types of hyper-parameters that several attacks declare."""

from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter

from crossattack.attacks._balls import Norm as Norm
from crossattack.errors import UnknownName, UsageError, nearest
from crossattack.registry import OBJECTIVES


def _number(value: Any) -> Any:
    """ "8/255" -> 0.0314; anything else is left to pydantic."""
    if isinstance(value, str) and "/" in value:
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _objective(value: Any) -> Any:
    """A name, or a table with a name and settings -> the objective; ValueError says what is wrong with it."""
    if not isinstance(value, str | Mapping):
        return value
    table = {"name": value} if isinstance(value, str) else dict(value)
    try:
        made = OBJECTIVES.load(str(table.get("name")))
        known = [each.name for each in fields(made)]
        if unknown := set(table) - set(known):
            raise UsageError(
                f"no such setting of {table['name']}: {min(unknown)!r}{nearest(min(unknown), known)}; known: {', '.join(known)}"
            )
        return TypeAdapter(made).validate_python(table)
    except (UnknownName, UsageError) as error:
        raise ValueError(str(error).rstrip(".")) from error


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number of pixels wanted")
    return value


AnObjective: TypeAlias = Annotated[Any, PlainValidator(_objective)]  # an Objective, by its name or as a table
Eps = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]  # a radius in pixels of [0, 1]
Radius = Annotated[float, BeforeValidator(_number), Field(ge=0)]  # the same where the norm may be L2, of a whole picture
Kernel = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]  # pixels
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0.25, le=4)]  # times a picture's own
Sizes = Annotated[tuple[Size, ...], Field(min_length=1, max_length=100)]
Cell = Annotated[int, Field(ge=1, le=1024)]  # pixels
Queries = Annotated[int, Field(ge=1, le=1_000_000)]  # on behalf of one attacked item
Hiding: TypeAlias = Literal["none", "mnd"]  # whether each pixel goes as far as the picture hides it; with linf
Steps = Annotated[int, Field(ge=0, le=100_000)]
