"""What `_netgen` runs in a child process, by `_worker_main`."""

import numpy as np
from netgen.geom2d import SplineGeometry


def generate(task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh of a region from the start of each edge, the edge that follows it, and the sizes."""
    geometry = SplineGeometry()
    nodes = [geometry.AppendPoint(*start) for start in task["starts"]]
    for edge, (onward, size) in enumerate(zip(task["following"], task["edge_sizes"], strict=True)):
        geometry.Append(["line", nodes[edge], nodes[onward]], leftdomain=1, rightdomain=0, bc=edge + 1, maxh=size)
    mesh = geometry.GenerateMesh(maxh=float(task["mesh_size"]))
    segments = mesh.Elements1D().NumPy()
    return {
        "points": np.array(mesh.Coordinates())[:, :2],
        "cells": mesh.Elements2D().NumPy()["nodes"][:, :3].astype(np.int64) - 1,
        "facets": segments["nodes"][:, :2].astype(np.int64) - 1,
        "facet_edges": segments["index"].astype(np.int64) - 1,
    }
