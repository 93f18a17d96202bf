"""What lies on either side of boundaries between polygons: regions, walls that block rays, the medium of radiation."""

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np
import shapely
from jaxtyping import Float

from jno_core.errors import JnoValueError
from jno_plugin_geometry._polygon_arrangement import Segments
from jno_plugin_geometry._polygon_regions import PolygonRegions

# The medium of radiation, unless it is named.
_MEDIA = ("gas", "air")


@final
@dataclasses.dataclass(frozen=True, eq=False)
class EdgeSides:
    """Edges `(e, 2, 2)` with what their tag bounds on the left, and the names of the regions on either side."""

    edges: Segments
    left: tuple[frozenset[str], ...]
    right: tuple[frozenset[str], ...]


def sides_of(regions: PolygonRegions, tag: str) -> EdgeSides:
    """The edges of a boundary tag and the regions on their two sides; an empty set is the outside."""
    if regions.kind(tag) != "boundary":
        raise JnoValueError(f"{tag!r} is an interior tag; boundary tags have sides.")
    part = regions.boundaries[regions.resolved(tag)]
    arrangement = regions.arrangement
    covers = np.append(arrangement.covers, np.zeros((1, arrangement.covers.shape[1]), dtype=bool), axis=0)
    known = (*regions.sources, *regions.areas)
    names = [frozenset(name for name, covered in zip(known, row, strict=True) if covered) for row in covers]
    left = np.where(part.forward, arrangement.left[part.edges], arrangement.right[part.edges])
    right = np.where(part.forward, arrangement.right[part.edges], arrangement.left[part.edges])
    segments = regions.directed_segments(regions.resolved(tag))
    return EdgeSides(segments, tuple(names[face] for face in left), tuple(names[face] for face in right))


def walls(regions: PolygonRegions) -> Segments:
    """All boundary and interface edges."""
    # Lines that a user drew inside of a region are no walls, so faces of the same regions leave no edge between them.
    number = len(regions.sources)
    arrangement = regions.arrangement
    covers = np.append(arrangement.covers[:, :number], np.zeros((1, number), dtype=bool), axis=0)
    differ = np.any(covers[arrangement.left] != covers[arrangement.right], axis=1)
    return arrangement.segments()[differ | ((arrangement.left < 0) != (arrangement.right < 0))]


def turned_into(
    regions: PolygonRegions,
    points: Float[np.ndarray, "n 2"],
    normals: Float[np.ndarray, "n 2"],
    medium: Sequence[str] | None,
) -> Float[np.ndarray, "n 2"]:
    """Normals that point into a medium: named regions, else those called gas or air, else everything.

    A normal with the medium on both sides or on neither stays as it is.
    """
    if medium is None:
        medium = [name for name in (*regions.sources, *regions.areas) if name.lower() in _MEDIA]
    area = regions.named_area(medium) if medium else regions.active
    # Far enough to leave the boundary, near enough not to pass through a thin layer.
    step = 1e-7 * regions.size * np.asarray(normals)
    ahead, behind = (shapely.intersects_xy(area, *(points + side).T) for side in (step, -step))
    return np.where((behind & ~ahead)[:, None], -np.asarray(normals), normals)
