"""What `solid_mesh` runs in a child process, by `_worker_main`, where netgen is the mesher."""

import importlib
import json
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


def generate(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh of a solid, a tree of swept leaves, as `solid_mesh` describes it in JSON."""
    task = json.loads(given["solid"].tobytes())
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
