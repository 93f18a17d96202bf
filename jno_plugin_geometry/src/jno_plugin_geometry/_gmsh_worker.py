"""The child process of `_gmsh`: reads arrays from standard input, writes the mesh to standard output.

Run as a script, so that it imports gmsh and numpy and nothing else.
"""

import io
import itertools
import os
import sys

import numpy as np

# Tells the parent that gmsh or a library that it needs is missing.
MISSING = 3


def _generate(gmsh, task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
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
    tags, coordinates, _ = model.mesh.getNodes()
    cells = np.concatenate([model.mesh.getElements(2, surface)[2][0] for surface in surfaces])
    # The points that guide splines are nodes of no cell.
    used = np.isin(tags, cells)
    place = np.zeros(int(np.max(tags)) + 1, np.int64)
    place[tags[used]] = np.arange(np.sum(used))
    facets = [place[model.mesh.getElements(1, curve)[2][0]].reshape(-1, 2) for curve in curves]
    return {
        "points": coordinates.reshape(-1, 3)[used, :2],
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
        "Mesh.MeshSizeFromPoints": 0,
        "Mesh.MeshSizeFromCurvature": 0,
        "Mesh.MeshSizeExtendFromBoundary": 0,
        "Mesh.MinimumCurveNodes": 3,
        "Mesh.MaxNumThreads1D": 1,
        "Mesh.MaxNumThreads2D": 1,
    }
    if "quads" in task:
        view = gmsh.view.add("sizes")
        gmsh.view.addListData(view, "SQ", len(task["quads"]), task["quads"].ravel())
        field = gmsh.model.mesh.field.add("PostView")
        gmsh.model.mesh.field.setNumber(field, "ViewTag", view)
        gmsh.model.mesh.field.setAsBackgroundMesh(field)
    else:
        options["Mesh.MeshSizeMin"] = size
    for name, value in options.items():
        gmsh.option.setNumber(name, value)


def _main() -> int:
    # gmsh prints; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        task = dict(given)
    try:
        # Here, because what is missing must reach the parent as an answer.
        import gmsh
    except (ImportError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return MISSING
    gmsh.initialize([], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    answer = _generate(gmsh, task)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())
    gmsh.finalize()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
