"""The child process of `_closed_surface`: reads arrays from standard input, writes the mesh to standard output.

Run as a script, so that it imports netgen and numpy and nothing else.
"""

import importlib
import io
import os
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np

# A compiled module, of whose contents nothing is declared.
STLGeometry: Any = importlib.import_module("netgen.stl").STLGeometry

# A binary .stl file: a header, the number of triangles, and for each its normal, its corners and two more bytes.
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])


def _generate(corners: np.ndarray, mesh_size: float) -> dict[str, np.ndarray]:
    triangles = np.zeros(len(corners), _TRIANGLE)
    triangles["corners"] = corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles["normal"] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "surface.stlb")
        path.write_bytes(bytes(80) + np.uint32(len(corners)).tobytes() + triangles.tobytes())
        mesh = STLGeometry(str(path)).GenerateMesh(maxh=mesh_size)
    cells = mesh.Elements3D().NumPy()["nodes"][:, :4].astype(np.int64) - 1
    return {"points": np.array(mesh.Coordinates()), "cells": cells}


def _main() -> None:
    # netgen may print; the real standard output is kept for the answer alone.
    answer_file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as task:
        answer = _generate(task["corners"], float(task["mesh_size"]))
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **answer)
    with answer_file:
        answer_file.write(buffer.getvalue())


if __name__ == "__main__":
    _main()
