"""The child process of `_netgen`: reads arrays from standard input, writes the mesh to standard output.

Run as a script, so that it imports netgen and numpy and nothing else.
"""

import io
import os
import sys

import numpy as np
from netgen.geom2d import SplineGeometry


def _generate(starts: np.ndarray, following: np.ndarray, edge_sizes: np.ndarray, mesh_size: float) -> dict:
    geometry = SplineGeometry()
    nodes = [geometry.AppendPoint(*start) for start in starts]
    for edge, (onward, size) in enumerate(zip(following, edge_sizes, strict=True)):
        geometry.Append(["line", nodes[edge], nodes[onward]], leftdomain=1, rightdomain=0, bc=edge + 1, maxh=size)
    mesh = geometry.GenerateMesh(maxh=mesh_size)
    segments = mesh.Elements1D().NumPy()
    return {
        "points": np.array(mesh.Coordinates())[:, :2],
        "cells": mesh.Elements2D().NumPy()["nodes"][:, :3].astype(np.int64) - 1,
        "facets": segments["nodes"][:, :2].astype(np.int64) - 1,
        "facet_edges": segments["index"].astype(np.int64) - 1,
    }


def _main() -> None:
    # netgen may print; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as task:
        answer = _generate(task["starts"], task["following"], task["edge_sizes"], float(task["mesh_size"]))
    buffer = io.BytesIO()
    np.savez(buffer, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())


if __name__ == "__main__":
    _main()
