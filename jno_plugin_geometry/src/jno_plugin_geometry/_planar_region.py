"""Plane regions with straight edges."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

from jno_core import PointDraw
from jno_plugin_geometry._region import AbstractRegion
from jno_plugin_geometry._rings import Ring, checked_polygon

_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PlanarRegion(AbstractRegion):
    """A polygon with holes; edge `e` runs from `starts[e]` to `ends[e]` with the region on its left.

    `parts` gives the edges of each part of the boundary; `"boundary"` has all of them.
    """

    polygon: shapely.Polygon
    starts: Float[np.ndarray, "e 2"]
    ends: Float[np.ndarray, "e 2"]
    parts: Mapping[str, Int[np.ndarray, " p"]]

    @classmethod
    def from_rings(
        cls,
        outer: Ring,
        holes: Sequence[Ring] = (),
        named: Mapping[str, Sequence[int]] | None = None,
    ) -> "PlanarRegion":
        """The region inside `outer` and outside of the `holes`, whichever way round the rings run.

        Edges are numbered along the rings as given, the outer ring first; `ring_edges` tells the numbers. `named` adds
        parts to `boundary`, `outer` and, where there are holes, `hole_boundary`, `hole_0`, `hole_1`, ...
        """
        polygon = checked_polygon(outer, holes)
        starts, ends = [], []
        for ring, wants_ccw in [(outer, True), *((hole, False) for hole in holes)]:
            following = np.roll(ring, -1, axis=0)
            forward = shapely.LinearRing(ring).is_ccw == wants_ccw
            starts.append(ring if forward else following)
            ends.append(following if forward else ring)
        edges = ring_edges([outer, *holes])
        parts = {"boundary": np.concatenate(edges), "outer": edges[0]}
        if holes:
            parts["hole_boundary"] = np.concatenate(edges[1:])
        parts |= {f"hole_{i}": edge for i, edge in enumerate(edges[1:])}
        parts |= {tag: np.array(edge) for tag, edge in (named or {}).items()}
        return cls(polygon, np.concatenate(starts), np.concatenate(ends), parts)

    @property
    def dimension(self) -> int:
        return 2

    @property
    def size(self) -> float:
        """The longer side of the bounding box."""
        return float(np.max(np.ptp(self.starts, axis=0)))

    def boundary_tags(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def interior_measure(self) -> float:
        return float(self.polygon.area)

    def boundary_measure(self, tag: str) -> float:
        return float(np.sum(self.edge_lengths()[self.parts[tag]]))

    def edge_lengths(self) -> Float[np.ndarray, " e"]:
        """The length of each edge."""
        return np.linalg.norm(self.ends - self.starts, axis=1)

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 2"]:
        corners, shares = self._triangles
        corner, *others = np.moveaxis(corners[rng.choice(len(corners), size=n, p=shares)], 1, 0)
        weights = rng.random((n, 2))
        # The unit square folded along its diagonal is uniform on the reference triangle.
        beyond = np.sum(weights, axis=1) > 1
        weights[beyond] = 1 - weights[beyond]
        return corner + sum(weights[:, i, None] * (other - corner) for i, other in enumerate(others))

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        part = self.parts[tag]
        lengths = self.edge_lengths()[part]
        edge = part[rng.choice(len(part), size=n, p=lengths / np.sum(lengths))]
        along = self.ends[edge] - self.starts[edge]
        points = self.starts[edge] + rng.random((n, 1)) * along
        normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
        return PointDraw(points, normals)

    def contains(self, points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        shapely.prepare(self.polygon)
        inside = shapely.intersects_xy(self.polygon, *points.T)
        rest = np.flatnonzero(~inside & np.all(np.isfinite(points), axis=1))
        inside[rest] = shapely.dwithin(self.polygon, shapely.points(points[rest]), _TOLERANCE * self.size)
        return inside

    @functools.cached_property
    def _triangles(self) -> tuple[Float[np.ndarray, "t 3 2"], Float[np.ndarray, " t"]]:
        """Triangles that fill the polygon exactly, and the share of its area that each has."""
        pieces = shapely.get_parts(shapely.constrained_delaunay_triangles(self.polygon))
        corners = shapely.get_coordinates(pieces).reshape(-1, 4, 2)[:, :3]
        areas = shapely.area(pieces)
        return corners, areas / np.sum(areas)


def ring_edges(rings: Sequence[Ring]) -> list[Int[np.ndarray, " k"]]:
    """For each ring the numbers of its edges, counted through all rings; a ring's edge `i` starts at its vertex `i`."""
    ends = np.cumsum([len(ring) for ring in rings])
    return [np.arange(end - len(ring), end) for ring, end in zip(rings, ends, strict=True)]
