"""Checks of the numbers that schedules are made with."""

import math
import numbers
from typing import Any

from jno_core.errors import JnoTypeError, JnoValueError


def checked_number(owner: str, name: str, value: Any, *, zero: bool = False) -> float:
    """A finite positive number, or zero where that is allowed, as a float.

    Raises `JnoTypeError` for something that is no number and `JnoValueError` for one outside of the range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise JnoTypeError(f"{owner} needs a number as `{name}`, got {value!r}.")
    number = float(value)
    if not (0 < number < math.inf or (zero and number == 0)):
        least = "at least zero" if zero else "positive"
        raise JnoValueError(f"{owner} needs a finite number as `{name}`, {least}; got {value!r}.")
    return number


def checked_count(owner: str, name: str, value: Any, least: int) -> int:
    """An integer of at least `least`.

    Raises `JnoTypeError` for something that is no integer and `JnoValueError` for a smaller one.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise JnoTypeError(f"{owner} needs an integer as `{name}`, got {value!r}.")
    if value < least:
        raise JnoValueError(f"{owner} needs `{name}` to be at least {least}, got {value!r}.")
    return int(value)
