"""Triangles of plane regions whose boundary may be curved."""

import itertools
from collections.abc import Mapping

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._netgen import netgen_mesh
from jno_plugin_geometry._planar_region import PlanarRegion
from jno_plugin_geometry._regions.arc_length import fractions_at, lengths
from jno_plugin_geometry._regions.crossings import feet
from jno_plugin_geometry._regions.curves import Curves

_FEWEST_CHORDS = 8
# Nodes of components nearer than this share of the size are the same.
_SAME = 1e-11


def outline_mesh(
    curves: Curves, ring_sizes: tuple[int, ...], parts: Mapping[str, Int[np.ndarray, " k"]], mesh_size: float
) -> Mesh:
    """The mesh of a region, with all boundary nodes on the curves and the ends of all pieces as nodes.

    Arcs become chords of about `mesh_size`, at least eight to a full turn. Components that touch in a point are meshed
    one by one and share the node there.
    """
    # Before there are as many chords. An equilateral triangle with sides h has the area 0.433 h**2.
    checked_cells(max(curves.area() / (0.433 * mesh_size**2), float(np.sum(lengths(curves))) / mesh_size), mesh_size)
    # Between chords and arcs there may be no room for another boundary: finer chords make some.
    reasons = []
    for finer in (1, 2, 4, 8, 16):
        counts = _chord_counts(curves, mesh_size / finer, _FEWEST_CHORDS * finer)
        try:
            polygons = _polygons(curves, ring_sizes, counts)
            return _joined(curves, parts, [_component(curves, *polygon, mesh_size) for polygon in polygons])
        except _TooCoarseError as error:
            reasons.append(str(error))
    raise JnoValueError(f"The curved boundary could not be meshed with mesh_size {mesh_size:g}: {reasons[-1]}.")


class _TooCoarseError(Exception):
    """The chords are too long to stand for the arcs."""


def _chord_counts(curves: Curves, mesh_size: float, fewest: int) -> Int[np.ndarray, " p"]:
    turned = (curves.stops - curves.begins) / (2 * np.pi)
    wanted = np.maximum(np.round(lengths(curves) / mesh_size), np.ceil(fewest * turned - 1e-9))
    return np.where(curves.bent, np.maximum(wanted, 1), 1).astype(int)


def _polygons(
    curves: Curves, ring_sizes: tuple[int, ...], counts: Int[np.ndarray, " p"]
) -> list[tuple[shapely.Polygon, Float[np.ndarray, "e 2"], Float[np.ndarray, "e 2"], Int[np.ndarray, " e"]]]:
    """For each component its polygon, the starts and ends of the edges, and the piece that each stands for."""
    piece = np.repeat(np.arange(len(curves)), counts)
    step = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = curves.points(piece, fractions_at(curves, piece, step / counts[piece]))
    corners[step == 0] = curves.starts[piece[step == 0]]
    # Rings have as many edges as their pieces have chords.
    bounds = np.cumsum([0, *ring_sizes])
    edge_bounds = np.concatenate([[0], np.cumsum(counts)])[bounds]
    rings = [np.arange(low, high) for low, high in itertools.pairwise(edge_bounds)]
    areas = [shapely.Polygon(corners[ring]).area if len(ring) > 2 else 0.0 for ring in rings]
    if min(areas) == 0 or not all(shapely.Polygon(corners[ring]).is_valid for ring in rings):
        raise _TooCoarseError("a ring of chords crosses itself")
    outer = [i for i, ring in enumerate(rings) if shapely.LinearRing(corners[ring]).is_ccw]
    holes: dict[int, list[int]] = {i: [] for i in outer}
    for hole in set(range(len(rings))) - set(outer):
        around = [
            i for i in outer if shapely.Polygon(corners[rings[i]]).contains(shapely.Polygon(corners[rings[hole]]))
        ]
        if not around:
            raise _TooCoarseError("the chords of a hole cross those around it")
        holes[min(around, key=lambda i: areas[i])].append(hole)
    found = []
    for i, inner in holes.items():
        polygon = shapely.Polygon(corners[rings[i]], [corners[rings[hole]] for hole in inner])
        if not polygon.is_valid:
            raise _TooCoarseError(shapely.is_valid_reason(polygon))
        edges = [rings[i], *(rings[hole] for hole in inner)]
        starts = np.concatenate([corners[ring] for ring in edges])
        ends = np.concatenate([np.roll(corners[ring], -1, axis=0) for ring in edges])
        found.append((polygon, starts, ends, piece[np.concatenate(edges)]))
    shapes = [polygon for polygon, *_ in found]
    if any(a.intersection(b).area > 0 for k, a in enumerate(shapes) for b in shapes[:k]):
        raise _TooCoarseError("chords of two components cross")
    return found


def _component(curves, polygon, starts, ends, piece, mesh_size) -> tuple[Mesh, dict[int, Int[np.ndarray, "f 2"]]]:
    """The mesh of one component with its boundary on the curves, and the facets on each piece."""
    parts = {"boundary": np.arange(len(starts))} | {str(k): np.flatnonzero(piece == k) for k in np.unique(piece)}
    mesh = netgen_mesh(PlanarRegion(polygon, starts, ends, parts), mesh_size)
    points = np.array(mesh.points)
    facets = {int(k): mesh.facets[k] for k in parts if k != "boundary"}
    corners = set(map(tuple, starts.tolist()))
    for k in facets:
        nodes = np.unique(facets[k])
        if curves.bent[k]:
            # netgen may have put nodes between the ends of chords.
            index = np.full(len(nodes), k)
            moved = curves.points(index, feet(curves, index, points[nodes])[0])
            free = np.array([tuple(point) not in corners for point in points[nodes].tolist()], bool)
            points[nodes[free]] = moved[free]
    measures = np.linalg.det(points[mesh.cells[:, 1:]] - points[mesh.cells[:, :1]])
    if np.any(measures <= 0):
        raise _TooCoarseError("a triangle between a chord and its arc is turned over")
    return Mesh(points, mesh.cells, {"boundary": mesh.facets["boundary"]}), facets


def _joined(curves, parts, components) -> Mesh:
    """One mesh of all components; nodes at the same point are one."""
    offsets = np.cumsum([0, *(len(mesh.points) for mesh, _ in components)])
    points = np.concatenate([mesh.points for mesh, _ in components])
    cells = np.concatenate([mesh.cells + offset for (mesh, _), offset in zip(components, offsets, strict=False)])
    on_piece = {
        k: some + offset for (_, facets), offset in zip(components, offsets, strict=False) for k, some in facets.items()
    }
    first = np.arange(len(points))
    if len(components) > 1:
        border = np.unique(np.concatenate(list(on_piece.values())))
        places = np.asarray(shapely.points(points[border]))
        i, j = shapely.STRtree(places).query(
            places, predicate="dwithin", distance=_SAME * float(np.max(np.ptp(points)))
        )
        np.minimum.at(first, border[i], border[j])
    kept, number = np.unique(first, return_inverse=True)
    facets = {tag: number[np.concatenate([on_piece[k] for k in part])] for tag, part in parts.items()}
    return Mesh(points[kept], number[cells], facets)
