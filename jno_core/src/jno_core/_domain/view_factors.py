"""View factors between points of surfaces that see each other, for radiative exchange. Pure NumPy, on the host."""

import dataclasses
from collections.abc import Iterator
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core.errors import JnoValueError

# A point this near to an obstacle, relative to the size of the scene, lies on it and is not hidden by it.
_ON_OBSTACLE = 1e-9
# Angles are compared with this slack to find the obstacles that may hide a point; the exact test follows.
_ANGLE_SLACK = 1e-8
# How many rays, and how many pairs of a ray and an obstacle, are looked at together; this bounds the memory.
_RAYS = 250_000
_PAIRS = 1_000_000


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """Points `(n, d)` of a surface, unit normals `(n, d)` on the side that radiates, and the length or area of each.

    In 2-D a surface is a curve, and the scene is the same at every height. Raises `JnoValueError` when the shapes do not
    fit together, or a value is not finite.
    """

    points: Float[np.ndarray, "n d"]
    normals: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        for name in ("points", "normals", "weights"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.all(np.isfinite(value)):
                raise JnoValueError(
                    f"The {name} of a surface must be finite; check entry {np.argwhere(~np.isfinite(value))[0]}."
                )
            object.__setattr__(self, name, value)
        if self.points.ndim != 2 or self.points.shape[1] not in (2, 3):
            raise JnoValueError(f"View factors need points of shape (n, 2) or (n, 3), got {self.points.shape}.")
        if self.normals.shape != self.points.shape or self.weights.shape != self.points.shape[:1]:
            raise JnoValueError(
                f"A surface of points {self.points.shape} needs normals of the same shape and one weight per point, got "
                f"normals {self.normals.shape} and weights {self.weights.shape}."
            )


@final
@dataclasses.dataclass(frozen=True, eq=False)
class ViewFactors:
    """For each source point (row) and target point (column): whether they see each other, and the factor.

    A factor is the share of the radiation of the source point that arrives at the target point's piece of surface, so a
    row sums to one where the targets enclose the source.
    """

    factors: Float[np.ndarray, "n m"]
    visible: Bool[np.ndarray, "n m"]


def view_factors(source: Surface, target: Surface, obstacles: Any = None) -> ViewFactors:
    """The view factors from each point of `source` to each of `target`.

    In 2-D `cos_i cos_j / (2 r) ds_j`, in 3-D `cos_i cos_j / (pi r^2) dA_j`, and zero for points that face away or that an
    obstacle hides. `obstacles` are segments `(e, 2, 2)` in 2-D, triangles `(e, 3, 3)` in 3-D. A ray may start and end on
    an obstacle, and passes along it. The kernel is singular where surfaces meet: points much nearer to such a corner than
    their weights are long see too much or too little of the other side.
    """
    d = source.points.shape[1]
    if target.points.shape[1] != d:
        raise JnoValueError(
            f"The source is in {d}-D, the target in {target.points.shape[1]}-D; they must be in one space."
        )
    blockers = np.empty((0, d, d)) if obstacles is None else np.asarray(obstacles, dtype=np.float64)
    if blockers.shape[1:] != (d, d) or not np.all(np.isfinite(blockers)):
        what = "segments (e, 2, 2)" if d == 2 else "triangles (e, 3, 3)"
        raise JnoValueError(f"Obstacles in {d}-D must be finite {what}, got an array of shape {blockers.shape}.")
    n, m = len(source.points), len(target.points)
    factors = np.empty((n, m))
    rows = max(1, _RAYS // max(m, len(blockers), 1))
    tolerance = _ON_OBSTACLE * _extent(source.points, target.points, blockers.reshape(-1, d))
    sizes = _measures(blockers)
    largest_first = np.argsort(-sizes, kind="stable")
    blockers = blockers[largest_first[sizes[largest_first] > tolerance ** (d - 1)]]
    for begin in range(0, n, rows):
        here = slice(begin, begin + rows)
        kernel = _kernel(source.points[here], source.normals[here], target)
        facing = kernel > 0
        if len(blockers) and np.any(facing):
            facing &= ~_hidden(source.points[here], target.points, facing, blockers, tolerance)
        factors[here] = np.where(facing, kernel, 0.0)
    return ViewFactors(factors, factors > 0)


def _kernel(points: np.ndarray, normals: np.ndarray, target: Surface) -> Float[np.ndarray, "c m"]:
    """The factors as if nothing hid anything; zero where a point faces away."""
    rays = target.points - points[:, None]
    squared = np.sum(rays**2, axis=-1)
    leaving = np.maximum(np.einsum("cmd,cd->cm", rays, normals), 0.0)
    arriving = np.maximum(-np.einsum("cmd,md->cm", rays, target.normals), 0.0)
    apart = np.where(squared > 0, squared, np.inf)
    spread = 2 * apart**1.5 if points.shape[1] == 2 else np.pi * apart**2
    return leaving * arriving / spread * target.weights


def _hidden(
    points: np.ndarray, targets: np.ndarray, facing: np.ndarray, blockers: np.ndarray, tolerance: float
) -> Bool[np.ndarray, "c m"]:
    """Which rays an obstacle crosses.

    Seen from a point (in 3-D: from above) an obstacle covers an interval of directions, and so a range of the targets
    sorted by direction; only these are tested against it. Obstacles come in blocks of growing length, the largest first,
    and rays leave the list when they are found hidden.
    """
    hidden = np.zeros(facing.shape, dtype=bool)
    row, column = np.nonzero(facing)
    # Rows are kept apart by a shift of more than three full turns.
    shift = 20.0 * np.arange(len(points))
    direction = _azimuth(targets[column] - points[row]) + shift[row]
    order = np.argsort(direction)
    row, column, direction = row[order], column[order], direction[order]
    begin, length = 0, 8
    while begin < len(blockers) and len(row):
        block = blockers[begin : begin + length]
        blocked = _crossed(points, targets, row, column, direction, shift, block, tolerance)
        hidden[row[blocked], column[blocked]] = True
        row, column, direction = row[~blocked], column[~blocked], direction[~blocked]
        begin, length = begin + length, 4 * length
    return hidden


def _crossed(
    points: np.ndarray,
    targets: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    direction: np.ndarray,
    shift: np.ndarray,
    blockers: np.ndarray,
    tolerance: float,
) -> Bool[np.ndarray, " r"]:
    """Which of the rays from `points[row]` to `targets[column]`, sorted by direction, an obstacle crosses."""
    of_points, of_targets = _sides(points, blockers, tolerance), _sides(targets, blockers, tolerance)
    blocked = np.zeros(len(row), dtype=bool)
    # Who lies in the plane of an obstacle is not hidden by it.
    observer, obstacle = np.nonzero(of_points)
    lower, upper = _interval(blockers[obstacle] - points[observer][:, None])
    lower, upper = lower + shift[observer] - _ANGLE_SLACK, upper + shift[observer] + _ANGLE_SLACK
    for turn in (0.0, -2 * np.pi, 2 * np.pi):
        start, stop = np.searchsorted(direction, lower + turn), np.searchsorted(direction, upper + turn)
        for which, ray in _ranges(start, stop):
            seen, apart = obstacle[which], of_points[observer[which], obstacle[which]]
            kept = np.flatnonzero(of_targets[column[ray], seen] * apart < 0)
            ray, seen = ray[kept], seen[kept]
            origin = points[row[ray]]
            along, corners = targets[column[ray]] - origin, blockers[seen] - origin[:, None]
            blocked[ray[_passes_through(along, corners)]] = True
    return blocked


def _passes_through(along: np.ndarray, corners: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Whether the line of each ray from the origin meets the segment or triangle with the given corners.

    What lies on the line counts as left of it, so that a ray cannot slip between two obstacles with a common side.
    """
    if along.shape[1] == 2:
        return (_cross(along, corners[:, 0]) >= 0) != (_cross(along, corners[:, 1]) >= 0)
    # Of a pair of corners the same product is found whichever comes first, but for its sign.
    a, b, c = (_normal(corners[:, k - 1], corners[:, k]) for k in range(3))
    a, b, c = (np.einsum("nd,nd->n", along, side) for side in (a, b, c))
    return ((a >= 0) & (b >= 0) & (c >= 0)) | ((a <= 0) & (b <= 0) & (c <= 0))


def _interval(corners: Float[np.ndarray, "p k d"]) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """The interval of azimuths, beginning in [-pi, pi), that the hull of the corners covers, seen from the origin."""
    azimuth = _azimuth(corners)
    turns = np.remainder(azimuth - azimuth[:, :1] + np.pi, 2 * np.pi) - np.pi
    lowest, highest = np.min(turns, axis=1), np.max(turns, axis=1)
    # The hull is above or below the origin when its corners are not on one side of it.
    around = highest - lowest > np.pi - _ANGLE_SLACK
    lower = np.remainder(azimuth[:, 0] + lowest + np.pi, 2 * np.pi) - np.pi
    lower = np.where(around, -np.pi, lower)
    return lower, np.where(around, np.pi, lower + highest - lowest)


def _ranges(start: np.ndarray, stop: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """In blocks of bounded length, all pairs of an index `i` and a whole number from `start[i]` to `stop[i]`, without it."""
    filled = np.flatnonzero(stop > start)
    counts = (stop - start)[filled]
    ends = np.cumsum(counts)
    begin, done = 0, 0
    while begin < len(filled):
        end = max(int(np.searchsorted(ends, done + _PAIRS, side="right")), begin + 1)
        repeats = counts[begin:end]
        which = np.repeat(filled[begin:end], repeats)
        offset = np.repeat(start[filled[begin:end]] - (ends[begin:end] - repeats - done), repeats)
        yield which, offset + np.arange(len(which))
        begin, done = end, int(ends[end - 1])


def _sides(points: np.ndarray, blockers: np.ndarray, tolerance: float) -> Int[np.ndarray, "n e"]:
    """On which side of the line or plane of each obstacle each point lies: -1, 1, or 0 on it."""
    edges = blockers[:, 1:] - blockers[:, :1]
    if blockers.shape[1] == 2:
        normals = np.stack([-edges[:, 0, 1], edges[:, 0, 0]], axis=1)
    else:
        normals = _normal(edges[:, 0], edges[:, 1])
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    distances = points @ normals.T - np.sum(normals * blockers[:, 0], axis=1)
    return (distances > tolerance).astype(np.int8) - (distances < -tolerance).astype(np.int8)


def _measures(blockers: np.ndarray) -> Float[np.ndarray, " e"]:
    edges = blockers[:, 1:] - blockers[:, :1]
    vectors = edges[:, 0] if blockers.shape[1] == 2 else _normal(edges[:, 0], edges[:, 1])
    return np.linalg.norm(vectors, axis=1)


def _normal(a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "n 3"]:
    x, y, z = np.moveaxis(a, 1, 0)
    u, v, w = np.moveaxis(b, 1, 0)
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)


def _cross(a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, " n"]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _azimuth(vectors: np.ndarray) -> np.ndarray:
    return np.arctan2(vectors[..., 1], vectors[..., 0])


def _extent(*clouds: np.ndarray) -> float:
    return float(np.max(np.ptp(np.concatenate(clouds), axis=0), initial=0.0))
