"""Distances to the edges of polygons."""

import abc
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from jaxtyping import Array, Float

from jno_core import AbstractDistance
from jno_plugin_geometry._regions.curves import Segment
from jno_plugin_geometry._smooth import bubble_of_pieces, distance_to_pieces


class AbstractPolygonDistance(AbstractDistance):
    """What distances need: the polygon, and the edges of a tag."""

    @property
    @abc.abstractmethod
    def active(self) -> Any:
        """All of the geometry as one shapely geometry."""

    @abc.abstractmethod
    def sides(self, tag: str) -> Any:
        """The `edges (e, 2, 2)` of a boundary tag, and what lies on their sides."""

    def bounds(self) -> Float[np.ndarray, "2 2"]:
        return np.array(self.active.bounds).reshape(2, 2)

    def signed_distance(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """Exact."""
        area = self.active
        shapely.prepare(area)
        distance = shapely.distance(area.boundary, shapely.points(np.asarray(points, np.float64)))
        return np.where(shapely.intersects_xy(area, *np.asarray(points).T), -distance, distance)

    def smooth_distance(self, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
        return _smooth(self, tag)

    def bubble(self, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
        return _bubble(self, tag)

    def _pieces(self, tag: str) -> tuple[list[Segment], float]:
        """The edges of a tag, and the size of the region."""
        return [Segment(start, end) for start, end in self.sides(tag).edges], float(
            np.max(np.ptp(self.bounds(), axis=0))
        )


# Functions are compared by identity, so that the same part must give the same one.
@functools.lru_cache(maxsize=64)
def _smooth(geometry: AbstractPolygonDistance, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
    return distance_to_pieces(*geometry._pieces(tag), tag)


@functools.lru_cache(maxsize=64)
def _bubble(geometry: AbstractPolygonDistance, tag: str) -> Callable[[Float[Array, "n 2"]], Float[Array, " n"]]:
    pieces, size = geometry._pieces(tag)
    corners = shapely.get_coordinates(shapely.constrained_delaunay_triangles(geometry.active)).reshape(-1, 4, 2)[:, :3]
    # Points of each triangle, close to its corners too.
    weights = np.random.default_rng(0).dirichlet(np.full(3, 0.5), (64, 1))
    inside = np.einsum("pok,tkd->ptd", weights, corners).reshape(-1, 2)
    edges = geometry.sides("boundary").edges
    along = np.linspace(0.01, 0.99, 32)[:, None, None]
    around = (edges[:, 0] * (1 - along) + edges[:, 1] * along).reshape(-1, 2)
    return bubble_of_pieces(pieces, inside, around, size, tag)
