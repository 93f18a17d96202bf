"""Meshes of solids by netgen or gmsh on an OpenCASCADE body, in a child process.

netgen brings its own OpenCASCADE, so that no system library is needed. Why a child process: see `_netgen`.
"""

import json
import math
import pathlib
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._gmsh_process import checked_algorithm, run_gmsh
from jno_plugin_geometry._regions.combination import Tree
from jno_plugin_geometry._regions.curves import Segment
from jno_plugin_geometry._regions.extrusion import Extrusion
from jno_plugin_geometry._regions.leaf import Leaf, Piece, along
from jno_plugin_geometry._regions.revolution import Revolution
from jno_plugin_geometry._regions.surface import Surface
from jno_plugin_geometry._worker import WorkerError, WorkerTimeoutError, run_worker

_WORKER = pathlib.Path(__file__).with_name("occ_worker.py")
# netgen puts nodes on surfaces to about 1e-9 of the size, and on their intersections to about 1e-7.
_ON_SURFACE = 1e-5
# Surfaces that are as near as this to each other coincide: the first one has the facet.
_COINCIDENT = 1e-7
# The volume of combined solids is known to about 1e-3.
_VOLUME_TOLERANCE = 1e-2
_PROJECTIONS = 50
# Axes of an ellipse that differ by a smaller share are those of a circle.
_ROUND = 1e-13
# A cubic for such a turn differs from the arc by 1e-6 of its radius; boundary nodes are moved onto the arc.
_CUBIC_TURN = 0.63


def solid_mesh(
    surface: Surface,
    mesh_size: float,
    *,
    mesher: Literal["netgen", "gmsh"] = "netgen",
    algorithm: int = 6,
    time_limit: float | None = None,
) -> Mesh:
    """The mesh of what a surface encloses, with its boundary nodes on the surface.

    `algorithm` is gmsh's number of the method for surfaces. `time_limit` is in seconds; by default 120 and a second for
    every 500 expected cells. Raises `JnoValueError` when the mesher fails, does not finish in time or does not fill the
    solid, and `JnoImportError` where gmsh is missing.
    """
    whole, volume = surface.whole, surface.volume()
    # A regular tetrahedron with edges h has the volume 0.118 h**3.
    expected = volume / (0.118 * mesh_size**3)
    checked_cells(expected, mesh_size)
    # OpenCASCADE compares lengths with absolute tolerances, so it works on a body of size one at the origin.
    origin, scale = whole.bounds[0], whole.size
    task = {
        "leaves": [_construction(leaf, origin, scale) for leaf in whole.leaves],
        "steps": _steps(whole.tree),
        "mesh_size": mesh_size / scale,
    }
    limit = 120 + expected / 500 if time_limit is None else time_limit
    if mesher == "netgen":
        answer = _run(_packed(task), limit)
    else:
        packed = _packed(task | {"algorithm": checked_algorithm(algorithm)})
        answer = run_gmsh(packed, limit, "solid", _ADVICE)
    built = float(answer["volume"]) * scale**3
    if abs(built - volume) > _VOLUME_TOLERANCE * volume:
        raise JnoValueError(f"OpenCASCADE built a body of volume {built:.6g} of a solid of {volume:.6g}. {_ADVICE}")
    mesh = Mesh.from_cells(origin + scale * answer["points"], answer["cells"])
    facets, points = mesh.facets["boundary"], np.array(mesh.points)
    faces = list(surface.parts["boundary"])
    owners = _owners(surface, faces, points, facets)
    _project(surface, faces, points, facets, owners)
    parts = {}
    for tag, part in surface.parts.items():
        numbers = [faces.index(face) for face in part]
        parts[tag] = facets[np.isin(owners, numbers)]
    return Mesh(points, mesh.cells, parts)


_ADVICE = "Remove small features and surfaces that touch without crossing, or use a smaller mesh_size."


def _steps(tree: Tree) -> list[int | str]:
    """The tree in postfix order."""
    if isinstance(tree, int):
        return [tree]
    operation, a, b = tree
    return [*_steps(a), *_steps(b), operation]


def _construction(leaf: Leaf, origin: Float[np.ndarray, " 3"], scale: float) -> dict[str, Any]:
    """How OpenCASCADE sweeps a leaf, in its coordinates: edges as in `occ_worker`, and the sweep."""
    body = leaf.body
    if isinstance(body, Extrusion):
        axes, start = np.eye(3, 2), np.array([0.0, 0.0, body.lower])
        sweep = {"along": leaf.matrix @ [0, 0, body.upper - body.lower] / scale}
    elif isinstance(body, Revolution):
        axes, start = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), np.zeros(3)
        # A mirror image turns the other way round.
        axis = leaf.matrix[:, 2] * np.sign(np.linalg.det(leaf.matrix))
        sweep = {"origin": (leaf.offset - origin) / scale, "axis": axis, "degrees": np.array(np.degrees(body.angle))}
    else:
        raise NotImplementedError(type(body))

    def placed(flat: Float[np.ndarray, "n 2"]) -> list[list[float]]:
        return ((leaf.placed(start + flat @ axes.T) - origin) / scale).tolist()

    rings = body.outline.rings()
    edges = [[placed(points) for piece in ring for points in _edges(piece)] for ring in rings]
    holes = [_signed_area(ring) < 0 for ring in rings]
    return {"rings": edges, "holes": holes} | {name: value.tolist() for name, value in sweep.items()}


