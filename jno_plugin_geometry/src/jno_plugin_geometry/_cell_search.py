"""Which points lie in the cells of a mesh."""

from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core import Mesh

_TOLERANCE = 1e-9
# Pairs of a point and a cell that are tested at once.
_MOST_PAIRS = 1_000_000


@final
class CellSearch:
    """Cells by the boxes of a regular grid that they reach into, so that each point is tested against few cells."""

    def __init__(self, mesh: Mesh) -> None:
        d = mesh.dimension
        corners = mesh.points[mesh.cells]
        self._low = np.min(mesh.points, axis=0)
        extent = np.ptp(mesh.points, axis=0)
        self._reach = _TOLERANCE * float(np.max(extent))
        # About one box for each cell.
        self._width = max(float(np.prod(extent) / len(mesh.cells)) ** (1 / d), float(np.max(extent)) / 1000)
        self._shape = np.floor((extent + self._reach) / self._width).astype(int) + 1
        first = self._box(np.min(corners, axis=1) - self._reach)
        counts = self._box(np.max(corners, axis=1) + self._reach) - first + 1
        cell, step = _expanded(np.prod(counts, axis=1))
        offset = np.empty((len(cell), d), int)
        for axis in range(d):
            offset[:, axis], step = step % counts[cell, axis], step // counts[cell, axis]
        box = self._index(first[cell] + offset)
        order = np.argsort(box, kind="stable")
        self._cells = cell[order]
        self._starts = np.searchsorted(box[order], np.arange(np.prod(self._shape) + 1))
        # Barycentric coordinates are linear; their gradients say how far from a side a point is.
        inverse = np.linalg.inv(corners[:, 1:] - corners[:, :1])
        gradients = np.concatenate([-np.sum(inverse, axis=2, keepdims=True), inverse], axis=2)
        lengths = np.linalg.norm(gradients, axis=1)
        self._normals = gradients / lengths[:, None, :]
        self._heights = 1 / lengths[:, 0]
        self._origins = corners[:, 0]

    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Whether each point lies in some cell, to a tolerance of 1e-9 of the size of the mesh."""
        found = np.zeros(len(points), bool)
        high = self._low + self._shape * self._width
        near = np.flatnonzero(np.all((points >= self._low - self._reach) & (points <= high), axis=1))
        box = self._index(self._box(points[near]))
        counts = self._starts[box + 1] - self._starts[box]
        for part in np.split(
            near, np.searchsorted(np.cumsum(counts), np.arange(_MOST_PAIRS, np.sum(counts), _MOST_PAIRS))
        ):
            box = self._index(self._box(points[part]))
            row, step = _expanded(self._starts[box + 1] - self._starts[box])
            cell = self._cells[self._starts[box[row]] + step]
            offset = points[part[row]] - self._origins[cell]
            # Distances from the sides, positive inside; the first side is the one opposite of the first corner.
            distances = np.einsum("pd,pdk->pk", offset, self._normals[cell])
            distances[:, 0] += self._heights[cell]
            found[part[row[np.all(distances >= -self._reach, axis=1)]]] = True
        return found

    def _box(self, points: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n d"]:
        return np.clip(np.floor((points - self._low) / self._width).astype(int), 0, self._shape - 1)

    def _index(self, box: Int[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        return np.asarray(np.ravel_multi_index(tuple(box.T), tuple(self._shape)))


def _expanded(counts: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Each row as often as its count says, and a running number within the row."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
