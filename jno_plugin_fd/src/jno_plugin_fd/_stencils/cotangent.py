"""The Laplacian of the piecewise linear interpolant in the plane."""

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from jno_core.errors import JnoValueError
from jno_plugin_fd._stencils.polynomial import fitted
from jno_plugin_fd._stencils.simplices import Simplices, simplices_of
from jno_plugin_fd._stencils.stencil import Stencil, assembled, stencil_on

# Keeps needles from dominating a node.
_LARGEST = 10.0


def cotangent_stencil(points: ArrayLike, cells: ArrayLike) -> tuple[Stencil, Bool[np.ndarray, " n"]]:
    """The Laplacian at each node, one result, and the nodes at which it is the cotangent formula: the interior ones.

    `points` is `(n, 2)`, `cells` `(m, 3)` in any orientation; flat triangles count as holes. In each triangle the cotangent
    of the angle at a corner, clipped to [-10, 10], weighs the difference along the opposite edge; the sum at a node is
    divided by 2/3 of the area around it. On structured meshes of right triangles this is the five-point formula, of
    second order; on irregular ones it converges in the mean, not at each node.

    At a boundary node the formula is a flux through the boundary over an area, which grows as the mesh is refined. Boundary
    nodes have the weights of `polynomial_stencil`'s Laplacian instead. Nodes without a cell have zero rows.

    Raises `JnoValueError` for points that are not in the plane, and where a boundary node's surroundings do not determine
    second derivatives.

    Source: U. Pinkall and K. Polthier, Computing discrete minimal surfaces and their conjugates, Experimental Mathematics 2
    (1993) 15-36.
    """
    simplices = simplices_of(points, cells)
    n, d = simplices.points.shape
    if d != 2:
        raise JnoValueError(f"The cotangent formula exists in 2-D only, got points in {d}-D.")
    pattern = simplices.one_ring()
    areas = simplices.sums(np.broadcast_to(simplices.measures[:, None], simplices.cells.shape)) * (2 / 3)
    on_boundary = simplices.boundary_nodes()
    interior = simplices.covered() & ~on_boundary
    scale = sparse.diags_array(np.where(interior, 1 / np.where(interior, areas, 1.0), 0.0))
    inside = stencil_on(pattern, [sparse.csr_array(scale @ _differences(simplices))])
    nodes = np.flatnonzero(interior)
    pieces = [(nodes, Stencil(inside.neighbours[nodes], inside.weights[:, nodes]))]
    for nodes, rows in fitted(simplices.points, pattern, np.flatnonzero(on_boundary), 3):
        # After the first derivatives in x and y come those in xx, xy and yy.
        pieces.append((nodes, rows.combined(np.array([[0, 0, 1, 0, 1]]))))
    return assembled(n, pieces), interior


def _differences(simplices: Simplices) -> sparse.csr_array:
    """The sums of differences to the neighbours, weighted by the cotangents of the angles that see them."""
    n = len(simplices.points)
    corners = simplices.points[simplices.cells]
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        cotangents = _cotangents(corners[:, i] - corners[:, k], corners[:, j] - corners[:, k], simplices.measures)
        rows += [simplices.cells[:, i], simplices.cells[:, j]]
        columns += [simplices.cells[:, j], simplices.cells[:, i]]
        weights += [cotangents, cotangents]
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    to_others = sparse.csr_array(entries, shape=(n, n))
    return sparse.csr_array(to_others - sparse.diags_array(to_others.sum(axis=1)))


def _cotangents(
    first: Float[np.ndarray, "m 2"], second: Float[np.ndarray, "m 2"], areas: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    return np.clip(np.sum(first * second, axis=1) / (2 * areas), -_LARGEST, _LARGEST)
