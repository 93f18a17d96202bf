"""Smooth distances in the plane, from the pieces of an outline."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jno_plugin_geometry._regions.curves import Arc, Segment
from jno_plugin_geometry._smooth.joining import Faces

Piece: TypeAlias = Segment | Arc


def faces_of_pieces(pieces: Sequence[Piece], points: Float[Array, "n 2"]) -> list[Faces]:
    """A face for each piece; the pieces of a whole ellipse are one face without trims."""
    segments = [piece for piece in pieces if isinstance(piece, Segment)]
    faces = [_of_segments(segments, points)] if segments else []
    groups: list[list[Arc]] = []
    for arc in (piece for piece in pieces if isinstance(piece, Arc)):
        same = [group for group in groups if _same_ellipse(group[0], arc)]
        same[0].append(arc) if same else groups.append([arc])
    for group in groups:
        turn = sum(abs(arc.end - arc.begin) for arc in group)
        if turn > 2 * math.pi * (1 - 1e-12):
            faces.append(Faces(_implicit(group[0], points)[None], ()))
        else:
            faces += [_of_arc(arc, points) for arc in group]
    return faces


def inside(rings: Sequence[Sequence[Piece]], points: Float[Array, "n 2"]) -> Bool[Array, " n"]:
    """Whether points lie inside, by the winding number of the rings."""
    pieces = [piece for ring in rings for piece in ring]
    starts, ends = (np.stack([_end(piece, which) for piece in pieces]) for which in (0, 1))
    (ax, ay), (bx, by) = _from_each(starts, points), _from_each(ends, points)
    # The angle under which each chord is seen, positive where it turns to the left around a point.
    angle = jnp.sum(jnp.arctan2(bx * -ay + ax * by, ax * bx + ay * by), axis=0)
    for piece in pieces:
        if isinstance(piece, Arc):
            angle = angle + _beside_chord(piece, points)
    return angle > math.pi


def _same_ellipse(a: Arc, b: Arc) -> bool:
    return all(np.array_equal(x, y) for x, y in ((a.center, b.center), (a.first, b.first), (a.second, b.second)))


def _of_segments(pieces: Sequence[Segment], points: Float[Array, "n 2"]) -> Faces:
    starts, ends = np.stack([piece.start for piece in pieces]), np.stack([piece.end for piece in pieces])
    lengths = np.linalg.norm(ends - starts, axis=1)
    (u, v), length = ((ends - starts) / lengths[:, None]).T[..., None], lengths[:, None]
    u, v, length = (jnp.asarray(column, points.dtype) for column in (u, v, length))
    x, y = _from_each((starts + ends) / 2, points)
    # Positive inside the circle whose diameter is the segment, with a gradient of length 1 at its ends.
    return Faces(x * v - y * u, ((length**2 / 4 - x**2 - y**2) / length,))


def _of_arc(arc: Arc, points: Float[Array, "n 2"]) -> Faces:
    start, end, middle = (_point(arc, t) for t in (arc.begin, arc.end, (arc.begin + arc.end) / 2))
    along = end - start
    normal = np.array([along[1], -along[0]]) / np.linalg.norm(along)
    normal = normal * np.sign((middle - start) @ normal)
    x, y = _columns(points, start)
    return Faces(_implicit(arc, points)[None], ((x * normal[0] + y * normal[1])[None],))


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


def _from_each(
    origins: Float[np.ndarray, "k 2"], points: Float[Array, "n 2"]
) -> tuple[Float[Array, "k n"], Float[Array, "k n"]]:
    """The coordinates of all points from each origin."""
    x, y = jnp.asarray(origins.T[..., None], points.dtype)
    return points[None, :, 0] - x, points[None, :, 1] - y


def _end(piece: Piece, which: int) -> Float[np.ndarray, "2"]:
    if isinstance(piece, Segment):
        return piece.end if which else piece.start
    return _point(piece, piece.end if which else piece.begin)


def _point(arc: Arc, t: float) -> Float[np.ndarray, "2"]:
    return arc.center + arc.first * math.cos(t) + arc.second * math.sin(t)


def _beside_chord(arc: Arc, points: Float[Array, "n 2"]) -> Float[Array, " n"]:
    """What an arc adds to the angle of its chord: a full turn for points between them, which it passes on the other side."""
    sense = math.copysign(1.0, float(np.linalg.det(np.stack([arc.first, arc.second]))) * (arc.end - arc.begin))
    start, end = _end(arc, 0), _end(arc, 1)
    x, y = _columns(points, start)
    chord = end - start
    beyond = sense * (chord[0] * y - chord[1] * x) < 0
    p, q = _local(arc, points)
    return jnp.where(beyond & (p**2 + q**2 < 1), sense * 2 * math.pi, 0.0)
