"""Where the pieces of two boundaries meet."""

import numpy as np
import shapely
from jaxtyping import Float, Int

from jno_plugin_geometry._regions.curves import Curves, cross

_TURN = 2 * np.pi
# Of an interval of angles, until nothing is left of it.
_HALVINGS = 54


def crossings(
    a: Curves, b: Curves, tolerance: float
) -> tuple[
    Int[np.ndarray, " k"],
    Float[np.ndarray, " k"],
    Int[np.ndarray, " k"],
    Float[np.ndarray, " k"],
    Float[np.ndarray, "k 2"],
]:
    """Where pieces of `a` cross or touch pieces of `b`: on both the piece and the fraction of its interval; the points.

    Where pieces meet at a vertex, or lie on each other, the result may or may not have a point: `touches` finds the
    vertices there.
    """
    i, j = _near_pairs(a, b, tolerance)
    bent_a, bent_b = a.bent[i], b.bent[j]
    swapped = bent_a & ~bent_b
    found = [
        _line_line(a, i[~(bent_a | bent_b)], b, j[~(bent_a | bent_b)]),
        _line_arc(a, i[~bent_a & bent_b], b, j[~bent_a & bent_b], tolerance),
        _arc_arc(a, i[bent_a & bent_b], b, j[bent_a & bent_b], tolerance),
    ]
    of_b, of_a, points = _line_arc(b, j[swapped], a, i[swapped], tolerance)
    i, j, points = (np.concatenate(columns) for columns in zip(*found, (of_a, of_b, points), strict=True))
    # Where pieces are almost parallel the places on both are uncertain; they must be those of one point.
    (s, apart), (t, aside) = feet(a, i, points), feet(b, j, points)
    on_both = np.maximum(apart, aside) <= tolerance
    return i[on_both], s[on_both], j[on_both], t[on_both], points[on_both]


