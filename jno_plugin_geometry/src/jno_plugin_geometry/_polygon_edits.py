"""Regions made from regions: with further parts, and by set operations."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import shapely

from jno_core import SetOperation
from jno_core.errors import JnoNotImplementedError, JnoTypeError, JnoValueError
from jno_plugin_geometry._polygon_arrangement import Arrangement, line_segments, outline
from jno_plugin_geometry._polygon_checks import checked_areas, checked_segments
from jno_plugin_geometry._polygon_regions import PolygonLine, PolygonRegions

_CHOICES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "union": np.logical_or,
    "intersection": np.logical_and,
    "difference": lambda a, b: a & ~b,
    "symmetric_difference": np.logical_xor,
}


def with_region(regions: PolygonRegions, name: str, where: Any, kind: str | None) -> PolygonRegions:
    """The regions and a part that is an area, a line, where a predicate holds, or another name for a tag."""
    _check_new(regions, name)
    if kind not in (None, "interior", "boundary"):
        raise JnoValueError(f"kind must be 'interior', 'boundary' or None, got {kind!r}.")
    if isinstance(where, shapely.Geometry):
        area = shapely.area(where) > 0
        if area and kind != "boundary":
            return _with_area(regions, name, where)
        if kind == "interior" or not shapely.length(where) > 0:
            raise JnoValueError(f"Region {name!r} needs an area (or a line, for a boundary), got {where}.")
        return _with_line(regions, name, PolygonLine(outline(where) if area else line_segments(where)))
    if isinstance(where, str):
        if where not in regions.kinds:
            raise JnoValueError(f"There is no tag {where!r} to call {name!r}; there are {list(regions.kinds)}.")
        if kind not in (None, regions.kinds[where]):
            raise JnoValueError(f"{where!r} is an {regions.kinds[where]} tag, so {name!r} cannot be of kind {kind!r}.")
        return _with(regions, "aliases", name, regions.resolved(where))
    if not callable(where):
        raise JnoTypeError(f"where must be a shapely geometry, a predicate f(x, y) or a tag, got {where!r}.")
    if kind == "interior":
        raise JnoNotImplementedError(f"A predicate selects edges; give the interior region {name!r} as an area.")
    segments = regions.selected(where)
    if not len(segments):
        raise JnoValueError(f"The predicate of {name!r} holds at the middle of no edge of the boundary.")
    return _with(regions, "lines", name, PolygonLine(segments))


def with_boundary_segments(regions: PolygonRegions, tag: str, segments: Any, normal_geometry: Any) -> PolygonRegions:
    """The regions and a boundary of segments, whose normals point away from an area or from regions."""
    _check_new(regions, tag)
    behind = normal_geometry
    if isinstance(normal_geometry, str):
        behind = regions.named_area([normal_geometry])
    elif isinstance(normal_geometry, Sequence) and all(isinstance(name, str) for name in normal_geometry):
        behind = regions.named_area(normal_geometry)
    elif not (normal_geometry is None or isinstance(normal_geometry, shapely.Geometry)):
        raise JnoTypeError(f"normal_geometry must be a shapely area or names of regions, got {normal_geometry!r}.")
    return _with_line(regions, tag, PolygonLine(checked_segments(tag, segments), behind))


def combined(operation: SetOperation, left: PolygonRegions, right: PolygonRegions) -> PolygonRegions:
    """The regions of a set operation; sources of the same name are united, of other parts the left ones count."""
    if operation not in _CHOICES:
        raise JnoValueError(f"The set operation must be one of {list(_CHOICES)}, got {operation!r}.")
    both = [left.active, right.active]
    pieces = Arrangement.of(both, shapely.union_all(both))
    active = shapely.union_all(pieces.faces[_CHOICES[operation](*pieces.covers.T)])
    sources = {**left.sources, **right.sources}
    for name in left.sources.keys() & right.sources.keys():
        sources[name] = shapely.union(left.sources[name], right.sources[name])
    return PolygonRegions(
        sources,
        active,
        {**right.areas, **left.areas},
        {**right.lines, **left.lines},
        {**right.aliases, **left.aliases},
    )


def _check_new(regions: PolygonRegions, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise JnoTypeError(f"The name of a region must be a string such as 'inlet', got {name!r}.")
    own = {**regions.areas, **regions.lines, **regions.aliases}
    if (name in regions.kinds and name not in own) or name == "initial":
        raise JnoValueError(f"{name!r} is a tag of the geometry already; choose another name.")


def _with_area(regions: PolygonRegions, name: str, area: Any) -> PolygonRegions:
    found = _with(regions, "areas", name, checked_areas({name: area})[name])
    if name not in found.interiors:
        raise JnoValueError(f"Region {name!r} has no area in common with the geometry.")
    return found


def _with_line(regions: PolygonRegions, name: str, line: PolygonLine) -> PolygonRegions:
    found = _with(regions, "lines", name, dataclasses.replace(line, segments=regions.snapped(line.segments)))
    if name not in found.boundaries:
        raise JnoValueError(f"Nothing of the line {name!r} lies in the geometry.")
    return found


def _with(regions: PolygonRegions, field: str, name: str, value: Any) -> PolygonRegions:
    """The regions with a user's part, in the place of an earlier one of that name."""
    parts = {
        kind: {key: part for key, part in getattr(regions, kind).items() if key != name}
        for kind in ("areas", "lines", "aliases")
    }
    parts[field][name] = value
    return dataclasses.replace(regions, **parts)
