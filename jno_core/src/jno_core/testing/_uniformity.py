"""Whether samples are spread as a reference is: Pearson's test on cells."""

import numpy as np
from jaxtyping import Float, Int

_CELLS = 40
_SPARSE = 40
"""Cells with fewer points of the reference are taken together; the approximation by chi-square needs counts."""

_SIGMAS = 6.0


def cell_deviation(samples: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"]) -> tuple[float, float]:
    """The chi-square statistic of two sets of points on common cells, and what it exceeds once in 10^9 times.

    The bound is the normal quantile under Wilson and Hilferty's cube root (Proc. Natl. Acad. Sci. 17, 1931). Cells hold
    what is nearest to some points of the reference, so that on a curved boundary they hardly depend on whether points are
    on the curve or on a chord.
    """
    anchors = np.random.default_rng(13).choice(reference, min(_CELLS, len(reference)), replace=False)
    a, b = (np.bincount(_nearest(points, anchors), minlength=_CELLS).astype(float) for points in (samples, reference))
    sparse = b < _SPARSE
    a, b = (np.append(counts[~sparse], counts[sparse].sum()) for counts in (a, b))
    a, b = a[a + b > 0], b[a + b > 0]
    ratio = np.sqrt(len(reference) / len(samples))
    statistic = float(np.sum((ratio * a - b / ratio) ** 2 / (a + b)))
    spread = 2 / (9 * max(len(a) - 1, 1))
    return statistic, max(len(a) - 1, 1) * (1 - spread + _SIGMAS * spread**0.5) ** 3


def simplex_samples(
    corners: Float[np.ndarray, "m k d"], measures: Float[np.ndarray, " m"], n: int, rng: np.random.Generator
) -> Float[np.ndarray, "n d"]:
    """Uniform points of simplices with `k` corners each."""
    chosen = rng.choice(len(corners), n, p=measures / measures.sum())
    return np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(corners.shape[1]), n), corners[chosen])


def _nearest(points: Float[np.ndarray, "n d"], anchors: Float[np.ndarray, "k d"]) -> Int[np.ndarray, " n"]:
    """The first of the nearest anchors; distances that agree but for rounding are the same."""
    distances = np.sqrt(sum((points[:, None, i] - anchors[None, :, i]) ** 2 for i in range(points.shape[1])))
    # One point at the origin, the end of a line, has no scale.
    scale = float(np.abs(anchors).max()) or 1.0
    return np.argmin(np.round(distances / scale, 9), axis=1)
