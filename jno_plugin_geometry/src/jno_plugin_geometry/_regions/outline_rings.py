"""Closed rings from loose pieces of a boundary."""

import numpy as np
from jaxtyping import Float, Int

from jno_plugin_geometry._regions.curves import Curves


class UnbalancedError(Exception):
    """At some vertex more pieces end than start."""


def rings_of(
    curves: Curves, starts: Int[np.ndarray, " k"], ends: Int[np.ndarray, " k"], tolerance: float
) -> tuple[Int[np.ndarray, " r"], tuple[int, ...]]:
    """The pieces in the order of simple closed rings, and the sizes of these; rings without width are left out.

    Where several rings meet in a vertex, each goes on with the piece on the other side of the region's corner there:
    so components that touch get a ring each. A ring that would still touch itself is cut in two there.
    """
    if not np.array_equal(np.sort(starts), np.sort(ends)):
        raise UnbalancedError
    following = _following(curves, starts, ends)
    rings: list[list[int]] = []
    fresh = np.ones(len(starts), bool)
    for first in range(len(starts)):
        path: list[int] = []
        piece = first
        while fresh[piece]:
            fresh[piece] = False
            path.append(piece)
            piece = int(following[piece])
        rings += _simple(path, starts)
    areas = [curves.take(np.array(ring)).area() for ring in rings]
    low, high = curves.boxes() if rings else (np.zeros((1, 2)), np.zeros((1, 2)))
    # The angles of arcs are rounded, and with them their areas.
    rounding = 8 * np.finfo(float).eps * float(np.max(np.abs(curves.turns()), initial=0.0))
    flat = max(tolerance * float(np.max(np.max(high, axis=0) - np.min(low, axis=0))), rounding)
    rings = [ring for ring, area in zip(rings, areas, strict=True) if abs(area) > flat]
    return np.array([piece for ring in rings for piece in ring], dtype=int), tuple(len(ring) for ring in rings)


def _simple(path: list[int], starts: Int[np.ndarray, " k"]) -> list[list[int]]:
    """The loops between visits of the same vertex."""
    loops, rest, seen = [], [], {}
    for piece in path:
        vertex = int(starts[piece])
        if vertex in seen:
            place = seen[vertex]
            loops.append(rest[place:])
            for gone in rest[place:]:
                seen.pop(int(starts[gone]))
            del rest[place:]
        seen[vertex] = len(rest)
        rest.append(piece)
    return [*loops, rest] if rest else loops


def _following(curves: Curves, starts: Int[np.ndarray, " k"], ends: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """For each piece the one to go on with."""
    leaving, arriving = np.argsort(starts, kind="stable"), np.argsort(ends, kind="stable")
    following = np.empty(len(starts), int)
    # Both lists run through the same vertices, each as often.
    following[arriving] = leaving
    crowded, counts = np.unique(starts, return_counts=True)
    for vertex in crowded[counts > 1]:
        out, into = np.flatnonzero(starts == vertex), np.flatnonzero(ends == vertex)
        for piece, successor in _corners(out, into, *_angles(curves, out, into)):
            following[piece] = successor
    return following


def _corners(out: Int[np.ndarray, " k"], into: Int[np.ndarray, " k"], out_angles, into_angles) -> list[tuple[int, int]]:
    """Pairs of an arriving and a leaving piece with the region's corner between them.

    It lies to the left of the leaving piece, up to the next one that arrives. Where rounding has changed the order, so that
    they do not take turns, pairs enclose others, like brackets.
    """
    order = np.argsort(np.concatenate([out_angles, into_angles]))
    steps = np.where(order < len(out), 1, -1)
    # From the deepest place on, no bracket is closed before it is opened.
    order = np.roll(order, -1 - int(np.argmin(np.cumsum(steps))))
    open_ones, pairs = [], []
    for k in order.tolist():
        if k < len(out):
            open_ones.append(out[k])
        else:
            pairs.append((into[k - len(out)], open_ones.pop()))
    return pairs


def _angles(
    curves: Curves, out: Int[np.ndarray, " k"], into: Int[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The directions in which pieces leave and arrive at a vertex, seen from there.

    They are taken on a circle around the vertex, which tells curves apart that have the same tangent.
    """
    index = np.concatenate([out, into])
    leaves = np.arange(len(index)) < len(out)
    vertex = curves.starts[out[0]]
    low, high = np.zeros(len(index)), np.full(len(index), 0.5)
    middle = curves.points(index, np.full(len(index), 0.5))
    radius = 0.2 * np.min(np.hypot(*(middle - vertex).T))
    offset = middle - vertex
    for _ in range(50):
        share = (low + high) / 2
        offset = curves.points(index, np.where(leaves, share, 1 - share)) - vertex
        far = np.hypot(*offset.T) > radius
        low, high = np.where(far, low, share), np.where(far, share, high)
    angles = np.arctan2(offset[:, 1], offset[:, 0])
    return angles[: len(out)], angles[len(out) :]
