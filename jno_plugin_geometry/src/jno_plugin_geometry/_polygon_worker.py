"""The child process of `_polygon_mesh`: reads arrays from standard input, writes the mesh to standard output.

Run as a script, so that it imports netgen and numpy and nothing else.
"""

import io
import os
import sys

import numpy as np
from netgen.geom2d import SplineGeometry


def _generate(task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    geometry = SplineGeometry()
    nodes = [geometry.AppendPoint(*node) for node in task["nodes"]]
    rows = zip(task["edges"], task["left"], task["right"], task["edge_sizes"], strict=True)
    for number, ((a, b), left, right, size) in enumerate(rows):
        # netgen counts faces from one; zero is the outside.
        sides = {"leftdomain": int(left) + 1, "rightdomain": int(right) + 1}
        geometry.Append(["line", nodes[a], nodes[b]], bc=number + 1, maxh=size, **sides)
    for face, size in enumerate(task["face_sizes"]):
        geometry.SetDomainMaxH(face + 1, size)
    mesh = geometry.GenerateMesh(maxh=float(np.max(task["face_sizes"])))
    segments, triangles = mesh.Elements1D().NumPy(), mesh.Elements2D().NumPy()
    return {
        "points": np.array(mesh.Coordinates())[:, :2],
        "cells": triangles["nodes"][:, :3].astype(np.int64) - 1,
        "cell_faces": triangles["index"].astype(np.int64) - 1,
        "facets": segments["nodes"][:, :2].astype(np.int64) - 1,
        "facet_edges": segments["index"].astype(np.int64) - 1,
    }


def _main() -> None:
    # netgen may print; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as task:
        answer = _generate(dict(task))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())


if __name__ == "__main__":
    _main()
