"""Checks of arguments: each returns the value in its plain Python type, or raises naming the argument."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from jno_core.errors import JnoTypeError, JnoValueError

_MOST_CELLS = 20_000_000


def checked_positive(name: str, value: Any) -> float:
    """A finite number above zero."""
    if not isinstance(value, int | float | np.integer | np.floating):
        raise JnoTypeError(f"{name} must be a positive number, got {value!r}.")
    if not (math.isfinite(value) and value > 0):
        raise JnoValueError(f"{name} must be positive and finite, got {value!r}.")
    return float(value)


def checked_count(name: str, value: Any, least: int) -> int:
    """A whole number that is at least `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise JnoTypeError(f"{name} must be a whole number, got {value!r}.")
    if value < least:
        raise JnoValueError(f"{name} must be at least {least}, got {value}.")
    return int(value)


def checked_pair(name: str, value: Any) -> tuple[float, float]:
    """Two finite numbers."""
    try:
        pair = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise JnoTypeError(f"{name} must be a pair of numbers, got {value!r}.") from error
    if pair.shape != (2,) or not np.all(np.isfinite(pair)):
        raise JnoValueError(f"{name} must be a pair of finite numbers, got {value!r}.")
    return float(pair[0]), float(pair[1])


def checked_size(name: str, value: Any) -> tuple[float, float]:
    """The width and height of a rectangle; one number for a square."""
    width, height = checked_pair(name, (value, value) if np.ndim(value) == 0 else value)
    return checked_positive(name, width), checked_positive(name, height)


def checked_finite(name: str, value: Any) -> float:
    """A finite number."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise JnoTypeError(f"{name} must be a number, got {value!r}.")
    if not math.isfinite(value):
        raise JnoValueError(f"{name} must be finite, got {value!r}.")
    return float(value)


def checked_vector(name: str, value: Any, dimension: int) -> Float[np.ndarray, " d"]:
    """`dimension` finite numbers."""
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise JnoTypeError(f"{name} must be {dimension} numbers, got {value!r}.") from error
    if vector.shape != (dimension,) or not np.all(np.isfinite(vector)):
        raise JnoValueError(f"{name} must be {dimension} finite numbers, got {value!r}.")
    return vector


def checked_range(name: str, value: Any) -> tuple[float, float]:
    """A pair `(lower, upper)` of finite numbers with `lower < upper`."""
    lower, upper = checked_pair(name, value)
    if not lower < upper:
        raise JnoValueError(f"{name} must be (lower, upper) with lower < upper, got {value!r}.")
    if not math.isfinite(upper - lower):
        raise JnoValueError(f"{name} is too wide for floating-point numbers, got {value!r}.")
    return lower, upper


def checked_cells(number: float, mesh_size: float) -> None:
    """Refuse a mesh that would exhaust the memory before it exists; `number` is an estimate of its cells."""
    if number > _MOST_CELLS:
        raise JnoValueError(
            f"mesh_size={mesh_size:g} would give about {number:.1g} cells, more than {_MOST_CELLS:.0g}. "
            "Use a larger mesh_size."
        )


def steps(length: float, mesh_size: float) -> int:
    """The number of segments of about `mesh_size` that fill `length`: `max(round(length / mesh_size), 1)`."""
    checked_cells(length / mesh_size, mesh_size)
    return max(round(length / mesh_size), 1)
