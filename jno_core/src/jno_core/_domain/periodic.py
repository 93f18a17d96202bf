"""Pairs of boundary points that a translation carries into each other."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jno_core._interfaces import Mesh
from jno_core.errors import JnoValueError

_TOLERANCE = 1e-6


def paired_nodes(
    mesh: Mesh, first: str, second: str, offset: Any
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " d"]]:
    """The nodes of two boundary tags in the same order, and the translation from the first to the second.

    By default it is what carries the middle of one tag's bounding box to that of the other.

    Raises `JnoValueError` when a node has no partner.
    """
    nodes = [mesh.nodes(tag) for tag in (first, second)]
    a, b = (mesh.points[n] for n in nodes)
    if offset is None:
        offset = (b.min(0) + b.max(0) - a.min(0) - a.max(0)) / 2
    offset = np.asarray(offset, np.float64).reshape(-1)
    if offset.shape != a.shape[1:]:
        raise JnoValueError(f"offset must have {a.shape[1]} components, got {offset.tolist()}.")
    size = float(np.max(np.ptp(mesh.points, axis=0)))
    order, partner = _sorted(a + offset, size), _sorted(b, size)
    if len(a) != len(b) or np.max(np.abs((a + offset)[order] - b[partner]), initial=0.0) > _TOLERANCE * size:
        raise JnoValueError(
            f"The nodes of {first!r} moved by {offset.tolist()} are not those of {second!r} ({len(a)} and {len(b)} nodes). "
            "Use a mesh that is periodic, or draw points: periodic(..., sample=n, offset=(...))."
        )
    return nodes[0][order], nodes[1][partner], offset


def _sorted(points: Float[np.ndarray, "n d"], size: float) -> Int[np.ndarray, " n"]:
    """The order of points by their coordinates, rounded so that the two sides are sorted alike."""
    rounded = np.round(points / (size * _TOLERANCE * 10))
    return np.lexsort(rounded.T[::-1])
