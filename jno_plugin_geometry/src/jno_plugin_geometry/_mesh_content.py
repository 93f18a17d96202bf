"""What a mesh file holds, and the mesh that it stands for."""

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._closed_surface import ClosedSurface

# Cells whose measure is less than this share of the largest one are flat but for rounding.
_FLAT = 1e-12
_RESERVED = ("initial",)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class MeshContent:
    """Nodes, cells as they stand in the file, and groups of cells (by index) and of their sides (by nodes)."""

    points: Float[np.ndarray, "n d"]
    cells: Int[np.ndarray, "m k"]
    facets: Mapping[str, Int[np.ndarray, "f k"]]
    regions: Mapping[str, Int[np.ndarray, " r"]]
    point_data: Mapping[str, np.ndarray]

    def surface(self) -> ClosedSurface | None:
        """The closed surface that triangles in space make, or `None` for other cells and a plane mesh."""
        if self.points.ndim != 2 or self.points.shape[1] != 3 or self.cells.ndim != 2 or self.cells.shape[1] != 3:
            return None
        _check_nodes("A cell", self.cells, self.points)
        plane = len(self.cells) == 0 or np.ptp(self.points[np.unique(self.cells), 2]) == 0
        return None if plane else ClosedSurface.checked(self.points, self.cells)

    def mesh(self) -> tuple[Mesh, dict[str, np.ndarray]]:
        """The mesh with the tag `boundary`, and the data of its nodes. Nodes keep their order; unused ones are left out.

        Raises `JnoValueError` when there are no cells, or what there is makes no mesh.
        """
        points = _flattened(self.points, self.cells)
        _check_nodes("A cell", self.cells, points)
        for name, facets in self.facets.items():
            _check_nodes(f"A side in {name!r}", facets, points)
        used, number = np.unique(self.cells, return_inverse=True)
        points, cells = points[used], number.reshape(self.cells.shape)
        cells, place = _positive(points, *_without_repetitions(cells))
        renumbered = np.full(len(self.points), -1)
        renumbered[used] = np.arange(len(used))
        whole = Mesh.from_cells(points, cells)
        facets = _boundary_parts(whole, {name: renumbered[rows] for name, rows in self.facets.items()})
        regions = {name: _kept(place[index]) for name, index in self.regions.items()}
        _check_names(facets, regions, len(cells))
        regions.pop("interior", None)
        data = {name: np.asarray(values)[used] for name, values in self.point_data.items()}
        return Mesh(points, cells, facets, regions), data


def _flattened(points: Float[np.ndarray, "n d"], cells: Int[np.ndarray, "m k"]) -> Float[np.ndarray, "n d"]:
    """The points with as many coordinates as the cells have dimensions."""
    if cells.ndim != 2 or len(cells) == 0:
        raise JnoValueError("it has no cells")
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or len(points) == 0:
        raise JnoValueError("it has no nodes")
    dimension = cells.shape[1] - 1
    if points.shape[1] < dimension:
        raise JnoValueError(f"its nodes have {points.shape[1]} coordinates, its cells {dimension} dimensions")
    _check_nodes("A cell", cells, points)
    rest = points[np.unique(cells), dimension:]
    if not np.all(rest == rest[:1]):
        what = {1: "segments, which do not lie on the x axis", 2: "triangles, which do not lie in the plane"}[dimension]
        raise JnoValueError(f"it has no cells but {what}: it is no mesh of a region; mesh its inside first")
    return points[:, :dimension]


def _check_nodes(what: str, nodes: Int[np.ndarray, "m k"], points: Float[np.ndarray, "n d"]) -> None:
    wrong = nodes[(nodes < 0) | (nodes >= len(points))]
    if wrong.size:
        raise JnoValueError(f"{what} names node {wrong.flat[0]}, which is not one of 0 to {len(points) - 1}")


def _without_repetitions(cells: Int[np.ndarray, "m k"]) -> tuple[Int[np.ndarray, "c k"], Int[np.ndarray, " m"]]:
    """The cells, each once where it stands first, and for each given cell its place among them.

    gmsh repeats a cell for every group that it belongs to.
    """
    _, first, group = np.unique(np.sort(cells, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return cells[first[order]], rank[group.ravel()]


def _positive(
    points: Float[np.ndarray, "n d"], cells: Int[np.ndarray, "m k"], place: Int[np.ndarray, " c"]
) -> tuple[Int[np.ndarray, "p k"], Int[np.ndarray, " c"]]:
    """The cells turned to be positive, without flat ones, and the places moved up; -1 for what is gone."""
    corners = points[cells]
    measures = np.linalg.det(corners[:, 1:] - corners[:, :1])
    solid = np.abs(measures) > _FLAT * np.max(np.abs(measures))
    turned = np.where(measures[:, None] < 0, cells[:, [1, 0, *range(2, cells.shape[1])]], cells)
    moved = np.where(solid, np.cumsum(solid) - 1, -1)
    return turned[solid], moved[place]


def _kept(index: Int[np.ndarray, " r"]) -> Int[np.ndarray, " r"]:
    """The indices without repetitions, in their order."""
    _, first = np.unique(index, return_index=True)
    index = index[np.sort(first)]
    return index[index >= 0]


def _boundary_parts(whole: Mesh, given: Mapping[str, Int[np.ndarray, "f k"]]) -> dict[str, Int[np.ndarray, "f k"]]:
    cells, k = whole.cells, whole.cells.shape[1]
    sides = _keys(np.concatenate([np.delete(cells, i, axis=1) for i in range(k)]), len(whole.points))
    parts = {}
    for name, facets in given.items():
        known = np.all(facets >= 0, axis=1) & np.isin(_keys(facets, len(whole.points)), sides)
        if not np.all(known):
            raise JnoValueError(
                f"the group {name!r} has {np.sum(~known)} facets that are no sides of the cells; the mesh must conform to them"
            )
        _, first = np.unique(np.sort(facets, axis=1), axis=0, return_index=True)
        parts[name] = facets[np.sort(first)]
    everything = whole.facets["boundary"]
    if "boundary" in parts and set(_keys(parts["boundary"], len(whole.points)).tolist()) != set(
        _keys(everything, len(whole.points)).tolist()
    ):
        raise JnoValueError(
            "its group 'boundary' is not the whole boundary, which this name stands for; rename the group"
        )
    return {"boundary": everything, **parts}


def _keys(facets: Int[np.ndarray, "f k"], n: int) -> np.ndarray:
    """One value for each set of nodes."""
    rows = np.ascontiguousarray(np.sort(facets, axis=1).astype(np.int64))
    # Up to two nodes fit into one integer; three are compared as bytes.
    if rows.shape[1] < 3:
        return rows[:, 0] if rows.shape[1] == 1 else rows[:, 0] * n + rows[:, 1]
    return rows.view([("", np.int64)] * 3).ravel()


def _check_names(facets: Mapping[str, np.ndarray], regions: Mapping[str, np.ndarray], cells: int) -> None:
    twice = (set(facets) & set(regions)) | ({"interior"} & set(facets)) | (set(_RESERVED) & {*facets, *regions})
    if twice:
        raise JnoValueError(
            f"its groups {sorted(twice)} name both a region and a part of the boundary, or mean something else here "
            f"({', '.join(('interior', *_RESERVED))}); rename them"
        )
    empty = [name for name, rows in {**facets, **regions}.items() if len(rows) == 0]
    if empty:
        raise JnoValueError(f"its groups {empty} are empty")
    if "interior" in regions and len(regions["interior"]) != cells:
        raise JnoValueError(
            "its group 'interior' is not the whole inside, which this name stands for; rename the group"
        )
