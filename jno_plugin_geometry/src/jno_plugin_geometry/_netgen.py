"""Meshes of plane regions by netgen, in a child process."""

import dataclasses
import pathlib
from typing import final

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._planar_region import PlanarRegion
from jno_plugin_geometry._worker import WorkerError, WorkerTimeoutError, run_worker

_WORKER = pathlib.Path(__file__).with_name("_netgen_worker.py")
_AREA_TOLERANCE = 1e-9
# How many times shorter than the mesh size edges beside a narrow gap may become: first this, then that.
_REFINEMENTS = (10, 100)


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
    # Boundary nodes go onto their edges to the last bit; corners last, because they belong to two edges.
    start, along = region.starts[edges][:, None], (region.ends - region.starts)[edges][:, None]
    fraction = np.sum((points[facets] - start) * along, axis=-1, keepdims=True) / np.sum(along**2, -1, keepdims=True)
    points[facets] = start + fraction * along
    tree = shapely.STRtree(np.asarray(shapely.points(points)))
    points[tree.nearest(np.asarray(shapely.points(region.starts)))] = region.starts
    parts = {tag: facets[np.isin(edges, part)] for tag, part in region.parts.items()}
    mesh = Mesh(points, triangles.cells, parts)
    area, wanted = np.sum(mesh.cell_measures()), region.area
    if abs(area - wanted) > _AREA_TOLERANCE * wanted:
        raise JnoValueError(f"netgen filled the area {area:.6g} of {wanted:.6g}. {_difficulty(region)}")
    return mesh


def _triangulate(region: PlanarRegion, mesh_size: float, time_limit: float) -> _Triangles:
    # netgen compares lengths with absolute tolerances, so it works on a region of size one at the origin.
    origin, scale = np.min(region.starts, axis=0), region.size
    sizes = np.minimum(_clearances(region, mesh_size), mesh_size)
    task = {
        "starts": (region.starts - origin) / scale,
        "following": _following(region),
        "mesh_size": np.array(mesh_size / scale),
    }
    reason = "no attempt"
    for refinement in _REFINEMENTS:
        task["edge_sizes"] = np.maximum(sizes, mesh_size / refinement) / scale
        try:
            found = _Triangles(**run_worker(_WORKER, task, time_limit))
        except WorkerTimeoutError as error:
            raise JnoValueError(f"netgen did not finish within {time_limit:.0f} s. {_difficulty(region)}") from error
        except WorkerError as error:
            reason = str(error)
            continue
        return dataclasses.replace(found, points=origin + scale * found.points)
    raise JnoValueError(f"netgen could not mesh the polygon: {reason}. {_difficulty(region)}")


def _following(region: PlanarRegion) -> Int[np.ndarray, " e"]:
    """For each edge the one that starts where it ends."""
    at = {tuple(start): edge for edge, start in enumerate(region.starts)}
    return np.array([at[tuple(end)] for end in region.ends])


def _clearances(region: PlanarRegion, reach: float) -> Float[np.ndarray, " e"]:
    """The distance of each edge from the nearest one that is not its neighbour; infinite beyond `reach`."""
    edges = np.asarray(shapely.linestrings(np.stack([region.starts, region.ends], axis=1)))
    near, other = shapely.STRtree(edges).query(edges, predicate="dwithin", distance=reach)
    distances = np.asarray(shapely.distance(edges[near], edges[other]))
    clearances = np.full(len(edges), np.inf)
    apart = distances > 0
    np.minimum.at(clearances, near[apart], distances[apart])
    return clearances


def _difficulty(region: PlanarRegion) -> str:
    """What makes meshing hard: sharp corners, short edges and narrow gaps."""
    along = (region.ends - region.starts) / region.edge_lengths()[:, None]
    onward = along[_following(region)]
    turn = np.arctan2(along[:, 0] * onward[:, 1] - along[:, 1] * onward[:, 0], np.sum(along * onward, axis=1))
    sharpest = np.degrees(np.min(np.pi - turn))
    gap = np.min(_clearances(region, region.size))
    return (
        f"The polygon is {region.size:.3g} wide; its sharpest corner has {sharpest:.3g} degrees, its shortest edge is "
        f"{np.min(region.edge_lengths()):.3g} long, its narrowest gap is {gap:.3g}. "
        "Remove small features, or use a mesh_size nearer to them."
    )
