"""What `_polygon_mesh` runs in a child process, by `_worker_main`, where netgen is the mesher."""

import numpy as np
from netgen.geom2d import SplineGeometry


def generate(task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh of faces from nodes, edges with the faces beside them, and the sizes of both."""
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
