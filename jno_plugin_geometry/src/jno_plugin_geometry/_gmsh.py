"""Meshes of plane regions with curved boundaries by gmsh; see `_gmsh_process`."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells, checked_positive
from jno_plugin_geometry._gmsh_process import checked_algorithm, run_gmsh
from jno_plugin_geometry._regions.crossings import feet
from jno_plugin_geometry._regions.curves import Arc, Curves, Segment

# Arcs become splines through points at steps of three degrees; gmsh's own arcs do not take every ellipse. The nodes are
# put on the arcs afterwards.
_LONGEST_ARC = np.pi / 4
_CONTROLS = 15
_SAME = 1e-9
_LEFT_OUT = 0.1
# The grid on which a field of sizes is sampled.
_GRID = 129

SizeField = Callable[[Float[np.ndarray, "n 2"]], Float[np.ndarray, " n"]]


def gmsh_mesh(
    rings: Sequence[Sequence[Segment | Arc]],
    parts: Mapping[str, Int[np.ndarray, " k"]],
    mesh_size: float,
    algorithm: int = 6,
    size_field: SizeField | None = None,
    time_limit: float | None = None,
) -> Mesh:
    """The mesh of a region with its boundary nodes on the curves exactly and the ends of all pieces as nodes.

    - `rings`: the closed rings of the boundary with the region on the left; `parts` names pieces by their numbers, counted
      through all rings.
    - `algorithm`: gmsh's number of the method: 1 MeshAdapt, 5 Delaunay, 6 frontal Delaunay, 8 for quadrilaterals, 9 for
      parallelograms.
    - `size_field`: the length of the edges near points `(n, 2)`; `mesh_size` is the longest.
    - `time_limit`: in seconds; by default 60 and a second for every thousand expected cells.

    Raises `JnoImportError` saying what to install where gmsh or one of its libraries is missing, and `JnoValueError` when
    gmsh fails, does not finish in time or does not fill the region.
    """
    mesh_size = checked_positive("mesh_size", mesh_size)
    algorithm = checked_algorithm(algorithm)
    curves, ring_sizes = _joined_rings(rings)
    low, high = curves.boxes()
    origin, scale = np.min(low, axis=0), float(np.max(np.max(high, axis=0) - np.min(low, axis=0)))
    # gmsh compares lengths with absolute tolerances, so it works on a region of size one at the origin.
    unit = curves.moved(np.eye(2) / scale, -origin / scale)
    area, expected = unit.area(), curves.area() / (0.433 * mesh_size**2)
    task, piece = _task(unit, ring_sizes)
    task |= {"mesh_size": np.array(mesh_size / scale), "algorithm": np.array(algorithm)}
    if size_field is not None:
        task["quads"], density = _sampled(size_field, np.max((high - origin) / scale, axis=0), origin, scale, mesh_size)
        expected = area * density
    checked_cells(expected, mesh_size)
    found = run_gmsh(task, 60 + expected / 1000 if time_limit is None else time_limit)
    points, cells, facets = origin + scale * found["points"], found["cells"], found["facets"]
    pieces = piece[found["facet_edges"]]
    for end in facets.T:
        points[end] = curves.points(pieces, feet(curves, pieces, points[end])[0])
    _, place = shapely.STRtree(shapely.points(points)).query_nearest(shapely.points(curves.starts), all_matches=False)
    points[place] = curves.starts
    whole = Mesh.from_cells(points, cells)
    # Chords at steps of less than a quarter of a turn leave out less than this share.
    filled = abs(np.sum(whole.cell_measures()) / curves.area() - 1) < _LEFT_OUT
    if not filled or not np.array_equal(_sides(whole.facets["boundary"]), _sides(facets)):
        raise JnoValueError(f"gmsh did not fill the region with mesh_size {mesh_size:g}; use a smaller one.")
    named = {tag: facets[np.isin(pieces, part)] for tag, part in parts.items()}
    return Mesh(whole.points, whole.cells, {"boundary": facets, **named})


def _joined_rings(rings: Sequence[Sequence[Segment | Arc]]) -> tuple[Curves, tuple[int, ...]]:
    """All pieces, neighbours with the same vertices to the last bit."""
    joined = []
    for ring in rings:
        pieces = Curves.joined([_curve(piece) for piece in ring])
        starts = np.where(pieces.bent[:, None], np.roll(pieces.ends, 1, axis=0), pieces.starts)
        ends = np.roll(starts, -1, axis=0)
        joined.append(
            Curves(
                starts, ends, pieces.bent, pieces.centers, pieces.firsts, pieces.seconds, pieces.begins, pieces.stops
            )
        )
    return Curves.joined(joined), tuple(len(ring) for ring in rings)


def _curve(piece: Segment | Arc) -> Curves:
    if isinstance(piece, Segment):
        return Curves.straight(piece.start[None], piece.end[None])
    angles = np.array([[piece.begin], [piece.end]])
    start, end = piece.center + piece.first * np.cos(angles) + piece.second * np.sin(angles)
    center, first, second = (array[None] for array in (piece.center, piece.first, piece.second))
    begin, stop = np.array([piece.begin]), np.array([piece.end])
    return Curves(start[None], end[None], np.ones(1, bool), center, first, second, begin, stop)


def _task(curves: Curves, ring_sizes: tuple[int, ...]) -> tuple[dict[str, np.ndarray], Int[np.ndarray, " e"]]:
    """The pieces cut into edges that gmsh can take, and the piece of each edge."""
    counts = np.where(curves.bent, np.ceil((curves.stops - curves.begins) / _LONGEST_ARC), 1).astype(int)
    piece = np.repeat(np.arange(len(curves)), counts)
    step = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.where(step[:, None] == 0, curves.starts[piece], curves.points(piece, step / counts[piece]))
    # Rings that touch share their vertex.
    places = np.asarray(shapely.points(starts))
    i, j = shapely.STRtree(places).query(places, predicate="dwithin", distance=_SAME)
    first = np.arange(len(starts))
    np.minimum.at(first, i, j)
    kept, number = np.unique(first, return_inverse=True)
    bounds = np.concatenate([[0], np.cumsum(counts)])[np.cumsum([0, *ring_sizes])]
    following = np.arange(1, len(piece) + 1)
    following[bounds[1:] - 1] = bounds[:-1]
    inner = np.arange(1, _CONTROLS + 1) / (_CONTROLS + 1)
    fractions = (step[:, None] + inner) / counts[piece][:, None]
    controls = curves.points(np.repeat(piece, _CONTROLS), fractions.ravel()).reshape(-1, _CONTROLS, 2)
    task = {
        "vertices": starts[kept],
        "edges": np.stack([number, number[following]], axis=1),
        "bent": curves.bent[piece],
        "controls": controls,
        "loop_sizes": np.diff(bounds),
        "outer": _outer_rings(curves, ring_sizes),
    }
    return task, piece


def _outer_rings(curves: Curves, ring_sizes: tuple[int, ...]) -> Int[np.ndarray, " r"]:
    """For each ring the outer one of its component: itself, or the smallest around a hole."""
    bounds = np.cumsum([0, *ring_sizes])
    areas, polygons = [], []
    for low, high in itertools.pairwise(bounds):
        ring = np.arange(low, high)
        areas.append(curves.take(ring).area())
        fractions = np.linspace(0, 1, 33)[:-1]
        polygons.append(
            shapely.make_valid(
                shapely.Polygon(curves.points(np.repeat(ring, 32), np.tile(fractions, len(ring))).tolist())
            )
        )
    outer = np.arange(len(areas))
    for hole in np.flatnonzero(np.array(areas) < 0):
        inside = polygons[hole].representative_point()
        around = [i for i, area in enumerate(areas) if area > -areas[hole] and polygons[i].covers(inside)]
        if not around:
            raise JnoValueError("A ring of the boundary turns right, as a hole does, and no ring is around it.")
        outer[hole] = min(around, key=lambda i: areas[i])
    return outer


def _sampled(
    size_field: SizeField,
    extent: Float[np.ndarray, "2"],
    origin: Float[np.ndarray, "2"],
    scale: float,
    mesh_size: float,
) -> tuple[Float[np.ndarray, "q 16"], float]:
    """The field on a grid in the form of gmsh's list of quadrilaterals, and the mean number of cells in a unit of area."""
    x, y = np.meshgrid(*(np.linspace(-0.01, side + 0.01, _GRID) for side in extent), indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    sizes = np.asarray(size_field(origin + scale * points), np.float64)
    if sizes.shape != (len(points),) or not np.all(np.isfinite(sizes)) or np.min(sizes) <= 0:
        raise JnoValueError(
            f"size_field must give positive lengths (n,) for points (n, 2); got the shape {sizes.shape}."
        )
    sizes = np.minimum(sizes, mesh_size).reshape(_GRID, _GRID) / scale
    corners = [(slice(a, _GRID - 1 + a), slice(b, _GRID - 1 + b)) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
    columns = [array[corner].ravel() for array in (x, y, np.zeros_like(x), sizes) for corner in corners]
    return np.stack(columns, axis=1), float(np.mean(1 / (0.433 * sizes**2)))


def _sides(facets: Int[np.ndarray, "f 2"]) -> Int[np.ndarray, "f 2"]:
    rows = np.sort(facets, axis=1)
    return rows[np.lexsort(rows.T)]
