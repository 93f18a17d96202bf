"""The child process of `solid_mesh`: reads a task from standard input, writes the mesh to standard output.

Run as a script, so that it imports netgen and numpy and nothing else.
"""

import importlib
import io
import json
import os
import sys
from typing import Any

import numpy as np

# Compiled modules, of whose contents nothing is declared.
occ: Any = importlib.import_module("netgen.occ")
NgException: Any = importlib.import_module("netgen.meshing").NgException

_SECTORS = (4, 3, 1)


def _edge(points: list) -> Any:
    """Two points are joined by a segment, three by a circular arc, four control a cubic."""
    make = {2: occ.Segment, 3: occ.ArcOfCircle, 4: lambda *poles: occ.BezierCurve(poles)}
    return make[len(points)](*map(_point, points))


def _point(point: list) -> Any:
    return occ.Pnt(*point)


def _swept(ring: list, leaf: dict, sectors: int) -> Any:
    face = occ.Face(occ.Wire([_edge(edge) for edge in ring]))
    if "along" in leaf:
        return occ.Prism(face, occ.Vec(*leaf["along"]))
    axis = occ.Axis(_point(leaf["origin"]), occ.gp_Dir(*leaf["axis"]))
    share = leaf["degrees"] / sectors
    return _sum([face.Revolve(axis, share).Rotate(axis, i * share) for i in range(sectors)])


def _sum(bodies: list) -> Any:
    # The operator + would merge faces in one plane, whose tags may differ.
    return occ.Fuse(bodies) if len(bodies) > 1 else bodies[0]


def _leaf(leaf: dict, sectors: int) -> Any:
    """The sum of what the outer rings sweep, without what the holes sweep."""
    bodies: list[list[Any]] = [[], []]
    for ring, is_hole in zip(leaf["rings"], leaf["holes"], strict=True):
        bodies[is_hole].append(_swept(ring, leaf, sectors))
    solid = _sum(bodies[0])
    for hole in bodies[1]:
        solid = solid - hole
    return solid


def _shape(task: dict, sectors: int) -> Any:
    stack = []
    for step in task["steps"]:
        if isinstance(step, int):
            stack.append(_leaf(task["leaves"][step], sectors))
            continue
        b, a = stack.pop(), stack.pop()
        stack.append(_sum([a, b]) if step == "union" else a * b if step == "intersection" else a - b)
    (shape,) = stack
    return shape


def _generate(task: dict) -> dict[str, np.ndarray]:
    failures = []
    # netgen often fails on faces that close on themselves, such as a slender cone in one piece.
    for sectors in _SECTORS:
        try:
            shape = _shape(task, sectors)
            # Threads slow small meshes down, and speed large ones up by a third at most.
            mesh = occ.OCCGeometry(shape).GenerateMesh(maxh=task["mesh_size"], parallel_meshing=False)
        except (RuntimeError, NgException) as error:
            failures.append(f"{error}".strip().splitlines()[-1])
            continue
        volume = sum(solid.mass for solid in shape.solids)
        cells = mesh.Elements3D().NumPy()["nodes"][:, :4].astype(np.int64) - 1
        return {"points": np.array(mesh.Coordinates()), "cells": cells, "volume": np.array(volume)}
    raise RuntimeError("; ".join(dict.fromkeys(failures)))


def _main() -> None:
    # netgen may print; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = _generate(json.load(sys.stdin))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())


if __name__ == "__main__":
    _main()
