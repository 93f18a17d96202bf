"""Random terms for expressions: drawn anew in every training step, zero in `eval` without a key."""

from typing import Any

from jno_core._graph import Noise
from jno_core.errors import JnoTypeError


def gaussian(std: float = 1.0, ndim: int = 1) -> Noise:
    """Normal noise `(N, ndim)` of mean zero and the given standard deviation."""
    return Noise("gaussian", 0.0, _number("gaussian(std)", std), ndim)


def uniform(low: float = -1.0, high: float = 1.0, ndim: int = 1) -> Noise:
    """Noise `(N, ndim)` uniform between `low` and `high`."""
    return Noise("uniform", _number("uniform(low, high)", low), _number("uniform(low, high)", high), ndim)


def laplace(std: float = 1.0, ndim: int = 1) -> Noise:
    """Laplace noise `(N, ndim)` of mean zero and the given standard deviation."""
    return Noise("laplace", 0.0, _number("laplace(std)", std), ndim)


def _number(call: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise JnoTypeError(
            f"jno.noise.{call} takes numbers, got {value!r}. For a strength that varies, multiply: k * jno.noise.gaussian()."
        ) from None
