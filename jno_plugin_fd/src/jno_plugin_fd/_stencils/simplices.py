"""Simplices with the derivatives of their barycentric coordinates."""

import dataclasses
import math
from typing import final

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from jno_core.errors import JnoValueError

# Simplices whose measure, relative to that of a cube over their longest edge, is below this carry no information.
_FLAT = 1e-12


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Simplices:
    """Segments, triangles or tetrahedra that are not flat.

    - `measures`: their absolute measures, `(m,)`.
    - `gradients`: of the barycentric coordinate of each corner, `(m, d + 1, d)`. They follow the signed measure, so that
      the orientation does not matter.
    """

    points: Float[np.ndarray, "n d"]
    cells: Int[np.ndarray, "m k"]
    measures: Float[np.ndarray, " m"]
    gradients: Float[np.ndarray, "m k d"]

    def covered(self) -> Bool[np.ndarray, " n"]:
        """The nodes that belong to a simplex."""
        covered = np.zeros(len(self.points), dtype=bool)
        covered[self.cells] = True
        return covered

    def centroids(self) -> Float[np.ndarray, "m d"]:
        """The means of the corners."""
        return np.mean(self.points[self.cells], axis=1)

    def sums(self, weights: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " n"]:
        """For each node the sum of the weights of its corners."""
        return np.bincount(self.cells.ravel(), weights.ravel(), minlength=len(self.points))

    def of_nodes(self, weights: Float[np.ndarray, "m k"]) -> sparse.csr_array:
        """The matrix `(m, n)` that takes nodal values to sums over the corners of each simplex."""
        m, k = self.cells.shape
        ends = np.arange(0, m * k + 1, k)
        return sparse.csr_array((weights.ravel(), self.cells.ravel(), ends), shape=(m, len(self.points)))

    def to_nodes(self, weights: Float[np.ndarray, "m k"]) -> sparse.csr_array:
        """The matrix `(n, m)` that takes values of simplices to sums over the simplices at each node."""
        return sparse.csr_array(self.of_nodes(weights).T)

    def one_ring(self) -> sparse.csr_array:
        """The pattern of nodes that share a simplex, `(n, n)`, each with itself."""
        ones = np.ones(self.cells.shape)
        return sparse.csr_array(self.to_nodes(ones) @ self.of_nodes(ones) + sparse.eye_array(len(self.points)))

    def boundary_nodes(self) -> Bool[np.ndarray, " n"]:
        """The nodes of sides that belong to one simplex only."""
        on_boundary = np.zeros(len(self.points), dtype=bool)
        on_boundary[_lone_sides(self.cells)] = True
        return on_boundary


def simplices_of(points: ArrayLike, cells: ArrayLike) -> Simplices:
    """The simplices, of any orientation, with nodes `(n, d)`, `d` at most 3, and cells `(m, d + 1)`, without flat ones."""
    points = np.asarray(points, dtype=np.float64)
    cells = np.asarray(cells)
    if points.ndim != 2 or points.shape[1] not in (1, 2, 3):
        raise JnoValueError(f"Points must have shape (n, 1), (n, 2) or (n, 3), got {points.shape}.")
    n, d = points.shape
    if not np.all(np.isfinite(points)):
        node = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise JnoValueError(f"Node {node} is not finite: {points[node]}.")
    if cells.ndim != 2 or cells.shape[1] != d + 1:
        raise JnoValueError(f"Simplices in {d}-D need shape (m, {d + 1}), got {cells.shape}.")
    if cells.size and not 0 <= np.min(cells) <= np.max(cells) < n:
        raise JnoValueError(f"Simplices name nodes from {np.min(cells)} to {np.max(cells)}; there are 0 to {n - 1}.")
    cells = cells.astype(np.int32)
    determinants, cofactors = _determinants(points[cells])
    solid = np.abs(determinants) > _FLAT * _longest_edges(points[cells]) ** d
    if not np.all(solid):
        cells, determinants, cofactors = cells[solid], determinants[solid], cofactors[solid]
    others = cofactors / determinants[:, None, None]
    gradients = np.concatenate([-np.sum(others, axis=1, keepdims=True), others], axis=1)
    return Simplices(points, cells, np.abs(determinants) / math.factorial(d), gradients)


def _determinants(
    corners: Float[np.ndarray, "m k d"],
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "m d d"]]:
    """Determinants of the edges from corner 0, and the cofactors of these edges: inverse times determinant."""
    edges = corners[:, 1:] - corners[:, :1]
    if edges.shape[1] == 1:
        cofactors = np.ones_like(edges)
    elif edges.shape[1] == 2:
        cofactors = edges[:, ::-1, ::-1] * np.array([[1, -1], [-1, 1]])
    else:
        cofactors = np.stack([np.cross(edges[:, i - 2], edges[:, i - 1]) for i in range(3)], axis=1)
    return np.sum(edges[:, 0] * cofactors[:, 0], axis=1), cofactors


def _longest_edges(corners: Float[np.ndarray, "m k d"]) -> Float[np.ndarray, " m"]:
    i, j = np.triu_indices(corners.shape[1], 1)
    squares = [np.sum((corners[:, a] - corners[:, b]) ** 2, axis=1) for a, b in zip(i, j, strict=True)]
    return np.sqrt(np.max(squares, axis=0))


def _lone_sides(cells: Int[np.ndarray, "m k"]) -> Int[np.ndarray, "f d"]:
    ordered = np.sort(cells, axis=1)
    sides = np.concatenate([np.delete(ordered, i, axis=1) for i in range(cells.shape[1])])
    # Sorting columns one by one is much faster than `np.unique` of whole rows.
    sides = sides[np.lexsort(sides.T)]
    same = np.all(sides[1:] == sides[:-1], axis=1)
    lone = ~np.concatenate([[False], same]) & ~np.concatenate([same, [False]])
    return sides[lone]
