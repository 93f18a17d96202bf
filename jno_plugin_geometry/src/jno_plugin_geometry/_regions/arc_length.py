"""Lengths along pieces of boundaries, and the points at given lengths."""

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_plugin_geometry._regions.curves import Curves

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
# Axes that differ by a smaller share are those of a circle, but for rounding.
_ROUND = 1e-13
_MAX_PANELS = 20_000
_BLOCK = 1 << 17


def circular(curves: Curves) -> Bool[np.ndarray, " p"]:
    """Which pieces are arcs of circles."""
    first, second = np.sum(curves.firsts**2, axis=1), np.sum(curves.seconds**2, axis=1)
    dot = np.sum(curves.firsts * curves.seconds, axis=1)
    return curves.bent & (np.hypot(first - second, 2 * dot) <= 2 * _ROUND * first)


def lengths(curves: Curves) -> Float[np.ndarray, " p"]:
    """The length of each piece: in closed form for segments and arcs of circles, of ellipses by quadrature."""
    chord = np.hypot(*(curves.ends - curves.starts).T)
    radius = np.sqrt(np.abs(curves.turns()))
    length = np.where(curves.bent, radius * (curves.stops - curves.begins), chord)
    for i in np.flatnonzero(curves.bent & ~circular(curves)):
        length[i] = _table(curves, int(i))[1][-1]
    return length


def split(
    measures: Float[np.ndarray, " p"], share: Float[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The piece in which a share of the total of all measures ends, and what share of its own measure is then behind."""
    bounds = np.concatenate([[0.0], np.cumsum(measures)])
    place = share * bounds[-1]
    piece = np.clip(np.searchsorted(bounds, place, side="right") - 1, 0, len(measures) - 1)
    return piece, np.clip((place - bounds[piece]) / measures[piece], 0.0, 1.0)


def fractions_at(
    curves: Curves, index: Int[np.ndarray, " k"], share: Float[np.ndarray, " k"]
) -> Float[np.ndarray, " k"]:
    """The fraction of the parameter interval of each piece at which a share of its length is behind."""
    fraction = share.copy()
    for i in np.flatnonzero(curves.bent & ~circular(curves)):
        chosen = np.flatnonzero(index == i)
        if chosen.size:
            angles, behind = _table(curves, int(i))
            for block in np.array_split(chosen, len(chosen) // (_BLOCK // len(_NODES)) + 1):
                angle = _angle_at(curves, i, share[block] * behind[-1], angles, behind)
                fraction[block] = (angle - curves.begins[i]) / (curves.stops[i] - curves.begins[i])
    return np.clip(fraction, 0.0, 1.0)


def _table(curves: Curves, i: int) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Angles along an elliptic arc, and the length up to each."""
    long, short, _ = curves.axes()
    ratio = np.hypot(*short[i]) / np.hypot(*long[i])
    # The speed as a function of a complex angle is singular about `ratio` away from the real line: panels of that
    # width let the quadrature converge to rounding errors.
    span = curves.stops[i] - curves.begins[i]
    angles = np.linspace(curves.begins[i], curves.stops[i], min(int(0.7 * span / ratio) + 8, _MAX_PANELS))
    steps = _partial_lengths(curves, i, angles[:-1], angles[1:])
    return angles, np.concatenate([[0.0], np.cumsum(steps)])


def _angle_at(curves, i, length, angles, behind) -> Float[np.ndarray, " k"]:
    panel = np.clip(np.searchsorted(behind, length, side="right") - 1, 0, len(angles) - 2)
    low, high, rest = angles[panel], angles[panel + 1], length - behind[panel]
    angle = low + (high - low) * rest / (behind[panel + 1] - behind[panel])
    # The speed hardly changes in a panel, so that Newton's method is at rest after a few steps.
    for _ in range(5):
        missing = rest - _partial_lengths(curves, i, low, angle)
        angle = np.clip(angle + missing / _speed(curves, i, angle), low, high)
    return angle


def _partial_lengths(curves, i, low, high) -> Float[np.ndarray, " k"]:
    middle, half = (low + high) / 2, (high - low) / 2
    return half * (_speed(curves, i, middle[:, None] + half[:, None] * _NODES) @ _WEIGHTS)


def _speed(curves: Curves, i: int, angle: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = (curves.seconds[i, j] * cos - curves.firsts[i, j] * sin for j in range(2))
    return np.hypot(x, y)
