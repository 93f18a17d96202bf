"""The arrays of a mesh under the names that scientists know from other tools."""

from typing import Any

import numpy as np

from jno_core._interfaces import Mesh

_CELLS = {1: "lines", 2: "triangles", 3: "tetrahedra"}


def connectivity(mesh: Mesh) -> dict[str, Any]:
    """`points (n, d)`, `lines`, `triangles` or `tetrahedra` `(m, d + 1)`, `dimension`, `n_points`, and:

    - `neighbors`: for each node the nodes that it shares an edge with, a list of n arrays.
    - `nodal_volumes (n,)`: the share of each node in the volume; `nodal_ds (n,)`: in the boundary, 0 inside.
    - `boundary_edges`, `boundary_faces`: the facets of the boundary `(f, 2)` in 2-D, `(f, 3)` in 3-D.
    - `boundary_indices`, `boundary_points`: the nodes of the boundary and their coordinates.
    """
    n, facets = len(mesh.points), mesh.facets["boundary"]
    surface = np.zeros(n)
    np.add.at(surface, facets, mesh.facet_measures("boundary")[:, None] / facets.shape[1])
    boundary = mesh.nodes("boundary")
    found: dict[str, Any] = {
        "points": mesh.points,
        _CELLS[mesh.dimension]: mesh.cells,
        "dimension": mesh.dimension,
        "n_points": n,
        "neighbors": _neighbours(mesh),
        "nodal_volumes": mesh.node_measures("interior"),
        "nodal_ds": surface,
        "boundary_indices": boundary,
        "boundary_points": mesh.points[boundary],
    }
    if mesh.dimension > 1:
        found["boundary_edges" if mesh.dimension == 2 else "boundary_faces"] = facets
    return found


def _neighbours(mesh: Mesh) -> list[np.ndarray]:
    k = mesh.cells.shape[1]
    first, second = (mesh.cells[:, axis].ravel() for axis in np.nonzero(~np.eye(k, dtype=bool)))
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), dtype=bool)
    new[1:] = (np.diff(first) != 0) | (np.diff(second) != 0)
    return np.split(second[new], np.searchsorted(first[new], np.arange(1, len(mesh.points))))
