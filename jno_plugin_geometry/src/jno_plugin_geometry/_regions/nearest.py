"""Distances of points from pieces of boundaries, and on which side of closed rings they lie."""

import numpy as np
from jaxtyping import Bool, Float

from jno_plugin_geometry._regions.arc_length import circular
from jno_plugin_geometry._regions.curves import Curves

# How many points times pieces are worked on at once: so many stay in the cache.
_BLOCK = 1 << 18


def inside(curves: Curves, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """Whether points lie inside closed rings of pieces; either way on the rings themselves.

    The rings of chords by crossings of a ray, each crossed from the lower end up to but without the upper one; then
    between arcs and chords it is the other way round.
    """
    lows, highs = curves.boxes()

    def relevant(pieces, low, high):
        # Rays go to the right.
        return (lows[pieces, 1] <= high[1]) & (highs[pieces, 1] >= low[1]) & (highs[pieces, 0] >= low[0])

    return _by_groups(curves, points, relevant, _odd, False)


def distances(curves: Curves, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """The distance of each point from the nearest piece."""
    lows, highs = curves.boxes()
    every = np.arange(len(curves))
    known = np.stack([curves.starts, curves.points(every, np.full(len(curves), 0.5))], axis=1)

    def relevant(pieces, low, high):
        # All points of the group are this near to the known points on pieces, and a piece as far off is of no use.
        middle, radius = (low + high) / 2, np.hypot(*(high - low)) / 2
        reach = np.sqrt(np.min(np.sum((known[pieces] - middle) ** 2, axis=-1))) + 2 * radius
        gap = np.maximum(np.maximum(lows[pieces] - middle, middle - highs[pieces]), 0.0)
        return np.hypot(*gap.T) <= reach * (1 + 1e-9)

    return _by_groups(curves, points, relevant, _nearest, np.nan)


def _by_groups(curves: Curves, points, relevant, measure, default):
    """`measure(pieces, points)` for groups of points close together, with the pieces that are `relevant` to each.

    Points that are not finite get the `default`.
    """
    result = np.full(len(points), default)
    coordinates = np.ascontiguousarray(points.T)
    groups = [(np.flatnonzero(np.all(np.isfinite(points), axis=1)), np.arange(len(curves)))]
    while groups:
        rows, pieces = groups.pop()
        if len(rows) == 0:
            continue
        here = coordinates[:, rows]
        low, high = np.min(here, axis=1), np.max(here, axis=1)
        pieces = pieces[relevant(pieces, low, high)]
        if len(rows) == 1 or len(rows) * len(pieces) <= _BLOCK:
            result[rows] = measure(curves.take(pieces), points[rows])
            continue
        half = len(rows) // 2
        order = np.argpartition(here[np.argmax(high - low)], half)
        groups += [(rows[order[:half]], pieces), (rows[order[half:]], pieces)]
    return result


def _odd(curves: Curves, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """Whether a ray from each point, and the areas between chords and arcs, count an odd number of times."""
    arcs = np.flatnonzero(curves.bent)
    low, along, on_line, sign = _lines(curves)
    x, y = points[:, 0, None], points[:, 1, None]
    side = along[:, 0] * (y - low[:, 1]) - along[:, 1] * (x - low[:, 0])
    left = np.where(side == 0, on_line, side > 0)
    straddles = (curves.starts[:, 1] > y) != (curves.ends[:, 1] > y)
    count = np.count_nonzero(straddles & (left == (along[:, 1] > 0)), axis=1)
    if arcs.size:
        to_unit = np.linalg.inv(np.stack([curves.firsts, curves.seconds], axis=2)[arcs])
        bulges_left = sign * curves.turns() < 0
        dx, dy = x - curves.centers[arcs, 0], y - curves.centers[arcs, 1]
        u, v = (to_unit[:, i, 0] * dx + to_unit[:, i, 1] * dy for i in range(2))
        count += np.count_nonzero((left[:, arcs] == bulges_left[arcs]) & (u * u + v * v < 1), axis=1)
    return count % 2 == 1


def _lines(curves: Curves):
    """The chords from left to right: where they start, where to, whether a point on one counts as left of it, and the
    sign of the piece's own direction.

    Chords are no boundary, so a point on one must be on the same side of it whenever it is asked for, also for the
    other half of an ellipse. It counts as a little farther to the right and, much less, farther up.
    """
    swap = (curves.starts[:, 0] > curves.ends[:, 0]) | (
        (curves.starts[:, 0] == curves.ends[:, 0]) & (curves.starts[:, 1] > curves.ends[:, 1])
    )
    low, high = (
        np.where(swap[:, None], *pair) for pair in ((curves.ends, curves.starts), (curves.starts, curves.ends))
    )
    along = high - low
    return low, along, np.where(along[:, 1] != 0, along[:, 1] < 0, along[:, 0] > 0), np.where(swap, -1.0, 1.0)


def _nearest(curves: Curves, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    nearest = np.full(len(points), np.inf)
    round_ones = circular(curves)
    lines, circles = curves.take(~curves.bent), curves.take(round_ones)
    if len(lines):
        nearest = _from_lines(lines, points)
    if len(circles):
        nearest = np.minimum(nearest, _from_circles(circles, points))
    ellipses = curves.take(curves.bent & ~round_ones)
    for i in range(len(ellipses)):
        nearest = np.minimum(nearest, _from_ellipse(ellipses, i, points))
    return nearest


def _from_lines(lines: Curves, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    along = lines.ends - lines.starts
    direction = along / np.sum(along**2, axis=1, keepdims=True)
    dx, dy = points[:, 0, None] - lines.starts[:, 0], points[:, 1, None] - lines.starts[:, 1]
    share = np.clip(dx * direction[:, 0] + dy * direction[:, 1], 0.0, 1.0)
    dx -= share * along[:, 0]
    dy -= share * along[:, 1]
    return np.sqrt(np.min(dx * dx + dy * dy, axis=1))


def _from_circles(circles: Curves, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    turns = circles.turns()
    # The sector between the two ends, to the left of the first and to the right of the second for a left turn.
    first = (circles.starts - circles.centers) * np.sign(turns)[:, None]
    last = (circles.ends - circles.centers) * np.sign(turns)[:, None]
    dx, dy = points[:, 0, None] - circles.centers[:, 0], points[:, 1, None] - circles.centers[:, 1]
    within = (first[:, 0] * dy - first[:, 1] * dx >= 0) & (dx * last[:, 1] - dy * last[:, 0] >= 0)
    off = np.abs(np.hypot(dx, dy) - np.sqrt(np.abs(turns)))
    return np.minimum(np.min(np.where(within, off, np.inf), axis=1), _from_vertices(circles, points))


def _from_vertices(curves: Curves, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    vertices = np.concatenate([curves.starts, curves.ends])
    dx, dy = points[:, 0, None] - vertices[:, 0], points[:, 1, None] - vertices[:, 1]
    return np.sqrt(np.min(dx * dx + dy * dy, axis=1))


def _from_ellipse(ellipses: Curves, i: int, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """The distance from an arc: to its ends, or to the one or two points of the ellipse nearer than all around them."""
    firsts, seconds, shifts = ellipses.axes()
    long, ratio = np.hypot(*firsts[i]), np.hypot(*seconds[i]) / np.hypot(*firsts[i])
    offset = points - ellipses.centers[i]
    x, y = offset @ firsts[i] / long**2, offset @ seconds[i] / (long**2 * ratio)
    cos, sin = _nearest_in_quadrant(np.abs(x), np.abs(y), ratio)
    other_cos, other_sin = _nearest_across(np.abs(x), np.abs(y), ratio)
    right, up = np.where(x < 0, -1.0, 1.0), np.where(y < 0, -1.0, 1.0)
    nearest = _from_vertices(ellipses.take(np.array([i])), points)
    for c, s in ((cos * right, sin * up), (other_cos * right, -other_sin * up)):
        ahead = np.mod(np.arctan2(s, c) + shifts[i] - ellipses.begins[i], 2 * np.pi)
        found = long * np.hypot(x - c, y - ratio * s)
        nearest = np.where(ahead <= ellipses.stops[i] - ellipses.begins[i], np.minimum(nearest, found), nearest)
    return nearest


def _nearest_in_quadrant(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], b: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Cosine and sine of the point of the ellipse with axes 1 and b <= 1 that is nearest to `(x, y) >= 0`.

    It is `(x / (u + k), b y / u)` with the `u` at which this has length one. The length falls and is convex in `u`, so
    Newton's method rises to the root from where one of the two is one already.
    """
    k, by = 1 - b * b, b * y
    u = np.maximum(by, x - k)
    active = np.flatnonzero(u > 0)
    for _ in range(100):
        v, c, s = u[active], x[active] / (u[active] + k), by[active] / u[active]
        step = (c * c + s * s - 1) / (2 * (c * c / (v + k) + s * s / v))
        u[active] = v + np.maximum(step, 0.0)
        active = active[step > 1e-15 * v]
        if active.size == 0:
            break
    on_axis = u <= 0
    safe = np.where(on_axis, 1.0, u)
    cos = np.where(on_axis, x / max(k, np.finfo(float).tiny), x / (safe + k))
    sin = np.where(on_axis, np.sqrt(np.maximum(1 - cos * cos, 0.0)), by / safe)
    size = np.hypot(cos, sin)
    return cos / size, sin / size


def _nearest_across(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], b: float
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Cosine and sine, both positive, of the other point nearer than all around it, which lies beyond the x axis.

    With an angle `s` from the y axis it solves `x - k sin s + b y tan s = 0`; the left side is convex, so Newton's
    method rises to its first root from 0. Where there is none, any point of the ellipse is returned.
    """
    k, by = 1 - b * b, b * y
    angle = np.zeros_like(x)
    active = np.arange(len(x))
    for _ in range(60):
        t = angle[active]
        value = x[active] - k * np.sin(t) + by[active] * np.tan(t)
        slope = by[active] / np.cos(t) ** 2 - k * np.cos(t)
        rising = (slope < 0) & (value > 0)
        step = np.where(rising, -value / np.where(rising, slope, 1.0), 0.0)
        angle[active] = np.minimum(t + step, 0.5 * np.pi)
        active = active[(step > 1e-15) & (angle[active] < 0.5 * np.pi)]
        if active.size == 0:
            break
    return np.sin(angle), np.cos(angle)
