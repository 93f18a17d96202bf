"""A simplicial mesh: what geometries make and what mesh-based schemes read."""

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core.errors import JnoValueError

# Cells whose measure is less than this share of the largest one are flat but for rounding.
_FLAT = 1e-12


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh of segments, triangles or tetrahedra in host memory (float64, read-only).

    - `points`: node coordinates, `(n, d)`.
    - `cells`: simplices as node indices, `(m, d + 1)`, positively oriented (segments left to right, triangles
      counter-clockwise, tetrahedra with positive determinant).
    - `facets`: for each boundary tag its facets as node indices, `(f, d)`: end points in 1-D, edges in 2-D, triangles
      in 3-D. `"boundary"` holds all of them.
    - `regions`: for each sub-region tag the indices of its cells. `"interior"` need not be listed: it is all cells.

    Raises `JnoValueError` when shapes do not fit together, an index is out of range or a cell is not positive.
    """

    points: Float[np.ndarray, "n d"]
    cells: Int[np.ndarray, "m k"]
    facets: Mapping[str, Int[np.ndarray, "f d"]]
    regions: Mapping[str, Int[np.ndarray, " r"]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _frozen(self.points, np.float64))
        object.__setattr__(self, "cells", _frozen(self.cells, np.int64))
        object.__setattr__(self, "facets", {k: _frozen(v, np.int64) for k, v in self.facets.items()})
        object.__setattr__(self, "regions", {k: _frozen(v, np.int64) for k, v in self.regions.items()})
        if self.points.ndim != 2 or self.points.shape[1] not in (1, 2, 3):
            raise JnoValueError(f"Mesh points must have shape (n, 1), (n, 2) or (n, 3), got {self.points.shape}.")
        n, d = self.points.shape
        if self.cells.ndim != 2 or self.cells.shape[1] != d + 1 or len(self.cells) == 0:
            raise JnoValueError(f"A mesh in {d}-D needs cells of shape (m, {d + 1}), m > 0, got {self.cells.shape}.")
        if not np.all(np.isfinite(self.points)):
            node = np.argwhere(~np.isfinite(self.points))[0, 0]
            raise JnoValueError(f"Mesh node {node} is not finite: {self.points[node]}.")
        for name, index in (("cells", self.cells), *self.facets.items()):
            _check_indices(f"Mesh {name!r} names node", index, n)
        for name, index in self.regions.items():
            _check_indices(f"Region {name!r} names cell", index, len(self.cells))
        for name, facets in self.facets.items():
            if facets.ndim != 2 or facets.shape[1] != d:
                raise JnoValueError(f"Facets {name!r} must have shape (f, {d}) in {d}-D, got {facets.shape}.")
        if "boundary" not in self.facets:
            raise JnoValueError(f"A mesh needs the boundary tag 'boundary'; got {sorted(self.facets)}.")
        measures = self.cell_measures()
        if np.any(measures <= 0):
            cell = int(np.argmin(measures))
            raise JnoValueError(f"Mesh cell {cell} has the measure {measures[cell]:.3g}; cells must be positive.")

    @classmethod
    def from_cells(cls, points: Float[np.ndarray, "n d"], cells: Int[np.ndarray, "m k"]) -> "Mesh":
        """The mesh of some cells in any orientation, with its boundary: the sides that belong to one cell only.

        Cells of no measure are left out.
        """
        points, cells = np.asarray(points, np.float64), np.asarray(cells, np.int64)
        if cells.ndim != 2 or points.ndim != 2 or cells.shape[1] != points.shape[1] + 1:
            raise JnoValueError(
                f"A mesh of points {points.shape} cannot have cells {cells.shape}; it needs (m, d + 1)."
            )
        _check_indices("A cell names node", cells, len(points))
        corners = points[cells]
        measures = np.linalg.det(corners[:, 1:] - corners[:, :1])
        solid = np.abs(measures) > _FLAT * np.max(np.abs(measures), initial=0.0)
        cells = np.where(measures[:, None] < 0, cells[:, [1, 0, *range(2, cells.shape[1])]], cells)[solid]
        sides = np.concatenate([np.delete(cells, i, axis=1) for i in range(cells.shape[1])])
        _, first, counts = np.unique(np.sort(sides, axis=1), axis=0, return_index=True, return_counts=True)
        return cls(points, cells, {"boundary": sides[first[counts == 1]]})

    @property
    def dimension(self) -> int:
        """The number of space coordinates."""
        return self.points.shape[1]

    def cell_measures(self) -> Float[np.ndarray, " m"]:
        """Signed lengths, areas or volumes of the cells."""
        corners = self.points[self.cells]
        edges = corners[:, 1:] - corners[:, :1]
        if self.dimension == 1:
            return edges[:, 0, 0]
        if self.dimension == 2:
            return _cross_2d(edges[:, 0], edges[:, 1]) / 2
        return np.sum(np.cross(edges[:, 0], edges[:, 1]) * edges[:, 2], axis=1) / 6

    def cells_of(self, tag: str) -> Int[np.ndarray, " r"]:
        """The indices of the cells of `"interior"` (all, unless it is listed) or of a sub-region."""
        if tag in self.regions:
            return self.regions[tag]
        if tag == "interior":
            return np.arange(len(self.cells))
        raise JnoValueError(
            f"The mesh has no cells {tag!r}; it has {list(dict.fromkeys(['interior', *self.regions]))}."
        )

    def node_measures(self, tag: str) -> Float[np.ndarray, " n"]:
        """Of each node its share in the measure of `cells_of(tag)`: of each cell an equal part goes to each corner."""
        chosen = self.cells_of(tag)
        shares = np.zeros(len(self.points))
        np.add.at(shares, self.cells[chosen], self.cell_measures()[chosen, None] / self.cells.shape[1])
        return shares

    def nodes(self, tag: str) -> Int[np.ndarray, " k"]:
        """The sorted nodes of a tag: of all cells for `"interior"`, of its facets or cells otherwise."""
        if tag in self.facets:
            return np.unique(self.facets[tag])
        if tag == "interior" or tag in self.regions:
            return np.unique(self.cells[self.cells_of(tag)])
        raise JnoValueError(f"The mesh has no tag {tag!r}; it has {['interior', *self.facets, *self.regions]}.")

    def _facets_of(self, tag: str) -> Int[np.ndarray, "f d"]:
        if tag not in self.facets:
            raise JnoValueError(f"The mesh has no boundary tag {tag!r}; it has {list(self.facets)}.")
        return self.facets[tag]

    def facet_measures(self, tag: str) -> Float[np.ndarray, " f"]:
        """Lengths or areas of a tag's facets; 1 for an end point of a segment mesh."""
        corners = self.points[self._facets_of(tag)]
        if self.dimension == 1:
            return np.ones(len(corners))
        if self.dimension == 2:
            return np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
        return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2

    def facet_normals(self, tag: str) -> Float[np.ndarray, "f d"]:
        """Outward unit normals of a tag's facets, away from the cell behind each; exact on straight edges.

        Facets between two cells, which an interface has, keep the direction of their nodes: the normal is to the right of an
        edge, and the way of a right-handed screw that turns with the nodes of a triangle.
        """
        facets = self._facets_of(tag)
        corners = self.points[facets]
        opposite, between = self._opposite_nodes(facets)
        behind = self.points[opposite]
        if self.dimension == 1:
            normals = np.ones((len(facets), 1))
        elif self.dimension == 2:
            edge = corners[:, 1] - corners[:, 0]
            normals = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
        else:
            normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        outward = np.sum(normals * (corners[:, 0] - behind), axis=1, keepdims=True) > 0
        return np.where(outward | between[:, None], normals, -normals)

    def node_normals(self, tag: str) -> Float[np.ndarray, "k d"]:
        """Outward unit normals at `nodes(tag)`: the measure-weighted mean over the tag's own facets at the node.

        On a straight side they are the side's normal exactly, at its end points too, because facets of other tags do
        not enter. At a corner inside the tag they point along the bisector.
        """
        weighted = self.facet_normals(tag) * self.facet_measures(tag)[:, None]
        total = np.zeros_like(self.points)
        for corner in self.facets[tag].T:
            np.add.at(total, corner, weighted)
        normals = total[self.nodes(tag)]
        return normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def _opposite_nodes(self, facets: Int[np.ndarray, "f d"]) -> tuple[Int[np.ndarray, " f"], Bool[np.ndarray, " f"]]:
        """For each facet the node of a cell behind it that is not on it, and whether it lies between two cells."""
        on_tag = np.zeros(len(self.points), dtype=bool)
        on_tag[facets] = True
        sides, opposite = [], []
        for i in range(self.cells.shape[1]):
            # Only a side all of whose nodes are on the tag can be one of its facets; these are few.
            rest = np.delete(self.cells, i, axis=1)
            candidates = np.all(on_tag[rest], axis=1)
            sides.append(rest[candidates])
            opposite.append(self.cells[candidates, i])
        rows = np.sort(np.concatenate([*sides, facets]), axis=1)
        _, group = np.unique(rows, axis=0, return_inverse=True)
        of_sides, of_facets = np.split(group.ravel(), [len(rows) - len(facets)])
        node = np.full(len(rows), -1)
        node[of_sides] = np.concatenate(opposite)
        found = node[of_facets]
        if np.any(found < 0):
            facet = facets[np.argmin(found)]
            raise JnoValueError(f"The boundary facet with the nodes {facet.tolist()} is not the side of any cell.")
        return found, np.bincount(of_sides, minlength=len(rows))[of_facets] > 1


def _check_indices(what: str, index: Int[np.ndarray, "..."], n: int) -> None:
    wrong = index[(index < 0) | (index >= n)]
    if wrong.size:
        raise JnoValueError(f"{what} {wrong.flat[0]}, which is not one of 0 to {n - 1}.")


def _cross_2d(a: Float[np.ndarray, "m 2"], b: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, " m"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class MeshLocation:
    """The mesh under a point set, and the mesh node of each point (`None` when points are not nodes).

    Compared by identity.
    """

    mesh: Mesh
    nodes: Int[np.ndarray, " n"] | None


def _frozen(array, dtype) -> np.ndarray:
    copy = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy
