"""What plane meshes by netgen have in common: edges that are refined until it succeeds, and nodes that lie on them."""

import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_core.errors import JnoValueError
from jno_plugin_geometry._worker import WorkerError, WorkerTimeoutError, run_worker

# How many times shorter than the mesh size edges beside a narrow gap may become: first this, then that.
_REFINEMENTS = (10, 100)


def triangulated(
    worker: pathlib.Path,
    task: Mapping[str, np.ndarray],
    shortest: Float[np.ndarray, " e"],
    longest: Float[np.ndarray, " e"] | float,
    time_limit: float,
    what: str,
    difficulty: Callable[[], str],
) -> dict[str, np.ndarray]:
    """The answer of a worker that is given `edge_sizes` too: `shortest`, but not much shorter than `longest`.

    Raises `JnoValueError` naming `what` is meshed, and the `difficulty`, when netgen fails or takes too long.
    """
    reason = "no attempt"
    for refinement in _REFINEMENTS:
        sizes = np.maximum(shortest, longest / refinement)
        try:
            return run_worker(worker, {**task, "edge_sizes": sizes}, time_limit)
        except WorkerTimeoutError as error:
            raise JnoValueError(f"netgen did not finish within {time_limit:.0f} s. {difficulty()}") from error
        except WorkerError as error:
            reason = str(error)
    raise JnoValueError(f"netgen could not mesh the {what}: {reason}. {difficulty()}")


def put_on_edges(
    points: Float[np.ndarray, "n 2"],
    facets: Int[np.ndarray, "f 2"],
    starts: Float[np.ndarray, "f 2"],
    ends: Float[np.ndarray, "f 2"],
    corners: Float[np.ndarray, "c 2"],
) -> Float[np.ndarray, "f 2"]:
    """Move the nodes of facets onto their edges to the last bit, in place; returns how far along the edges they are."""
    start, along = starts[:, None], (ends - starts)[:, None]
    fraction = np.sum((points[facets] - start) * along, axis=-1) / np.sum(along**2, axis=-1)
    points[facets] = start + fraction[..., None] * along
    # Corners come last, because they belong to several edges.
    tree = shapely.STRtree(np.asarray(shapely.points(points)))
    points[tree.nearest(np.asarray(shapely.points(corners)))] = corners
    return fraction


def clearances(segments: Float[np.ndarray, "e 2 2"], reach: float) -> Float[np.ndarray, " e"]:
    """The distance of each segment from the nearest one that it does not touch; infinite beyond `reach`."""
    edges = np.asarray(shapely.linestrings(segments))
    near, other = shapely.STRtree(edges).query(edges, predicate="dwithin", distance=reach)
    distances = np.asarray(shapely.distance(edges[near], edges[other]))
    found = np.full(len(edges), np.inf)
    apart = distances > 0
    np.minimum.at(found, near[apart], distances[apart])
    return found
