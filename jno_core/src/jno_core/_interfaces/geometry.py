"""The contract of a geometry (`jno.geometries`)."""

import abc
import dataclasses
from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Float

from jno_core._interfaces.mesh import Mesh

RegionKind = Literal["interior", "boundary"]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class PointDraw:
    """Points `(n, d)` drawn from a region and, for a boundary, the outward unit normals `(n, d)` there."""

    points: Float[np.ndarray, "n d"]
    normals: Float[np.ndarray, "n d"] | None = None


class AbstractGeometry(abc.ABC):
    """A region of space with named parts. Immutable, host side, float64; nothing here is traced.

    `jno.domain.NAME(*args, **kwargs)` passes its arguments to the constructor, except `time` and
    `compute_mesh_connectivity`, which belong to the domain. The constructor checks its arguments and raises
    `JnoValueError` naming the argument; it does no meshing.
    """

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """The number of space coordinates: 1, 2 or 3."""

    @abc.abstractmethod
    def tags(self) -> dict[str, RegionKind]:
        """The named parts and what they are. Always holds `"interior"` and `"boundary"`."""

    @abc.abstractmethod
    def mesh(self) -> Mesh | None:
        """The mesh at the geometry's mesh size, with all boundary tags in `Mesh.facets`; `None` if it cannot be meshed.

        Needs no system library. Repeated calls give equal arrays.
        """

    @abc.abstractmethod
    def sample(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        """`n` independent points, uniform in the measure of the part (length, area, volume), exactly on or in it.

        The same generator state gives the same points. Raises `JnoKeyError` for an unknown tag.
        """

    @abc.abstractmethod
    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        """Whether each point lies in the closed region, to a tolerance of about 1e-9 of its size."""

    @abc.abstractmethod
    def measure(self, tag: str) -> float:
        """The exact length, area or volume of a part; the boundary of a 1-D region counts 1 per end point."""
