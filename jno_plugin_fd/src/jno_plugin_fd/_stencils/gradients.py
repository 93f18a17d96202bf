"""Gradients at nodes as means of the gradients in the simplices around them."""

from typing import Literal, TypeAlias, get_args

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_fd._stencils.simplices import Simplices, simplices_of
from jno_plugin_fd._stencils.stencil import Stencil, stencil_on

GradientRule: TypeAlias = Literal["area_weighted", "uniform", "inverse_distance", "lsq"]

# A least-squares matrix whose least eigenvalue, relative to its trace, is below this does not determine the gradient.
_DEGENERATE = 1e-10


def gradient_stencil(mesh: Mesh, rule: GradientRule) -> Stencil:
    """The gradient at the nodes of a mesh; see `gradient_stencil_of`."""
    return gradient_stencil_of(mesh.points, mesh.cells, rule)


def gradient_stencil_of(points: ArrayLike, cells: ArrayLike, rule: GradientRule) -> Stencil:
    """The gradient at each node, one result for each axis, from the simplices that touch the node.

    `points` is `(n, d)` with `d` at most 3, `cells` `(m, d + 1)` in any orientation. Flat simplices are skipped, and
    nodes without a solid one have zero rows. Rules:

    - `"area_weighted"`, `"uniform"`, `"inverse_distance"`: the mean of the gradients of the linear interpolant, weighted
      by the measures of the simplices, equally, or by the reciprocal distances from the node to their centroids.
    - `"lsq"`: the gradient that fits the differences between the means over the simplices and the node's value best,
      weighted by measures. Where the centroids do not determine it, and in 1-D, it is the area-weighted mean.

    All are exact for affine functions. They are of second order at interior nodes of uniform meshes, and of first order
    at the boundary and on irregular meshes.
    """
    if rule not in get_args(GradientRule):
        raise JnoValueError(f"The gradient has no rule {rule!r}; it has {', '.join(get_args(GradientRule))}.")
    simplices = simplices_of(points, cells)
    pattern = simplices.one_ring()
    d = simplices.points.shape[1]
    if rule != "lsq" or d == 1:
        return stencil_on(pattern, _mean_gradients(simplices, _mean_weights(simplices, rule)))
    means = stencil_on(pattern, _mean_gradients(simplices, _mean_weights(simplices, "area_weighted")))
    determined, matrices = _fitted_gradients(simplices)
    fits = stencil_on(pattern, matrices)
    return Stencil(means.neighbours, np.where(determined[:, None], fits.weights, means.weights))


def _mean_weights(simplices: Simplices, rule: GradientRule) -> Float[np.ndarray, "m k"]:
    if rule == "uniform":
        weights = np.ones(1)
    elif rule == "inverse_distance":
        weights = sum(r**2 for r in _to_centroids(simplices)) ** -0.5
    else:
        weights = simplices.measures[:, None]
    return np.broadcast_to(weights, simplices.cells.shape)


def _mean_gradients(simplices: Simplices, weights: Float[np.ndarray, "m k"]) -> list[sparse.csr_array]:
    totals = simplices.sums(weights)
    mean = simplices.to_nodes(weights / np.where(totals > 0, totals, 1.0)[simplices.cells])
    return [mean @ simplices.of_nodes(gradient) for gradient in np.moveaxis(simplices.gradients, 2, 0)]


def _fitted_gradients(simplices: Simplices) -> tuple[Bool[np.ndarray, " n"], list[sparse.csr_array]]:
    """Which nodes determine a least-squares gradient, and its matrices there (zero rows elsewhere)."""
    n, d = simplices.points.shape
    arms = _to_centroids(simplices)
    normal = np.empty((n, d, d))
    for a in range(d):
        for b in range(a, d):
            normal[:, a, b] = normal[:, b, a] = simplices.sums(simplices.measures[:, None] * arms[a] * arms[b])
    spectrum = np.linalg.eigvalsh(normal)
    determined = spectrum[:, 0] > _DEGENERATE * np.sum(spectrum, axis=1)
    normal[~determined] = np.eye(d)
    inverse = np.where(determined[:, None, None], np.linalg.inv(normal), 0.0)
    to_means = simplices.of_nodes(np.full(simplices.cells.shape, 1 / (d + 1)))
    matrices = []
    for row in np.moveaxis(inverse, 1, 0):
        weights = simplices.measures[:, None] * sum(row[simplices.cells, a] * arms[a] for a in range(d))
        own = sparse.diags_array(simplices.sums(weights))
        matrices.append(sparse.csr_array(simplices.to_nodes(weights) @ to_means - own))
    return determined, matrices


def _to_centroids(simplices: Simplices) -> list[Float[np.ndarray, "m k"]]:
    """For each axis the way from each corner to the centroid of its simplex."""
    return [c[:, None] - x[simplices.cells] for c, x in zip(simplices.centroids().T, simplices.points.T, strict=True)]
