"""Faces that share their edges, by gmsh: its cells on both sides of an edge fit together."""

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_plugin_geometry._gmsh_process import checked_algorithm, run_gmsh
from jno_plugin_geometry._netgen_plane import clearances
from jno_plugin_geometry._polygon_arrangement import Arrangement

# How many times shorter than the mesh size edges beside a narrow gap may become.
_REFINEMENT = 10


def gmsh_triangles(
    arrangement: Arrangement,
    edge_sizes: Float[np.ndarray, " e"],
    face_sizes: Float[np.ndarray, " f"],
    algorithm: int,
    time_limit: float,
    difficulty: str,
) -> dict[str, np.ndarray]:
    """`points`, `cells`, the face of each (`cell_faces`), `facets`, and the edge that each lies on (`facet_edges`).

    Edges are cut into equal facets of about their size. Inside of a face lengths blend between those on its edges, and are
    not longer than that of the face.
    """
    # gmsh compares lengths with absolute tolerances, so it works on a geometry of size one at the origin.
    origin = np.min(arrangement.nodes, axis=0)
    scale = float(np.max(np.ptp(arrangement.nodes, axis=0)))
    gaps = clearances(arrangement.segments(), float(np.max(edge_sizes)))
    shortest = np.maximum(np.minimum(gaps, edge_sizes), edge_sizes / _REFINEMENT)
    loops, loop_sizes, loop_faces = _loops(arrangement)
    task = {
        "nodes": (arrangement.nodes - origin) / scale,
        "edges": arrangement.edges,
        "left": arrangement.left,
        "right": arrangement.right,
        "edge_sizes": shortest / scale,
        "face_sizes": face_sizes / scale,
        "loops": loops,
        "loop_sizes": loop_sizes,
        "loop_faces": loop_faces,
        "algorithm": np.array(checked_algorithm(algorithm)),
    }
    answer = run_gmsh(task, time_limit, "polygons", difficulty)
    return answer | {"points": origin + scale * answer["points"]}


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
