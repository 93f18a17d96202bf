"""Linear interpolation of nodal values at any points of a mesh."""

import itertools

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
    is outside of the mesh by no more than `tolerance` times the largest coordinate takes the value at the nearest point of
    the mesh. The default is what the rounding of float32 coordinates needs; a curved boundary is further from its mesh.

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
    cells = _holding(simplices, points, _ROUNDING * scale)
    weights = _coordinates(simplices, points, cells)
    rest = np.flatnonzero(cells < 0)
    lost = []
    for start in range(0, len(rest), _SLICE):
        some = rest[start : start + _SLICE]
        cells[some], weights[some] = _nearest(simplices, points[some], tolerance * scale)
        lost.append(some[cells[some] < 0])
    outside = np.concatenate([rest[:0], *lost])
    if outside.size:
        i = int(outside[0])
        raise JnoValueError(
            f"Point {i} at {points[i]} lies outside of the mesh ({outside.size} of {len(points)} points do), whose nodes lie "
            f"between {np.min(mesh.points, axis=0)} and {np.max(mesh.points, axis=0)}."
        )
    # At nodes and on sides, what should be 0 is rounding.
    weights = np.where(weights > _ROUNDING, weights, 0.0)
    return simplices.cells[cells], weights / np.sum(weights, axis=1, keepdims=True)


def _holding(simplices: Simplices, points: Float[np.ndarray, "m d"], rounding: float) -> Int[np.ndarray, " m"]:
    """For each point the cell that holds it, or -1 if none of the cells with the nearest centroids does."""
    cells = np.full(len(points), -1)
    centroids = simplices.centroids()
    tree = KDTree(centroids)
    for start in range(0, len(points), _SLICE):
        which = np.arange(start, min(start + _SLICE, len(points)))
        _, nearest = tree.query(points[which], k=min(_TRIALS, len(centroids)))
        for candidates in np.asarray(nearest).reshape(len(which), -1).T:
            searched = which[cells[which] < 0]
            candidates = candidates[searched - start]
            holds = _outside(simplices, points[searched], candidates) <= rounding
            cells[searched[holds]] = candidates[holds]
    return cells


def _nearest(
    simplices: Simplices, points: Float[np.ndarray, "r d"], tolerance: float
) -> tuple[Int[np.ndarray, " r"], Float[np.ndarray, "r k"]]:
    """For each point the nearest of all cells and the barycentric coordinates of the nearest point of it; -1 if too far."""
    centroids = simplices.centroids()
    radii = np.max(np.linalg.norm(simplices.points[simplices.cells] - centroids[:, None], axis=2), axis=1)
    cells, weights = np.full(len(points), -1), np.zeros((len(points), simplices.cells.shape[1]))
    least = np.full(len(points), tolerance)
    tree = KDTree(points)
    # A cell is near a point only if its centroid is within its radius; cells of like radius are searched together.
    classes = np.frexp(radii)[1]
    for size in np.unique(classes):
        members = np.flatnonzero(classes == size)
        reach = np.max(radii[members]) + tolerance
        pairs = tree.sparse_distance_matrix(KDTree(centroids[members]), reach, output_type="ndarray")
        which, candidates = pairs["i"], members[pairs["j"]]
        near = _outside(simplices, points[which], candidates) <= tolerance
        which, candidates = which[near], candidates[near]
        distances, projected = _projected(simplices.points[simplices.cells[candidates]], points[which])
        # The best of each point comes last, and the last of several assignments stays.
        order = np.argsort(-distances, kind="stable")
        order = order[distances[order] <= least[which[order]]]
        which = which[order]
        cells[which], weights[which], least[which] = candidates[order], projected[order], distances[order]
    return cells, weights


def _projected(
    corners: Float[np.ndarray, "t k d"], points: Float[np.ndarray, "t d"]
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, "t k"]]:
    """Distances from points to simplices, and the barycentric coordinates of the nearest points of these.

    The nearest point is the foot of the perpendicular on one of the simplex's faces: its corners, edges, ..., itself.
    """
    t, k, _ = corners.shape
    least, weights = np.full(t, np.inf), np.zeros((t, k))
    for count in range(1, k + 1):
        for face in itertools.combinations(range(k), count):
            origin = corners[:, face[0]]
            edges = corners[:, face[1:]] - origin[:, None]
            # Flat faces have no inverse; whatever it gives, the foot is a point of the simplex and its distance right.
            inverse = np.linalg.pinv(edges)
            local = np.einsum("td,tde->te", points - origin, inverse)
            shares = np.concatenate([1 - np.sum(local, axis=1, keepdims=True), local], axis=1)
            distances = np.linalg.norm(points - np.einsum("tf,tfd->td", shares, corners[:, face]), axis=1)
            better = np.all(shares >= 0, axis=1) & (distances < least)
            least[better] = distances[better]
            weights[better] = 0.0
            weights[np.ix_(better, face)] = shares[better]
    return least, weights


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
    """How far each point is beyond the farthest of the sides of a cell; at most 0 within."""
    gradients = simplices.gradients[cells]
    # A barycentric coordinate is the distance from the side opposite to the corner, times the length of its gradient.
    steepness = np.sqrt(np.einsum("tkd,tkd->tk", gradients, gradients))
    return np.max(-_coordinates(simplices, points, cells) / steepness, axis=1)