def _edges(piece: Piece) -> list[Float[np.ndarray, "k 2"]]:
    """The edges of a piece: two points of a segment, three of an arc of a circle, the poles of cubics else."""
    if isinstance(piece, Segment):
        return [along(piece, np.array([0.0, 1.0]))[0]]
    first, second = np.asarray(piece.first), np.asarray(piece.second)
    long, short = np.linalg.norm(first), np.linalg.norm(second)
    turn = abs(piece.end - piece.begin)
    if max(abs(first @ second), abs(long**2 - short**2)) <= _ROUND * long**2:
        # Each edge spans less than a third of a turn, so that its middle determines the circle well.
        parts = math.ceil(turn / 2)
        points = along(piece, np.linspace(0, 1, 2 * parts + 1))[0]
        return [points[2 * i : 2 * i + 3] for i in range(parts)]
    parts = math.ceil(turn / _CUBIC_TURN)
    points, tangents = along(piece, np.linspace(0, 1, parts + 1))
    reach = 4 / 3 * math.tan(turn / parts / 4) * tangents / turn
    poles = np.stack([points[:-1], (points + reach)[:-1], (points - reach)[1:], points[1:]], axis=1)
    return list(poles)


def _signed_area(ring: list[Piece]) -> float:
    u = np.linspace(0, 1, 33)
    corners = np.concatenate([along(piece, u)[0][:-1] for piece in ring])
    following = np.roll(corners, -1, axis=0)
    return float(np.sum(corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0])) / 2


def _owners(
    surface: Surface, faces: list[tuple[int, int]], points: Float[np.ndarray, "n 3"], facets: Int[np.ndarray, "f 3"]
) -> Int[np.ndarray, " f"]:
    """The face that each facet approximates: its nodes lie there, and of several its centroid is nearest there."""
    nodes = np.unique(facets)
    best, owners = np.full(len(facets), np.inf), np.full(len(facets), -1)
    centroids = np.mean(points[facets], axis=1)
    on_face = np.zeros(len(points), dtype=bool)
    for number, (leaf, face) in enumerate(faces):
        nearest = surface.whole.leaves[leaf].face_nearest(face, points[nodes])
        on_face[nodes] = np.linalg.norm(nearest - points[nodes], axis=1) <= _ON_SURFACE * surface.whole.size
        here = np.flatnonzero(np.all(on_face[facets], axis=1))
        gap = np.linalg.norm(surface.whole.leaves[leaf].face_nearest(face, centroids[here]) - centroids[here], axis=1)
        better = gap < best[here] - _COINCIDENT * surface.whole.size
        owners[here[better]], best[here[better]] = number, gap[better]
    if np.any(owners < 0):
        x = centroids[np.argmin(owners)]
        raise JnoValueError(f"The mesh has a facet at {np.round(x, 6).tolist()} that is not on the surface. {_ADVICE}")
    return owners


def _project(
    surface: Surface,
    faces: list[tuple[int, int]],
    points: Float[np.ndarray, "n 3"],
    facets: Int[np.ndarray, "f 3"],
    owners: Int[np.ndarray, " f"],
) -> None:
    """Move nodes onto their faces, in turns for nodes of several, until nothing moves but for rounding."""
    nodes_of = {number: np.unique(facets[owners == number]) for number in np.unique(owners)}
    for _ in range(_PROJECTIONS):
        moved = 0.0
        for number, nodes in nodes_of.items():
            leaf, face = faces[number]
            nearest = surface.whole.leaves[leaf].face_nearest(face, points[nodes])
            moved = max(moved, float(np.max(np.abs(nearest - points[nodes]))))
            points[nodes] = nearest
        if moved < 1e-14 * surface.whole.size:
            break


def _packed(task: dict[str, Any]) -> dict[str, np.ndarray]:
    return {"solid": np.frombuffer(json.dumps(task).encode(), np.uint8)}


def _run(task: dict[str, np.ndarray], time_limit: float) -> dict[str, np.ndarray]:
    try:
        return run_worker(_WORKER, task, time_limit)
    except WorkerTimeoutError as error:
        raise JnoValueError(f"netgen {error}. {_ADVICE}") from error
    except WorkerError as error:
        raise JnoValueError(f"netgen could not mesh the solid: {error}. {_ADVICE}") from error
