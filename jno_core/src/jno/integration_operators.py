"""Weights of integrals of nodal values on a mesh, outside of any problem: `IntegrationOperators`.

For expressions use `u.integrate()`.
"""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from jaxtyping import Float

from jno_core import Mesh
from jno_core.errors import JnoValueError

_CELLS = {1: "lines", 2: "triangles", 3: "tetrahedra"}


@final
class IntegrationOperators:
    """A namespace of functions of a mesh that is given as a mapping of arrays."""

    @staticmethod
    def nodal_volumes(mesh_connectivity: Mapping[str, Any]) -> Float[np.ndarray, " n"]:
        """The share of each node in the volume: of each cell 1/2, 1/3 or 1/4 in 1-D, 2-D and 3-D goes to each corner.

        `mesh_connectivity["nodal_volumes"]` if it is there, else computed from `points (N, d)`, `dimension` and the cells:
        `lines`, `triangles` or `tetrahedra`.

        Raises `JnoValueError` for another dimension or without cells.
        """
        if "nodal_volumes" in mesh_connectivity:
            return np.asarray(mesh_connectivity["nodal_volumes"])
        points = np.asarray(mesh_connectivity["points"], np.float64)
        dimension = int(mesh_connectivity.get("dimension", 1 if points.ndim == 1 else points.shape[1]))
        if dimension not in _CELLS:
            raise JnoValueError(f"Meshes have 1, 2 or 3 dimensions, got {dimension}.")
        cells = mesh_connectivity.get(_CELLS[dimension])
        if cells is None:
            raise JnoValueError(
                f"The mesh needs {_CELLS[dimension]!r} in {dimension}-D; it has {sorted(mesh_connectivity)}."
            )
        return Mesh.from_cells(points.reshape(len(points), -1)[:, :dimension], cells).node_measures("interior")
