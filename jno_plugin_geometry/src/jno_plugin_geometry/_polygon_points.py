"""Random points of named regions and their boundaries."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Self, final

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

from jno_core import AbstractResampler, PointDraw
from jno_core.errors import JnoKeyError, JnoValueError
from jno_plugin_geometry._polygon_arrangement import TOLERANCE
from jno_plugin_geometry._polygon_options import Sampler, by_tag
from jno_plugin_geometry._polygon_regions import PolygonRegions
from jno_plugin_geometry._regions.arc_length import split


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PolygonPoints:
    """Draws points of regions: by a user's sampler where there is one, uniformly elsewhere.

    `samplers` are functions `(geometry, n) -> (n, 2)`, and `strategies` renew points while a problem is trained; both by the
    names of regions, with `"*"` for all other interior tags.
    """

    regions: PolygonRegions
    samplers: Mapping[str, Sampler]
    strategies: Mapping[str, AbstractResampler]

    def of(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        """`n` independent points of a tag, with normals if it is a boundary."""
        kind, tag = self.regions.kind(tag), self.regions.resolved(tag)
        if kind == "boundary":
            return self._on_boundary(tag, n, rng)
        sampler = by_tag(self.samplers, tag)
        return PointDraw(self._uniform(tag, n, rng) if sampler is None else self._drawn_by(sampler, tag, n))

    def at(self, tag: str, share: Float[np.ndarray, " n"]) -> PointDraw:
        """Points of a boundary tag where a share of its length is behind, with normals."""
        if self.regions.kind(tag) != "boundary":
            raise JnoKeyError(f"{tag!r} is an interior tag; boundary tags have a length.")
        segments = self.regions.directed_segments(self.regions.resolved(tag))
        along = segments[:, 1] - segments[:, 0]
        chosen, fraction = split(np.linalg.norm(along, axis=1), share)
        return PointDraw(segments[chosen, 0] + fraction[:, None] * along[chosen], _right(along[chosen]))

    def strategy(self, tag: str) -> AbstractResampler | None:
        """How the points of a tag are renewed; those of boundaries are not."""
        return by_tag(self.strategies, self.regions.resolved(tag)) if self.regions.kind(tag) == "interior" else None

    def on(self, regions: PolygonRegions) -> Self:
        """The same samplers and strategies on other regions."""
        return dataclasses.replace(self, regions=regions)

    def merged(self, other: Self, regions: PolygonRegions) -> Self:
        """The samplers and strategies of both on the regions of a set operation; where both have one, this one's."""
        samplers, strategies = {**other.samplers, **self.samplers}, {**other.strategies, **self.strategies}
        return dataclasses.replace(self, regions=regions, samplers=samplers, strategies=strategies)

    @functools.cached_property
    def _triangles(self) -> tuple[Float[np.ndarray, "t 3 2"], Int[np.ndarray, " t"]]:
        """Triangles that fill all faces exactly, and the face of each."""
        split = shapely.constrained_delaunay_triangles(self.regions.arrangement.faces)
        triangles, face = shapely.get_parts(split, return_index=True)
        return shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3], face

    def _on_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        segments = self.regions.directed_segments(tag)
        along = segments[:, 1] - segments[:, 0]
        lengths = np.linalg.norm(along, axis=1)
        chosen = rng.choice(len(segments), size=n, p=lengths / np.sum(lengths))
        points = segments[chosen, 0] + rng.random((n, 1)) * along[chosen]
        return PointDraw(points, _right(along[chosen]))

    def _uniform(self, tag: str, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
        """Independent uniform points of an interior tag: in a triangle chosen by its area."""
        corners, face = self._triangles
        corners = corners[np.isin(face, self.regions.interiors[tag])]
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        areas = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
        chosen = rng.choice(len(corners), size=n, p=areas / np.sum(areas))
        weights = rng.random((n, 2))
        # The unit square folded along its diagonal is uniform on the reference triangle.
        weights = np.where(np.sum(weights, axis=1, keepdims=True) > 1, 1 - weights, weights)
        return corners[chosen, 0] + weights[:, :1] * a[chosen] + weights[:, 1:] * b[chosen]

    def _drawn_by(self, sampler: Sampler, tag: str, n: int) -> Float[np.ndarray, "n 2"]:
        """The points of a user's sampler, which must lie in the part."""
        area = shapely.union_all(self.regions.arrangement.faces[self.regions.interiors[tag]])
        points = np.array(sampler(area, n), dtype=np.float64)
        if points.shape != (n, 2):
            raise JnoValueError(f"The sampler of {tag!r} must return points of shape ({n}, 2), got {points.shape}.")
        outside = np.flatnonzero(~within(area, points, self.regions.size))
        if len(outside):
            raise JnoValueError(f"The sampler of {tag!r} returned the point {points[outside[0]]}, which is not in it.")
        return points


def within(area: Any, points: Float[np.ndarray, "n 2"], size: float) -> Bool[np.ndarray, " n"]:
    """Whether each point lies in the closed area, to a tolerance of 1e-9 of the size."""
    shapely.prepare(area)
    inside = shapely.intersects_xy(area, *points.T)
    rest = np.flatnonzero(~inside & np.all(np.isfinite(points), axis=1))
    inside[rest] = shapely.dwithin(area, shapely.points(points[rest]), TOLERANCE * size)
    return inside


def _right(along: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Unit vectors to the right of the given directions, without negative zeros."""
    return np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True) + 0.0
