"""Faces that share their edges, by gmsh: its cells on both sides of an edge fit together."""

from collections.abc import Mapping

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_plugin_geometry._gmsh_process import checked_algorithm, run_gmsh
from jno_plugin_geometry._polygon_arrangement import Arrangement

# How many times shorter than the mesh size edges beside a narrow gap may become.
_REFINEMENT = 10


def gmsh_triangles(
    arrangement: Arrangement,
    task: Mapping[str, np.ndarray],
    shortest: Float[np.ndarray, " e"],
    longest: Float[np.ndarray, " e"],
    algorithm: int,
    time_limit: float,
    difficulty: str,
) -> dict[str, np.ndarray]:
    """`points`, `cells`, the face of each (`cell_faces`), `facets`, and the edge that each lies on (`facet_edges`).

    Edges are cut into equal facets of about their size: `shortest`, but not much shorter than `longest`. Inside of a face
    lengths blend between those on its edges, and are not longer than that of the face. `task` is what `_polygon_mesh` gives
    every mesher.
    """
    loops, loop_sizes, loop_faces = _loops(arrangement)
    more = {
        "edge_sizes": np.maximum(shortest, longest / _REFINEMENT),
        "loops": loops,
        "loop_sizes": loop_sizes,
        "loop_faces": loop_faces,
        "algorithm": np.array(checked_algorithm(algorithm)),
    }
    return run_gmsh({**task, **more}, time_limit, "polygons", difficulty)


def _loops(
    arrangement: Arrangement,
) -> tuple[Int[np.ndarray, " s"], Int[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """The rings of all faces, the outer one of a face first: edges from one on, negative against their direction; the
    number of edges of each ring, and its face.
    """
    rings, faces = shapely.get_rings(arrangement.faces, return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    tree = shapely.STRtree(np.asarray(shapely.points(arrangement.nodes)))
    node = tree.nearest(np.asarray(shapely.points(corners)))
    step = ring[1:] == ring[:-1]
    pairs = np.stack([node[:-1], node[1:]], axis=1)[step]
    number = {(a, b): i for i, (a, b) in enumerate(arrangement.edges.tolist(), start=1)}
    number |= {(b, a): -i for (a, b), i in number.items()}
    signed = np.array([number[a, b] for a, b in pairs.tolist()])
    return signed, np.bincount(ring[1:][step], minlength=len(rings)), faces
