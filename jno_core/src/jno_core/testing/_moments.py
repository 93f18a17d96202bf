"""Measure, mean and second moment of simplices and of samples."""

import dataclasses
from typing import final

import numpy as np
from jaxtyping import Float


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Of a set: its total measure, and per unit of it the mean of `x` `(d,)` and of `x x^T` `(d, d)`."""

    total: float
    mean: Float[np.ndarray, " d"]
    second: Float[np.ndarray, "d d"]


def simplex_moments(corners: Float[np.ndarray, "m k d"], measures: Float[np.ndarray, " m"]) -> Moments:
    """The exact moments of simplices with `k` corners each.

    Over a simplex of the measure V, the integral of `x x^T` is `V / (k (k + 1)) (sum v v^T + (sum v) (sum v)^T)`.
    """
    k = corners.shape[1]
    sums = corners.sum(axis=1)
    squares = np.einsum("mki,mkj->mij", corners, corners) + np.einsum("mi,mj->mij", sums, sums)
    total = float(measures.sum())
    mean = measures @ sums / k / total
    second = np.einsum("m,mij->ij", measures, squares) / (k * (k + 1)) / total
    return Moments(total, mean, second)


def sample_deviation(samples: Float[np.ndarray, "n d"], moments: Moments) -> tuple[float, float]:
    """By how much samples that should be uniform miss the moments, and the larger of their standard errors."""
    n = len(samples)
    squares = np.einsum("ni,nj->nij", samples, samples)
    misses = [np.abs(samples.mean(axis=0) - moments.mean), np.abs(squares.mean(axis=0) - moments.second)]
    errors = [samples.std(axis=0), squares.std(axis=0)]
    return max(float(miss.max()) for miss in misses), max(float(e.max()) for e in errors) / n**0.5
