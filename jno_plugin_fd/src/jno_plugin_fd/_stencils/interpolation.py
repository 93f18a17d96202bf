"""Linear interpolation of nodal values at any points of a mesh."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_fd._stencils.simplices import Simplices, simplices_of

# How far outside of a cell counts as rounding, relative to the largest coordinate.
_ROUNDING = 1e-12
# Cells tried at first, in the order of their centroids' distances; nearly always one of them is right.
_TRIALS = 8
# Points located at once.
_SLICE = 100_000


def interpolation(
    mesh: Mesh, points: ArrayLike, *, tolerance: float = 1e-6
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """The corners of the cell that holds each of the points `(m, d)`, and its barycentric coordinates there.

    `sum_k weights[i, k] * values[corners[i, k]]` is the piecewise linear interpolant of nodal values at point `i`: exact
    for affine functions, and exactly the nodal value at a node. The weights are not negative and add up to 1: a point that
    is outside of the mesh by no more than `tolerance` times the largest coordinate takes a value on the nearest cell's side.
    The default is what the rounding of float32 coordinates needs; a curved boundary is further from the sides of its mesh.

    Raises `JnoValueError` naming a point that is farther outside.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != mesh.dimension:
        raise JnoValueError(
            f"Points in a mesh in {mesh.dimension}-D need shape (m, {mesh.dimension}), got {points.shape}."
        )
    if not np.all(np.isfinite(points)):
        i = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise JnoValueError(f"Point {i} is not finite: {points[i]}.")
    simplices = simplices_of(mesh.points, mesh.cells)
    scale = float(np.max(np.abs(mesh.points)))
    cells, outside = _located(simplices, points, _ROUNDING * scale, tolerance * scale)
    lost = ~(outside <= tolerance * scale)
    if np.any(lost):
        i = int(np.argmax(lost))
        raise JnoValueError(
            f"Point {i} at {points[i]} lies outside of the mesh ({np.count_nonzero(lost)} of {len(points)} points do), whose "
            f"nodes lie between {np.min(mesh.points, axis=0)} and {np.max(mesh.points, axis=0)}."
        )
    weights = _coordinates(simplices, points, cells)
    # At nodes and on sides, what should be 0 is rounding.
    weights = np.where(weights > _ROUNDING, weights, 0.0)
    return simplices.cells[cells], weights / np.sum(weights, axis=1, keepdims=True)


def _located(
    simplices: Simplices, points: Float[np.ndarray, "m d"], rounding: float, tolerance: float
) -> tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """For each point the cell that holds it or is nearest, and how far outside of that cell it is."""
    cells, outside = np.zeros(len(points), dtype=np.int64), np.full(len(points), np.inf)
    for which, candidates in _trials(simplices, points, outside, rounding, tolerance):
        distances = _outside(simplices, points[which], candidates)
        # The best of each point comes last, and the last of several assignments stays.
        order = np.argsort(-distances, kind="stable")
        which, candidates, distances = which[order], candidates[order], distances[order]
        better = distances < outside[which]
        cells[which[better]], outside[which[better]] = candidates[better], distances[better]
    return cells, outside


def _trials(
    simplices: Simplices,
    points: Float[np.ndarray, "m d"],
    outside: Float[np.ndarray, " m"],
    rounding: float,
    tolerance: float,
) -> Iterator[tuple[Int[np.ndarray, " t"], Int[np.ndarray, " t"]]]:
    """Pairs of points and cells to try, for the points that `outside`, which the caller updates, tells to be in none."""
    centroids = simplices.centroids()
    tree = KDTree(centroids)
    for start in range(0, len(points), _SLICE):
        which = np.arange(start, min(start + _SLICE, len(points)))
        _, nearest = tree.query(points[which], k=min(_TRIALS, len(centroids)))
        for rank in np.asarray(nearest).reshape(len(which), -1).T:
            searched = outside[which] > rounding
            yield which[searched], rank[searched]
    # A cell can hold a point only within its radius; cells of like radius are searched together.
    radii = np.max(np.linalg.norm(simplices.points[simplices.cells] - centroids[:, None], axis=2), axis=1)
    classes = np.frexp(radii)[1]
    for size in np.unique(classes):
        members = np.flatnonzero(classes == size)
        tree = KDTree(centroids[members])
        reach = np.max(radii[members]) + tolerance
        which = np.flatnonzero(outside > rounding)
        for start in range(0, len(which), _SLICE):
            some = which[start : start + _SLICE]
            pairs = KDTree(points[some]).sparse_distance_matrix(tree, reach, output_type="ndarray")
            yield some[pairs["i"]], members[pairs["j"]]


def _coordinates(
    simplices: Simplices, points: Float[np.ndarray, "t d"], cells: Int[np.ndarray, " t"]
) -> Float[np.ndarray, "t k"]:
    """The barycentric coordinates of points in cells."""
    origin = simplices.points[simplices.cells[cells, 0]]
    coordinates = np.einsum("tkd,td->tk", simplices.gradients[cells], points - origin)
    coordinates[:, 0] += 1.0
    return coordinates


def _outside(
    simplices: Simplices, points: Float[np.ndarray, "t d"], cells: Int[np.ndarray, " t"]
) -> Float[np.ndarray, " t"]:
    """How far each point is beyond the farthest of the sides of a cell; at most 0 within; infinite for flat cells."""
    gradients = simplices.gradients[cells]
    # A barycentric coordinate is the distance from the side opposite to the corner, times the length of its gradient.
    steepness = np.sqrt(np.einsum("tkd,tkd->tk", gradients, gradients))
    solid = simplices.solid[cells]
    steepness[~solid] = 1.0
    beyond = np.max(-_coordinates(simplices, points, cells) / steepness, axis=1)
    return np.where(solid, beyond, np.inf)
