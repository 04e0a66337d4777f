"""Types of hyper-parameters that several attacks declare."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _number(value: Any) -> Any:
    """ "8/255" -> 0.0314; anything else is left to pydantic."""
    if isinstance(value, str) and "/" in value:
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            return value
    return value


Eps = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]  # a radius in pixels of [0, 1]
Steps = Annotated[int, Field(ge=0, le=100_000)]
