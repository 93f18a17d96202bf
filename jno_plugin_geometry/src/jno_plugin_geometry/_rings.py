"""Checked rings of vertices and the polygons that they bound."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import shapely
from jaxtyping import Float
from numpy.typing import ArrayLike

from jno_core.errors import JnoTypeError, JnoValueError

Ring: TypeAlias = Float[np.ndarray, "k 2"]
RingLike: TypeAlias = ArrayLike | shapely.Polygon | shapely.LinearRing


def checked_rings(name: str, value: RingLike) -> list[Ring]:
    """The outer ring of `value` and the rings of its holes, if it is a shapely polygon, as vertices without repetition.

    `value` is a sequence of vertices `(x, y)` or a shapely polygon or ring. A ring that ends with its first vertex is
    accepted. Raises `JnoValueError` for fewer than three vertices, one that is not finite, a zero-length edge, or a
    ring that crosses or touches itself or has no area.
    """
    if isinstance(value, shapely.Polygon):
        return [_checked_ring(name, ring.coords) for ring in (value.exterior, *value.interiors)]
    if isinstance(value, shapely.LinearRing):
        return [_checked_ring(name, value.coords)]
    if isinstance(value, shapely.Geometry):
        raise JnoTypeError(f"{name} must be one polygon, got a shapely {type(value).__name__}.")
    return [_checked_ring(name, value)]


def checked_holes(name: str, values: Iterable[RingLike]) -> list[Ring]:
    """The rings of several holes, each without holes of its own."""
    if isinstance(values, shapely.Geometry) or not isinstance(values, Iterable):
        raise JnoTypeError(f"{name} must be a sequence of holes, got {type(values).__name__}. Did you mean [{name}]?")
    return [checked_hole(f"{name}[{i}]", value) for i, value in enumerate(values)]


def checked_hole(name: str, value: RingLike) -> Ring:
    """The ring of one hole."""
    ring, *inner = checked_rings(name, value)
    if inner:
        raise JnoValueError(f"{name} has holes of its own; the islands in it would be separate regions.")
    return ring


def as_tuples(ring: Ring) -> tuple[tuple[float, float], ...]:
    """The vertices as plain numbers, so that they compare, hash and print."""
    return tuple((float(x), float(y)) for x, y in ring)


def checked_polygon(outer: Ring, holes: Sequence[Ring]) -> shapely.Polygon:
    """The polygon with one outer ring and holes that lie inside it, apart from it and from each other."""
    full = shapely.Polygon(outer)
    shapely.prepare(full)
    cut = np.array([shapely.Polygon(hole) for hole in holes], dtype=object)
    for i, hole in enumerate(cut):
        if not shapely.contains_properly(full, hole):
            relation = "reaches or touches the outer boundary" if full.intersects(hole) else "is outside of the polygon"
            raise JnoValueError(f"holes[{i}] {relation}; a hole must lie inside. Its bounds are {_bounds(hole)}.")
    for i, j in shapely.STRtree(cut).query(cut, predicate="intersects").T:
        if i < j:
            raise JnoValueError(f"holes[{i}] and holes[{j}] overlap or touch; merge them or move them apart.")
    return shapely.Polygon(outer, holes)


def _checked_ring(name: str, vertices: RingLike) -> Ring:
    try:
        ring = np.array(vertices, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise JnoTypeError(f"{name} must be a sequence of vertices (x, y) or a shapely polygon.") from error
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise JnoValueError(f"{name} must have shape (k, 2): vertices (x, y). Got {ring.shape}.")
    if not np.all(np.isfinite(ring)):
        raise JnoValueError(f"{name}: vertex {int(np.argwhere(~np.isfinite(ring))[0, 0])} is not finite.")
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(ring) < 3:
        raise JnoValueError(f"{name} needs at least 3 vertices, got {len(ring)}.")
    same = np.flatnonzero(np.all(ring == np.roll(ring, -1, axis=0), axis=1))
    if same.size:
        following = (same[0] + 1) % len(ring)
        raise JnoValueError(f"{name}: edge {same[0]} has no length; vertices {same[0]} and {following} are the same.")
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        raise JnoValueError(f"{name} does not bound a valid polygon: {shapely.is_valid_reason(polygon)}.")
    if not 0 < polygon.area < np.inf:
        raise JnoValueError(f"{name} encloses no area, or one too large for floating-point numbers.")
    return ring


def _bounds(polygon: shapely.Polygon) -> str:
    x0, y0, x1, y1 = polygon.bounds
    return f"x {x0:g} to {x1:g}, y {y0:g} to {y1:g}"