def touches(
    curves: Curves, points: Float[np.ndarray, "n 2"], tolerance: float
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The pieces on which some of the points lie, at which fractions of their intervals, and which points."""
    low, high = curves.boxes()
    boxes = shapely.box(*(low - tolerance).T, *(high + tolerance).T)
    point, piece = shapely.STRtree(boxes).query(shapely.points(points), predicate="intersects")
    fraction, distance = feet(curves, piece, points[point])
    on = distance <= tolerance
    return piece[on], fraction[on], point[on]


def feet(
    curves: Curves, index: Int[np.ndarray, " k"], points: Float[np.ndarray, "k 2"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """For points close to pieces the fraction of the interval where each is nearest, and the distance there."""
    along = (curves.ends - curves.starts)[index]
    fraction = np.sum((points - curves.starts[index]) * along, axis=1) / np.sum(along**2, axis=1)
    bent = np.flatnonzero(curves.bent[index])
    arc = index[bent]
    fraction[bent] = _fraction(curves, arc, _in_frame(curves, arc, points[bent] - curves.centers[arc]))
    # The angle in the frame of the ellipse is not quite that of the nearest point; one step of Newton's method is.
    velocity = curves.velocities(arc, fraction[bent])
    missing = np.sum((points[bent] - curves.points(arc, fraction[bent])) * velocity, axis=1)
    fraction[bent] += missing / np.sum(velocity**2, axis=1) / (curves.stops - curves.begins)[arc]
    fraction = np.clip(fraction, 0.0, 1.0)
    return fraction, np.hypot(*(points - curves.points(index, fraction)).T)


def _near_pairs(a: Curves, b: Curves, tolerance: float) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    (low_a, high_a), (low_b, high_b) = a.boxes(), b.boxes()
    boxes_a = shapely.box(*(low_a - tolerance).T, *(high_a + tolerance).T)
    i, j = shapely.STRtree(shapely.box(*low_b.T, *high_b.T)).query(boxes_a)
    return i, j


def _in_frame(curves: Curves, index: Int[np.ndarray, " k"], vectors: Float[np.ndarray, "k 2"]):
    """The components of vectors along the two axes of each ellipse."""
    first, second = curves.firsts[index], curves.seconds[index]
    return np.stack([cross(vectors, second), cross(first, vectors)], axis=1) / cross(first, second)[:, None]


def _fraction(curves: Curves, index: Int[np.ndarray, " k"], unit: Float[np.ndarray, "k 2"]):
    """The fraction of the interval for directions in the frame of the ellipse; beyond the arc, less than 0 or over 1."""
    span = (curves.stops - curves.begins)[index]
    middle = curves.begins[index] + span / 2
    ahead = np.mod(np.arctan2(unit[:, 1], unit[:, 0]) - middle + np.pi, _TURN) - np.pi
    return 0.5 + ahead / span


def _line_line(a: Curves, i: Int[np.ndarray, " k"], b: Curves, j: Int[np.ndarray, " k"]):
    along_a, along_b = (a.ends - a.starts)[i], (b.ends - b.starts)[j]
    apart, area = b.starts[j] - a.starts[i], cross(along_a, along_b)
    parallel = area == 0
    area = np.where(parallel, 1.0, area)
    s, t = cross(apart, along_b) / area, cross(apart, along_a) / area
    meet = ~parallel & (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    return i[meet], j[meet], a.points(i[meet], s[meet])


def _line_arc(a: Curves, i: Int[np.ndarray, " k"], b: Curves, j: Int[np.ndarray, " k"], tolerance: float):
    origin = _in_frame(b, j, a.starts[i] - b.centers[j])
    along = _in_frame(b, j, (a.ends - a.starts)[i])
    square = np.sum(along**2, axis=1)
    nearest = -np.sum(origin * along, axis=1) / square
    height = np.hypot(*(origin + nearest[:, None] * along).T)
    size = np.hypot(*b.firsts[j].T) + np.hypot(*b.seconds[j].T)
    touching = np.abs(height - 1) * size <= tolerance
    half = np.where(touching, 0.0, np.sqrt(np.maximum((1 - height) * (1 + height), 0.0) / square))
    s = np.concatenate([nearest - half, nearest + half])
    i, j, hits = np.tile(i, 2), np.tile(j, 2), np.concatenate([touching | (height < 1), ~touching & (height < 1)])
    t = _fraction(b, j, np.tile(origin, (2, 1)) + s[:, None] * np.tile(along, (2, 1)))
    meet = hits & (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    return i[meet], j[meet], a.points(i[meet], s[meet])


def _arc_arc(a: Curves, i: Int[np.ndarray, " k"], b: Curves, j: Int[np.ndarray, " k"], tolerance: float):
    # In the frame of the ellipse of b, where it is the unit circle, the ellipse of a is m + f cos + g sin.
    if len(i) == 0:
        return i, j, np.empty((0, 2))
    m, f, g = (
        _in_frame(b, j, vectors[i] - origin)
        for vectors, origin in ((a.centers, b.centers[j]), (a.firsts, 0.0), (a.seconds, 0.0))
    )
    size = np.hypot(*b.firsts[j].T) + np.hypot(*b.seconds[j].T)
    angles = [_meeting_angles(*given) for given in zip(m, f, g, tolerance / size, strict=True)]
    counts = [len(found) for found in angles]
    i, j, (m, f, g) = np.repeat(i, counts), np.repeat(j, counts), (np.repeat(v, counts, axis=0) for v in (m, f, g))
    angle = np.concatenate(angles)[:, None]
    s = _fraction(a, i, np.concatenate([np.cos(angle), np.sin(angle)], axis=1))
    t = _fraction(b, j, m + f * np.cos(angle) + g * np.sin(angle))
    meet = (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    return i[meet], j[meet], a.points(i[meet], s[meet])


def _meeting_angles(
    m: Float[np.ndarray, "2"], f: Float[np.ndarray, "2"], g: Float[np.ndarray, "2"], tolerance: float
) -> Float[np.ndarray, " k"]:
    """The angles where `m + f cos + g sin` has length one, within the tolerance.

    Between two neighbouring extremes the length is monotonic, so it is one at most once there. Where the ellipses touch,
    rounding may hide the double zero or tear it into two: there the extreme is taken in place of both.
    """
    harmonics = np.array([2 * m @ f - 2j * m @ g, (f @ f - g @ g) / 2 - 1j * f @ g])
    if abs(harmonics[1]) <= 1e-14 * (m @ m + f @ f + g @ g):
        # Two circles: the square of the length is a constant and one cosine.
        extremes = -np.angle(harmonics[0]) + np.array([0.0, np.pi])
    else:
        extremes = _zeros(harmonics * np.array([1j, 2j]))

    def excess(angles):
        return np.hypot(*(m[:, None] + np.outer(f, np.cos(angles)) + np.outer(g, np.sin(angles)))) - 1

    extremes = np.sort(np.mod(extremes, _TURN))
    low, high = extremes, np.append(extremes[1:], extremes[0] + _TURN)
    above, touching = excess(low) > 0, np.abs(excess(low)) <= tolerance
    changes = (above != np.roll(above, -1)) & ~touching & ~np.roll(touching, -1)
    low, high, rising = low[changes], high[changes], ~above[changes]
    for _ in range(_HALVINGS if low.size else 0):
        middle = (low + high) / 2
        beyond = (excess(middle) > 0) == rising
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.concatenate([extremes[touching], (low + high) / 2])


def _zeros(harmonics: np.ndarray) -> Float[np.ndarray, "4"]:
    """The angles of the four roots of `Re(sum of harmonics[k] exp(i (k + 1) angle))`, be they real or not."""
    first, second = harmonics
    return np.angle(np.roots([second, first, 0.0, np.conj(first), np.conj(second)]))
