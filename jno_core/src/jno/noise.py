"""Random terms for expressions: drawn anew in every training step, zero in `eval` without a key."""

from jno_core._graph import Noise


def gaussian(std: float = 1.0, ndim: int = 1) -> Noise:
    """Normal noise `(N, ndim)` of mean zero and the given standard deviation."""
    return Noise("gaussian", 0.0, float(std), ndim)


def uniform(low: float = -1.0, high: float = 1.0, ndim: int = 1) -> Noise:
    """Noise `(N, ndim)` uniform between `low` and `high`."""
    return Noise("uniform", float(low), float(high), ndim)


def laplace(std: float = 1.0, ndim: int = 1) -> Noise:
    """Laplace noise `(N, ndim)` of mean zero and the given standard deviation."""
    return Noise("laplace", 0.0, float(std), ndim)
