"""What is known exactly about a region of space, apart from its mesh."""

import abc
from typing import Literal, Self, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from jno_core import Mesh, PointDraw

Operation: TypeAlias = Literal["union", "intersection", "difference"]


class AbstractRegion(abc.ABC):
    """A closed region of space with a piecewise smooth boundary in named parts, in closed form. Immutable.

    There is one class for each dimension, closed under `moved` and `combined`. Methods are asked for known tags and
    non-negative counts only: `AbstractShape` checks them.
    """

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """The number of space coordinates."""

    @abc.abstractmethod
    def boundary_tags(self) -> tuple[str, ...]:
        """The names of the parts of the boundary; `"boundary"` is all of it."""

    @abc.abstractmethod
    def bounds(self) -> Float[np.ndarray, "2 d"]:
        """The lower and upper corner of the bounding box; in 2-D and for solids without operations the tightest."""

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
    def boundary_at(self, tag: str, u: Float[np.ndarray, "n k"]) -> PointDraw:
        """See `AbstractBoundaryMap.boundary_at`; `k` is 3 for solids, else 1."""

    @abc.abstractmethod
    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Whether each point lies in the region, to a tolerance of 1e-9 of the region's size."""

    @abc.abstractmethod
    def signed_distance(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The distance to the boundary, negative inside. Exact in 1-D, 2-D and for solids without operations.

        For combined solids a bound: it has the right sign and never exceeds the distance in magnitude.
        """

    @abc.abstractmethod
    def moved(self, matrix: Float[np.ndarray, "d d"], offset: Float[np.ndarray, " d"]) -> Self:
        """The image under `x -> matrix @ x + offset`; `matrix` may reflect. In 3-D it is a similarity."""

    @abc.abstractmethod
    def combined(self, other: Self, operation: Operation) -> Self:
        """The closure of the set operation, with the boundary parts of both; parts of which nothing is left are dropped.

        Raises `JnoValueError` when nothing is left at all.
        """

    @abc.abstractmethod
    def renamed(self, name: str) -> Self:
        """The same region, whose boundary is the single part `name`, and `"boundary"`."""

    @abc.abstractmethod
    def mesh(self, mesh_size: float) -> Mesh:
        """A mesh with edges of about `mesh_size`, with all boundary tags in `Mesh.facets`."""
