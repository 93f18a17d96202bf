"""What `_gmsh_process` runs in a child process, by `_worker_main`: all that gmsh meshes."""

import itertools
import json
import sys
from collections.abc import Mapping

import numpy as np

# Tells the parent that gmsh or a library that it needs is missing.
MISSING = 3

_FIXED = {
    "Mesh.MeshSizeFromPoints": 0,
    "Mesh.MeshSizeFromCurvature": 0,
    "Mesh.MaxNumThreads1D": 1,
    "Mesh.MaxNumThreads2D": 1,
    "Mesh.MaxNumThreads3D": 1,
    # Faces in one plane may belong to different parts of the boundary.
    "Geometry.OCCUnionUnify": 0,
}
# Edges of a full circle, at least. Of curvature, which has no bound at the tip of a cone, nothing is asked.
_TO_A_TURN = 8
# Surfaces that close on themselves sometimes fail where sectors of them do not, and the other way round.
_SECTORS = (4, 3, 1)


def generate(task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh of what the task describes: a solid, faces that share their edges, or the region inside of some loops."""
    try:
        # Here, because what is missing must reach the parent as an answer.
        import gmsh
    except (ImportError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(MISSING) from error
    gmsh.initialize([], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    if "solid" in task:
        answer = _solid(gmsh, json.loads(task["solid"].tobytes()))
    else:
        answer = (_faces if "loops" in task else _region)(gmsh, task)
    gmsh.finalize()
    return answer


def _region(gmsh, task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    model = gmsh.model
    vertices = [model.geo.addPoint(x, y, 0.0) for x, y in task["vertices"]]
    curves = [_curve(model.geo, vertices, task, edge) for edge in range(len(task["edges"]))]
    bounds = np.cumsum([0, *task["loop_sizes"]])
    loops = [
        model.geo.addCurveLoop([curves[edge] for edge in range(low, high)]) for low, high in itertools.pairwise(bounds)
    ]
    # Each surface has an outer loop, which names itself, and the loops of its holes, which name the outer one.
    surfaces = [
        model.geo.addPlaneSurface(
            [loops[outer], *(loops[i] for i in np.flatnonzero(task["outer"] == outer) if i != outer)]
        )
        for outer in np.unique(task["outer"])
    ]
    model.geo.synchronize()
    _set_sizes(gmsh, task)
    model.mesh.generate(2)
    cells = np.concatenate([model.mesh.getElements(2, surface)[2][0] for surface in surfaces])
    # Without the points that guide splines, which are nodes of no cell.
    points, place = _nodes(gmsh, cells)
    facets = [place[model.mesh.getElements(1, curve)[2][0]].reshape(-1, 2) for curve in curves]
    return {
        "points": points[:, :2],
        "cells": place[cells].reshape(-1, 3),
        "facets": np.concatenate(facets),
        "facet_edges": np.repeat(np.arange(len(curves)), [len(part) for part in facets]),
    }


def _curve(geo, vertices: list[int], task: dict[str, np.ndarray], edge: int) -> int:
    start, end = (vertices[i] for i in task["edges"][edge])
    if not task["bent"][edge]:
        return geo.addLine(start, end)
    return geo.addSpline([start, *(geo.addPoint(x, y, 0.0) for x, y in task["controls"][edge]), end])


def _set_sizes(gmsh, task: dict[str, np.ndarray]) -> None:
    size = float(task["mesh_size"])
    options = {
        "Mesh.Algorithm": int(task["algorithm"]),
        "Mesh.MeshSizeMax": size,
        "Mesh.MeshSizeExtendFromBoundary": 0,
        "Mesh.MinimumCurveNodes": 3,
    }
    if "quads" in task:
        view = gmsh.view.add("sizes")
        gmsh.view.addListData(view, "SQ", len(task["quads"]), task["quads"].ravel())
        field = gmsh.model.mesh.field.add("PostView")
        gmsh.model.mesh.field.setNumber(field, "ViewTag", view)
        gmsh.model.mesh.field.setAsBackgroundMesh(field)
    else:
        options["Mesh.MeshSizeMin"] = size
    _set(gmsh, options)


def _set(gmsh, options: Mapping[str, float]) -> None:
    for name, value in {**_FIXED, **options}.items():
        gmsh.option.setNumber(name, value)


def _faces(gmsh, task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Faces that meet in edges; `loops` are the signed numbers of their edges from one on, the outer loop first."""
    model, edges = gmsh.model, task["edges"]
    vertices = [model.geo.addPoint(x, y, 0.0) for x, y in task["nodes"]]
    curves = np.array([model.geo.addLine(vertices[a], vertices[b]) for a, b in edges])
    lengths = np.linalg.norm(np.diff(task["nodes"][edges], axis=1)[:, 0], axis=1)
    for curve, count in zip(curves, np.maximum(np.round(lengths / task["edge_sizes"]), 1), strict=True):
        model.geo.mesh.setTransfiniteCurve(int(curve), int(count) + 1)
    bounds = np.cumsum([0, *task["loop_sizes"]])
    signed = np.sign(task["loops"]) * curves[np.abs(task["loops"]) - 1]
    loops = [model.geo.addCurveLoop(signed[low:high].tolist()) for low, high in itertools.pairwise(bounds)]
    surfaces = [
        model.geo.addPlaneSurface([loops[i] for i in np.flatnonzero(task["loop_faces"] == face)])
        for face in range(len(task["face_sizes"]))
    ]
    model.geo.synchronize()
    # Lines with the same face on both sides.
    for face in np.unique(task["left"][task["left"] == task["right"]]):
        inner = curves[(task["left"] == face) & (task["right"] == face)]
        model.mesh.embed(1, inner.tolist(), 2, surfaces[face])
    fields = model.mesh.field
    for surface, size in zip(surfaces, task["face_sizes"], strict=True):
        field = fields.add("Constant")
        fields.setNumbers(field, "SurfacesList", [surface])
        fields.setNumber(field, "VIn", size)
    least = fields.add("Min")
    fields.setNumbers(least, "FieldsList", list(range(1, len(surfaces) + 1)))
    fields.setAsBackgroundMesh(least)
    _set(gmsh, {"Mesh.Algorithm": int(task["algorithm"]), "Mesh.MeshSizeExtendFromBoundary": 1})
    model.mesh.generate(2)
    cells = [model.mesh.getElements(2, surface)[2][0] for surface in surfaces]
    facets = [model.mesh.getElements(1, int(curve))[2][0] for curve in curves]
    points, place = _nodes(gmsh, np.concatenate(cells))
    return {
        "points": points[:, :2],
        "cells": place[np.concatenate(cells)].reshape(-1, 3),
        "cell_faces": np.repeat(np.arange(len(cells)), [len(part) // 3 for part in cells]),
        "facets": place[np.concatenate(facets)].reshape(-1, 2),
        "facet_edges": np.repeat(np.arange(len(facets)), [len(part) // 2 for part in facets]),
    }


def _nodes(gmsh, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nodes of cells, and the place of each among them by gmsh's number."""
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    used = np.isin(tags, cells)
    place = np.zeros(int(np.max(tags)) + 1, np.int64)
    place[tags[used]] = np.arange(np.sum(used))
    return coordinates.reshape(-1, 3)[used], place


def _solid(gmsh, task: dict) -> dict[str, np.ndarray]:
    """A tree of swept leaves, as `_regions/occ_worker` describes it."""
    failures = []
    for sectors in _SECTORS:
        gmsh.clear()
        options = {"Mesh.Algorithm": task["algorithm"], "Mesh.MeshSizeMax": task["mesh_size"]}
        _set(gmsh, options | {"Mesh.MinimumCircleNodes": _TO_A_TURN})
        try:
            bodies = _body(gmsh.model.occ, task, sectors)
            gmsh.model.occ.synchronize()
            gmsh.model.mesh.generate(3)
            cells = np.concatenate([gmsh.model.mesh.getElementsByType(4, tag)[1] for _, tag in bodies])
        except Exception as error:  # noqa: BLE001
            # gmsh raises nothing more exact.
            failures.append(f"{error}".strip().splitlines()[-1])
            continue
        points, place = _nodes(gmsh, cells)
        volume = sum(gmsh.model.occ.getMass(*body) for body in bodies)
        return {"points": points, "cells": place[cells].reshape(-1, 4), "volume": np.array(volume)}
    raise RuntimeError("; ".join(dict.fromkeys(failures)))


def _body(occ, task: dict, sectors: int) -> list[tuple[int, int]]:
    stack = []
    for step in task["steps"]:
        if isinstance(step, int):
            stack.append(_leaf(occ, task["leaves"][step], sectors))
            continue
        b, a = stack.pop(), stack.pop()
        operate = {"union": occ.fuse, "intersection": occ.intersect, "difference": occ.cut}[step]
        stack.append(operate(a, b)[0])
    (body,) = stack
    return body


def _leaf(occ, leaf: dict, sectors: int) -> list[tuple[int, int]]:
    """The sum of what the outer rings sweep, without what the holes sweep."""
    bodies: list[list] = [[], []]
    for ring, is_hole in zip(leaf["rings"], leaf["holes"], strict=True):
        bodies[is_hole] += _swept(occ, ring, leaf, sectors)
    solid, holes = bodies[0], bodies[1]
    if len(solid) > 1:
        solid = occ.fuse(solid[:1], solid[1:])[0]
    return occ.cut(solid, holes)[0] if holes else solid


def _swept(occ, ring: list, leaf: dict, sectors: int) -> list[tuple[int, int]]:
    # Neighbours in the ring share the vertex at the end of one and the start of the other.
    starts = [occ.addPoint(*edge[0]) for edge in ring]
    curves = [
        _solid_edge(occ, start, edge[1:-1], end)
        for edge, start, end in zip(ring, starts, [*starts[1:], starts[0]], strict=True)
    ]
    face = [(2, occ.addPlaneSurface([occ.addCurveLoop(curves)]))]
    if "along" in leaf:
        return [body for body in occ.extrude(face, *leaf["along"]) if body[0] == 3]
    axis = (*leaf["origin"], *leaf["axis"])
    share = np.radians(leaf["degrees"]) / sectors
    bodies = []
    for i in range(sectors):
        turned = face if i == 0 else occ.copy(face)
        occ.rotate(turned, *axis, i * share)
        bodies.append(turned)
    swept = [[body for body in occ.revolve(turned, *axis, share) if body[0] == 3] for turned in bodies]
    return occ.fuse(swept[0], [body for part in swept[1:] for body in part])[0] if sectors > 1 else swept[0]


def _solid_edge(occ, start: int, inner: list, end: int) -> int:
    """Two points are joined by a segment, three by a circular arc, four control a cubic."""
    between = [occ.addPoint(*point) for point in inner]
    if not between:
        return occ.addLine(start, end)
    if len(between) == 1:
        return occ.addCircleArc(start, between[0], end, center=False)
    return occ.addBezier([start, *between, end])
