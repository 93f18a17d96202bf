"""Meshes of named regions by netgen or gmsh, all at once, so that the cells of neighbours fit together.

They run in a child process: netgen can run for ever on a sliver, and a fault in compiled code would end the session.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, Self, final

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_cells, checked_positive
from jno_plugin_geometry._gmsh_process import checked_algorithm
from jno_plugin_geometry._netgen_plane import clearances, put_on_edges, triangulated
from jno_plugin_geometry._polygon_arrangement import Arrangement
from jno_plugin_geometry._polygon_gmsh import gmsh_triangles
from jno_plugin_geometry._polygon_regions import PolygonRegions

_WORKER = pathlib.Path(__file__).with_name("_polygon_worker.py")
_AREA_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True)
class MeshSizes:
    """The lengths of the triangles' edges, `default` and others for some regions, and who makes the triangles.

    With `interpolate` the edges of a region's boundary have its length, and triangles grow or shrink away from it towards
    the default; otherwise no triangle of the region is longer either.
    """

    default: float
    regions: Mapping[str, float] = dataclasses.field(default_factory=dict)
    interpolate: bool = True
    mesher: Literal["netgen", "gmsh"] = "netgen"
    algorithm: int = 6

    @classmethod
    def from_user(
        cls, mesh_size: Any, regions: Any, sizes: Any, interpolate: Any, mesher: Any, algorithm: Any = 6
    ) -> Self:
        """The sizes that a user asks for; `sizes` is another word for `regions`, which counts where both name a region."""
        if mesher not in ("netgen", "gmsh"):
            raise JnoValueError(f"mesher must be 'netgen' or 'gmsh', got {mesher!r}.")
        if not isinstance(interpolate, bool):
            raise JnoTypeError(f"interpolate must be True or False, got {interpolate!r}.")
        found: dict[str, float] = {}
        for word, given in (("sizes", sizes), ("region_mesh_sizes", regions)):
            if given is not None and not isinstance(given, Mapping):
                raise JnoTypeError(f"{word} must map names of regions to mesh sizes, got {given!r}.")
            found |= {name: checked_positive(f"{word}[{name!r}]", size) for name, size in (given or {}).items()}
        size = checked_positive("mesh_size", mesh_size)
        return cls(size, found, interpolate, mesher, checked_algorithm(algorithm))

    def merged(self, other: Self) -> Self:
        """The sizes of two geometries together: the finer default, and the sizes of all regions, these before others."""
        return dataclasses.replace(
            self, default=min(self.default, other.default), regions={**other.regions, **self.regions}
        )

    def check_names(self, regions: PolygonRegions) -> None:
        """Raises `JnoValueError` for a size of a region that there is not."""
        known = [*regions.sources, *regions.areas]
        for name in self.regions:
            if name not in known:
                raise JnoValueError(f"There is a mesh size for the region {name!r}, but the regions are {known}.")

    def of_faces(self, regions: PolygonRegions) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
        """For each face the length that was asked for, infinite where none was, and the greatest length inside."""
        own = np.full(len(regions.arrangement.faces), np.inf)
        for number, name in enumerate([*regions.sources, *regions.areas]):
            covered = regions.arrangement.covers[:, number]
            own[covered] = np.minimum(own[covered], self.regions.get(name, np.inf))
        inside = np.where(np.isinf(own), self.default, own)
        return own, np.maximum(inside, self.default) if self.interpolate else inside

    def of_edges(self, regions: PolygonRegions, of_faces: Float[np.ndarray, " f"]) -> Float[np.ndarray, " e"]:
        """For each edge the shortest length that a face beside it, or a hole there, asks for; else the default."""
        padded = np.append(of_faces, np.inf)
        found = np.minimum(padded[regions.arrangement.left], padded[regions.arrangement.right])
        for number, name in enumerate(regions.sources):
            if name in self.regions and not np.any(regions.arrangement.covers[:, number]):
                rim = regions.arrangement.outlines[number][:, 0]
                found[rim] = np.minimum(found[rim], self.regions[name])
        return np.where(np.isinf(found), self.default, found)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Triangles:
    """The mesher's answer: nodes, cells and the face of each, facets and the edge that each lies on."""

    points: Float[np.ndarray, "n 2"]
    cells: Int[np.ndarray, "m 3"]
    cell_faces: Int[np.ndarray, " m"]
    facets: Int[np.ndarray, "f 2"]
    facet_edges: Int[np.ndarray, " f"]


