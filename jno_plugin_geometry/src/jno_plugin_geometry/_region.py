"""What is known exactly about a geometry, apart from its mesh, and the geometries that are made from it."""

import abc
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from jno_core import AbstractGeometry, PointDraw, RegionKind
from jno_core.errors import JnoKeyError, JnoValueError
from jno_plugin_geometry._arguments import checked_count


class AbstractRegion(abc.ABC):
    """A closed region of space with a piecewise smooth boundary in named parts, in closed form.

    Its methods are asked for known tags and non-negative counts only: `AbstractRegionGeometry` checks them.
    """

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """The number of space coordinates."""

    @abc.abstractmethod
    def boundary_tags(self) -> tuple[str, ...]:
        """The names of the parts of the boundary; `"boundary"` is all of it."""

    @abc.abstractmethod
    def interior_measure(self) -> float:
        """Length, area or volume."""

    @abc.abstractmethod
    def boundary_measure(self, tag: str) -> float:
        """Number of points, length or area of a part of the boundary."""

    @abc.abstractmethod
    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """`n` independent uniform points of the region."""

    @abc.abstractmethod
    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        """`n` independent uniform points of a part of the boundary with the outward unit normals there."""

    @abc.abstractmethod
    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Whether each point lies in the region, to a tolerance of 1e-9 of the region's size."""


RegionT = TypeVar("RegionT", bound=AbstractRegion)


class AbstractRegionGeometry(AbstractGeometry, Generic[RegionT]):
    """A geometry that draws and measures through an `AbstractRegion`, so that only meshing is left to do."""

    _region: RegionT

    @property
    def dimension(self) -> int:
        return self._region.dimension

    def tags(self) -> dict[str, RegionKind]:
        tags: dict[str, RegionKind] = {"interior": "interior"}
        for tag in self._region.boundary_tags():
            tags[tag] = "boundary"
        return tags

    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        n = checked_count("n", n, 0)
        if self._kind(tag) == "interior":
            return PointDraw(self._region.sample_interior(n, rng))
        return self._region.sample_boundary(tag, n, rng)

    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise JnoValueError(f"points must have shape (n, {self.dimension}), got {points.shape}.")
        return self._region.contains(points)

    def measure(self, tag: str) -> float:
        if self._kind(tag) == "interior":
            return self._region.interior_measure()
        return self._region.boundary_measure(tag)

    def _kind(self, tag: str) -> RegionKind:
        tags = self.tags()
        if tag not in tags:
            raise JnoKeyError(f"{type(self).__name__} has no tag {tag!r}; it has {list(tags)}.")
        return tags[tag]
