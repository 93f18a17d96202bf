"""Checks of the polygons and segments that a user gives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely

from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._polygon_arrangement import TOLERANCE, Segments


def checked_areas(source: Mapping[str, Any]) -> dict[str, Any]:
    """Named vertices or shapely geometries as valid shapely areas; empty ones are left out."""
    found = {}
    for name, value in source.items():
        if not isinstance(name, str) or not name:
            raise JnoTypeError(f"The name of a region must be a string such as 'plate', got {name!r}.")
        area = _checked_geometry(name, value) if isinstance(value, shapely.Geometry) else checked_vertices(name, value)
        if not shapely.is_empty(area) and area.area > 0:
            found[name] = area
    if not found:
        raise JnoValueError("The geometry is empty: no region has an area.")
    return found


def _checked_geometry(name: str, value: Any) -> Any:
    polygons = _polygons(value)
    area = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    if not np.all(np.isfinite(shapely.get_coordinates(area))):
        raise JnoValueError(f"Region {name!r} has a vertex that is not finite.")
    if not shapely.is_valid(area):
        raise JnoValueError(f"Region {name!r} is no valid polygon: {shapely.is_valid_reason(area)}.")
    return shapely.force_2d(area)


def _polygons(value: Any) -> list[shapely.Polygon]:
    """The polygons in a geometry, also in a collection of collections."""
    if isinstance(value, shapely.Polygon):
        return [] if value.is_empty else [value]
    return [polygon for part in getattr(value, "geoms", ()) for polygon in _polygons(part)]


def checked_vertices(name: str, value: Any) -> shapely.Polygon:
    """The polygon of vertices `(n, 2)`, or `(n, 3)` in a plane of constant z.

    Raises `JnoValueError` for another shape, vertices that are not finite or fewer than three, an edge without length, and
    a polygon that crosses itself or has no area.
    """
    try:
        vertices = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise JnoTypeError(f"Region {name!r} must be vertices (x, y) or a shapely geometry, got {value!r}.") from error
    if vertices.ndim == 0:
        raise JnoTypeError(f"Region {name!r} must be vertices (x, y) or a shapely geometry, got {value!r}.")
    if vertices.ndim != 2 or vertices.shape[1] not in (2, 3):
        raise JnoValueError(f"Region {name!r} needs vertices of shape (n, 2) or (n, 3), got {vertices.shape}.")
    if not np.all(np.isfinite(vertices)):
        raise JnoValueError(f"Region {name!r}: vertex {np.argwhere(~np.isfinite(vertices))[0, 0]} is not finite.")
    if vertices.shape[1] == 3 and np.ptp(vertices[:, 2]) > TOLERANCE * np.max(np.ptp(vertices, axis=0)):
        raise JnoValueError(f"Region {name!r} must lie in a plane of constant z, got z = {vertices[:, 2].tolist()}.")
    ring = vertices[:, :2]
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(np.unique(ring, axis=0)) < 3:
        raise JnoValueError(f"Region {name!r} needs at least 3 different vertices, got {len(np.unique(ring, axis=0))}.")
    same = np.flatnonzero(np.all(ring == np.roll(ring, -1, axis=0), axis=1))
    if same.size:
        raise JnoValueError(f"Region {name!r}: edge {same[0]} has no length; its ends are the same vertex.")
    polygon = shapely.Polygon(ring)
    if not polygon.is_valid:
        raise JnoValueError(f"Region {name!r} is no valid polygon: {shapely.is_valid_reason(polygon)}.")
    if not polygon.area > 0:
        raise JnoValueError(f"Region {name!r} encloses no area.")
    return polygon


def checked_segments(tag: str, segments: Any) -> Segments:
    """Segments `(2, 2)` or `(2, 3)`, without those that have no length."""
    try:
        rows = [np.asarray(segment, dtype=np.float64) for segment in segments]
    except (TypeError, ValueError) as error:
        raise JnoTypeError(f"The segments of {tag!r} must be pairs of points (x, y), got {segments!r}.") from error
    for number, row in enumerate(rows):
        if row.shape not in ((2, 2), (2, 3)) or not np.all(np.isfinite(row)):
            raise JnoValueError(
                f"Segment {number} of {tag!r} must be two finite points, (2, 2) or (2, 3), got {row.tolist()}."
            )
    found = np.array([row[:, :2] for row in rows]).reshape(-1, 2, 2)
    found = found[np.any(found[:, 0] != found[:, 1], axis=1)]
    if not len(found):
        raise JnoValueError(f"{tag!r} needs a segment with a length; got {len(rows)} without.")
    return found
