"""How well the cells of a mesh are shaped."""

import dataclasses
from typing import final

import numpy as np
from jaxtyping import Float

from jno_core._interfaces import Mesh

_BAD = 0.1


@final
@dataclasses.dataclass(frozen=True)
class Spread:
    """The least, the mean and the greatest of some numbers."""

    min: float
    mean: float
    max: float

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> "Spread":
        return cls(float(np.min(values)), float(np.mean(values)), float(np.max(values)))

    def __str__(self) -> str:
        return f"{self.min:.3g} to {self.max:.3g}, mean {self.mean:.3g}"


@final
@dataclasses.dataclass(frozen=True)
class MeshQuality:
    """The shapes of the cells of a mesh.

    - `radius_ratio`: of each cell `d` times the radius of the inscribed over that of the circumscribed sphere: 1 for regular
      triangles and tetrahedra and for all segments, 0 for flat cells. Below 0.1 a cell counts as bad.
    - `smallest_angle`, `largest_angle`: in degrees, between edges of triangles and faces of tetrahedra; `None` for segments.
    - `edge_lengths`: of all edges, each once.
    """

    nodes: int
    cells: int
    radius_ratio: Spread
    smallest_angle: float | None
    largest_angle: float | None
    edge_lengths: Spread
    bad_cells: int

    @classmethod
    def of(cls, mesh: Mesh) -> "MeshQuality":
        """The report for a mesh."""
        ratios, angles, lengths = radius_ratios(mesh), _angles(mesh), edge_lengths(mesh)
        return cls(
            len(mesh.points),
            len(mesh.cells),
            Spread.of(ratios),
            float(np.min(angles)) if angles.size else None,
            float(np.max(angles)) if angles.size else None,
            Spread.of(lengths),
            int(np.sum(ratios < _BAD)),
        )

    def __repr__(self) -> str:
        lines = [
            f"MeshQuality of {self.cells} cells and {self.nodes} nodes:",
            f"  radius ratio   {self.radius_ratio} (1 is best)",
        ]
        if self.smallest_angle is not None:
            lines.append(f"  angles         {self.smallest_angle:.1f} to {self.largest_angle:.1f} degrees")
        lines += [
            f"  edge lengths   {self.edge_lengths}",
            f"  bad cells      {self.bad_cells} with a radius ratio below {_BAD:g}",
        ]
        return "\n".join(lines)


def radius_ratios(mesh: Mesh) -> Float[np.ndarray, " m"]:
    """For each cell `d` times the radius of the inscribed over that of the circumscribed sphere, from 0 to 1."""
    if mesh.dimension == 1:
        return np.ones(len(mesh.cells))
    corners = mesh.points[mesh.cells]
    edges = corners[:, 1:] - corners[:, :1]
    # The centre of the circumscribed sphere is as far from the first corner as from each other one.
    center = np.linalg.solve(2 * edges, np.sum(edges**2, axis=2, keepdims=True))[..., 0]
    inscribed = 1 / np.sum(np.linalg.norm(_gradients(mesh), axis=2), axis=1)
    return mesh.dimension * inscribed / np.linalg.norm(center, axis=1)


def edge_lengths(mesh: Mesh) -> Float[np.ndarray, " e"]:
    """The lengths of all edges, each once."""
    first, second = np.triu_indices(mesh.dimension + 1, 1)
    edges = np.stack([mesh.cells[:, first], mesh.cells[:, second]], axis=-1).reshape(-1, 2)
    start, end = np.unique(np.sort(edges, axis=1), axis=0).T
    return np.linalg.norm(mesh.points[end] - mesh.points[start], axis=1)


def _angles(mesh: Mesh) -> Float[np.ndarray, "m a"]:
    """Between each two sides of each cell, in degrees."""
    if mesh.dimension == 1:
        return np.zeros((0, 0))
    gradients = _gradients(mesh)
    normals = gradients / np.linalg.norm(gradients, axis=2, keepdims=True)
    first, second = np.triu_indices(mesh.dimension + 1, 1)
    # Both normals point inwards.
    cosines = -np.sum(normals[:, first] * normals[:, second], axis=2)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def _gradients(mesh: Mesh) -> Float[np.ndarray, "m k d"]:
    """Those of the barycentric coordinates: normal to the sides, and as long as one over the height above them."""
    corners = mesh.points[mesh.cells]
    inverse = np.swapaxes(np.linalg.inv(corners[:, 1:] - corners[:, :1]), 1, 2)
    return np.concatenate([-np.sum(inverse, axis=1, keepdims=True), inverse], axis=1)