def polygon_mesh(regions: PolygonRegions, sizes: MeshSizes, *, time_limit: float | None = None) -> Mesh:
    """The mesh of all regions: conforming, with all corners as nodes and boundary nodes on the edges exactly.

    `Mesh.facets` has every boundary and interface tag, each facet with what it bounds on its left, and `Mesh.regions` every
    interior tag. `time_limit` is in seconds; by default 60 and one for every thousand expected cells. Raises
    `JnoValueError` when the mesher fails, does not finish in time or does not fill a region, and `JnoImportError` where gmsh
    is missing.
    """
    arrangement = regions.arrangement
    areas = shapely.area(arrangement.faces)
    asked, inside = sizes.of_faces(regions)
    # An equilateral triangle with sides h has the area 0.433 h**2.
    expected = float(np.sum(areas / (0.433 * inside**2)))
    checked_cells(expected, float(np.min(inside)))
    edge_sizes = sizes.of_edges(regions, asked)
    limit = 60 + expected / 1000 if time_limit is None else time_limit
    found = _triangulate(arrangement, edge_sizes, inside, sizes, limit)
    points, facets = _straightened(arrangement, found)
    tags = {}
    for tag, part in regions.boundaries.items():
        direction = np.zeros(len(arrangement.edges), dtype=np.int64)
        direction[part.edges] = np.where(part.forward, 1, -1)
        of_facets = direction[found.facet_edges]
        tags[tag] = np.where(of_facets[:, None] > 0, facets, facets[:, ::-1])[of_facets != 0]
    for tag, alias in regions.aliases.items():
        if alias in tags:
            tags[tag] = tags[alias]
    cells = {tag: np.flatnonzero(np.isin(found.cell_faces, faces)) for tag, faces in regions.interiors.items()}
    cells |= {tag: cells[alias] for tag, alias in regions.aliases.items() if alias in cells}
    mesh = Mesh(points, found.cells, tags, {tag: chosen for tag, chosen in cells.items() if tag != "interior"})
    filled = np.bincount(found.cell_faces, mesh.cell_measures(), minlength=len(areas))
    worst = int(np.argmax(np.abs(filled - areas) / areas))
    if abs(filled[worst] - areas[worst]) > _AREA_TOLERANCE * max(areas[worst], regions.size**2 * _AREA_TOLERANCE):
        raise JnoValueError(
            f"{sizes.mesher} filled the area {filled[worst]:.6g} of {areas[worst]:.6g}. {_difficulty(arrangement)}"
        )
    return mesh


def _straightened(arrangement: Arrangement, found: _Triangles) -> tuple[np.ndarray, np.ndarray]:
    """The points with those of facets on their edges to the last bit, and the facets in the direction of their edges."""
    points, edges = found.points.copy(), found.facet_edges
    starts, ends = (arrangement.nodes[arrangement.edges[edges, end]] for end in (0, 1))
    fraction = put_on_edges(points, found.facets, starts, ends, arrangement.nodes)
    backward = fraction[:, 0] > fraction[:, 1]
    return points, np.where(backward[:, None], found.facets[:, ::-1], found.facets)


def _triangulate(
    arrangement: Arrangement,
    edge_sizes: Float[np.ndarray, " e"],
    face_sizes: Float[np.ndarray, " f"],
    sizes: MeshSizes,
    limit: float,
) -> _Triangles:
    # Meshers compare lengths with absolute tolerances, so they work on a geometry of size one at the origin.
    origin = np.min(arrangement.nodes, axis=0)
    scale = float(np.max(np.ptp(arrangement.nodes, axis=0)))
    gaps = clearances(arrangement.segments(), float(np.max(edge_sizes)))
    shortest, longest = np.minimum(gaps, edge_sizes) / scale, edge_sizes / scale
    task = {
        "nodes": (arrangement.nodes - origin) / scale,
        "edges": arrangement.edges,
        "left": arrangement.left,
        "right": arrangement.right,
        "face_sizes": face_sizes / scale,
    }
    if sizes.mesher == "netgen":
        difficulty = functools.partial(_difficulty, arrangement)
        answer = triangulated(_WORKER, task, shortest, longest, limit, "polygons", difficulty)
    else:
        difficulty = _difficulty(arrangement)
        answer = gmsh_triangles(arrangement, task, shortest, longest, sizes.algorithm, limit, difficulty)
    found = _Triangles(**answer)
    return dataclasses.replace(found, points=origin + scale * found.points)


def _difficulty(arrangement: Arrangement) -> str:
    """What makes meshing hard: short edges and narrow gaps."""
    scale = float(np.max(np.ptp(arrangement.nodes, axis=0)))
    gap = np.min(clearances(arrangement.segments(), scale))
    return (
        f"The geometry is {scale:.3g} wide; its shortest edge is {np.min(arrangement.lengths()):.3g} long, its narrowest "
        f"gap is {gap:.3g}. Remove small features, or use a mesh_size nearer to them."
    )
