"""What `_closed_surface` runs in a child process, by `_worker_main`."""

import importlib
import pathlib
import tempfile
from typing import Any

import numpy as np

# A compiled module, of whose contents nothing is declared.
STLGeometry: Any = importlib.import_module("netgen.stl").STLGeometry

# A binary .stl file: a header, the number of triangles, and for each its normal, its corners and two more bytes.
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])


def generate(task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mesh of what triangles enclose, from their corners and the size."""
    corners = task["corners"]
    triangles = np.zeros(len(corners), _TRIANGLE)
    triangles["corners"] = corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles["normal"] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "surface.stlb")
        path.write_bytes(bytes(80) + np.uint32(len(corners)).tobytes() + triangles.tobytes())
        mesh = STLGeometry(str(path)).GenerateMesh(maxh=float(task["mesh_size"]))
    cells = mesh.Elements3D().NumPy()["nodes"][:, :4].astype(np.int64) - 1
    return {"points": np.array(mesh.Coordinates()), "cells": cells}
