"""Meshes of plane regions by netgen, in a child process."""

import dataclasses
import functools
import pathlib
from typing import final

import numpy as np
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._netgen_plane import clearances, put_on_edges, triangulated
from jno_plugin_geometry._planar_region import PlanarRegion

_WORKER = pathlib.Path(__file__).with_name("_netgen_worker.py")
_AREA_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Triangles:
    """netgen's answer: nodes, cells, boundary facets and the edge that each lies on."""

    points: Float[np.ndarray, "n 2"]
    cells: Int[np.ndarray, "m 3"]
    facets: Int[np.ndarray, "f 2"]
    facet_edges: Int[np.ndarray, " f"]


def netgen_mesh(region: PlanarRegion, mesh_size: float, *, time_limit: float | None = None) -> Mesh:
    """The mesh of a region, with its boundary nodes on the edges exactly and its corners as nodes.

    `time_limit` is in seconds; by default 60 and a second for every thousand expected cells. Raises `JnoValueError`
    when netgen fails, does not finish in time or does not fill the region.
    """
    # An equilateral triangle with sides h has the area 0.433 h**2.
    expected = region.area / (0.433 * mesh_size**2)
    checked_cells(expected, mesh_size)
    triangles = _triangulate(region, mesh_size, 60 + expected / 1000 if time_limit is None else time_limit)
    points, facets, edges = triangles.points, triangles.facets, triangles.facet_edges
    put_on_edges(points, facets, region.starts[edges], region.ends[edges], region.starts)
    parts = {tag: facets[np.isin(edges, part)] for tag, part in region.parts.items()}
    mesh = Mesh(points, triangles.cells, parts)
    area, wanted = np.sum(mesh.cell_measures()), region.area
    if abs(area - wanted) > _AREA_TOLERANCE * wanted:
        raise JnoValueError(f"netgen filled the area {area:.6g} of {wanted:.6g}. {_difficulty(region)}")
    return mesh


def _triangulate(region: PlanarRegion, mesh_size: float, time_limit: float) -> _Triangles:
    # netgen compares lengths with absolute tolerances, so it works on a region of size one at the origin.
    origin, scale = np.min(region.starts, axis=0), region.size
    shortest = np.minimum(clearances(_segments(region), mesh_size), mesh_size) / scale
    task = {
        "starts": (region.starts - origin) / scale,
        "following": _following(region),
        "mesh_size": np.array(mesh_size / scale),
    }
    difficulty = functools.partial(_difficulty, region)
    answer = triangulated(_WORKER, task, shortest, mesh_size / scale, time_limit, "polygon", difficulty)
    found = _Triangles(**answer)
    return dataclasses.replace(found, points=origin + scale * found.points)


def _following(region: PlanarRegion) -> Int[np.ndarray, " e"]:
    """For each edge the one that starts where it ends."""
    at = {tuple(start): edge for edge, start in enumerate(region.starts)}
    return np.array([at[tuple(end)] for end in region.ends])


def _segments(region: PlanarRegion) -> Float[np.ndarray, "e 2 2"]:
    return np.stack([region.starts, region.ends], axis=1)


def _difficulty(region: PlanarRegion) -> str:
    """What makes meshing hard: sharp corners, short edges and narrow gaps."""
    along = (region.ends - region.starts) / region.edge_lengths()[:, None]
    onward = along[_following(region)]
    turn = np.arctan2(along[:, 0] * onward[:, 1] - along[:, 1] * onward[:, 0], np.sum(along * onward, axis=1))
    sharpest = np.degrees(np.min(np.pi - turn))
    gap = np.min(clearances(_segments(region), region.size))
    return (
        f"The polygon is {region.size:.3g} wide; its sharpest corner has {sharpest:.3g} degrees, its shortest edge is "
        f"{np.min(region.edge_lengths()):.3g} long, its narrowest gap is {gap:.3g}. "
        "Remove small features, or use a mesh_size nearer to them."
    )
