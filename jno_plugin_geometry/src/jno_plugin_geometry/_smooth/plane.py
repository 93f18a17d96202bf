"""Smooth distances in the plane, from the pieces of an outline."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jno_plugin_geometry._regions.curves import Arc, Segment
from jno_plugin_geometry._smooth.joining import Face

Piece: TypeAlias = Segment | Arc


def faces_of_pieces(pieces: Sequence[Piece], points: Float[Array, "n 2"]) -> list[Face]:
    """A face for each piece; the pieces of a whole ellipse are one face without trims."""
    faces = [_of_segment(piece, points) for piece in pieces if isinstance(piece, Segment)]
    groups: list[list[Arc]] = []
    for arc in (piece for piece in pieces if isinstance(piece, Arc)):
        same = [group for group in groups if _same_ellipse(group[0], arc)]
        same[0].append(arc) if same else groups.append([arc])
    for group in groups:
        turn = sum(abs(arc.end - arc.begin) for arc in group)
        if turn > 2 * math.pi * (1 - 1e-12):
            faces.append(Face(_implicit(group[0], points), ()))
        else:
            faces += [_of_arc(arc, points) for arc in group]
    return faces


def inside(rings: Sequence[Sequence[Piece]], points: Float[Array, "n 2"]) -> Bool[Array, " n"]:
    """Whether points lie inside, by the winding number of the rings."""
    angles = [_angle(piece, points) for ring in rings for piece in ring]
    return jnp.sum(jnp.stack(angles), axis=0) > math.pi


def _same_ellipse(a: Arc, b: Arc) -> bool:
    return all(np.array_equal(x, y) for x, y in ((a.center, b.center), (a.first, b.first), (a.second, b.second)))


def _of_segment(piece: Segment, points: Float[Array, "n 2"]) -> Face:
    along = piece.end - piece.start
    length = float(np.linalg.norm(along))
    x, y = _columns(points, (piece.start + piece.end) / 2)
    # Positive inside the circle whose diameter is the segment, with a gradient of length 1 at its ends.
    return Face((x * along[1] - y * along[0]) / length, ((length**2 / 4 - x**2 - y**2) / length,))


def _of_arc(arc: Arc, points: Float[Array, "n 2"]) -> Face:
    start, end, middle = (_point(arc, t) for t in (arc.begin, arc.end, (arc.begin + arc.end) / 2))
    along = end - start
    normal = np.array([along[1], -along[0]]) / np.linalg.norm(along)
    normal = normal * np.sign((middle - start) @ normal)
    x, y = _columns(points, start)
    return Face(_implicit(arc, points), (x * normal[0] + y * normal[1],))


def _implicit(arc: Arc, points: Float[Array, "n 2"]) -> Float[Array, " n"]:
    """Zero on the ellipse, with a gradient of length 1 there; positive inside."""
    inverse = np.linalg.inv(np.stack([arc.first, arc.second], axis=1))
    p, q = _local(arc, points)
    value = (1 - p**2 - q**2) / 2
    metric = inverse @ inverse.T
    if abs(metric[0, 0] - metric[1, 1]) + abs(metric[0, 1]) < 1e-12 * metric[0, 0]:
        return value / math.sqrt(metric[0, 0])
    slope = metric[0, 0] * p**2 + 2 * metric[0, 1] * p * q + metric[1, 1] * q**2
    # Away from the ellipse the gradient may vanish; the value does not do so there.
    return value / jnp.sqrt(slope + value**2 * np.trace(metric))


def _local(arc: Arc, points: Float[Array, "n 2"]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """The coordinates in which the ellipse is the unit circle."""
    inverse = np.linalg.inv(np.stack([arc.first, arc.second], axis=1))
    x, y = _columns(points, arc.center)
    return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y


def _columns(
    points: Float[Array, "n 2"], origin: Float[np.ndarray, "2"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    return points[:, 0] - origin[0], points[:, 1] - origin[1]


def _point(arc: Arc, t: float) -> Float[np.ndarray, "2"]:
    return arc.center + arc.first * math.cos(t) + arc.second * math.sin(t)


def _angle(piece: Piece, points: Float[Array, "n 2"]) -> Float[Array, " n"]:
    """The angle under which a piece is seen, positive where it turns to the left around a point."""
    straight = isinstance(piece, Segment)
    start, end = (piece.start, piece.end) if straight else (_point(piece, piece.begin), _point(piece, piece.end))
    (ax, ay), (bx, by) = _columns(points, start), _columns(points, end)
    angle = jnp.arctan2(bx * -ay + ax * by, ax * bx + ay * by)
    if straight:
        return angle
    # Between the chord and the arc the chord is passed on the other side: a full turn is missing.
    sense = math.copysign(1.0, float(np.linalg.det(np.stack([piece.first, piece.second]))) * (piece.end - piece.begin))
    chord = end - start
    beyond = sense * (chord[0] * ay - chord[1] * ax) < 0
    p, q = _local(piece, points)
    return angle + jnp.where(beyond & (p**2 + q**2 < 1), sense * 2 * math.pi, 0.0)
