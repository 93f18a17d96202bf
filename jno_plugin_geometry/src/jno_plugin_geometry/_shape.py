"""Shapes: regions with a mesh, as values that can be moved and combined."""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, final

import numpy as np
from jaxtyping import Array, Bool, Float

from jno_core import (
    AbstractBoundaryMap,
    AbstractCombinable,
    AbstractDistance,
    AbstractGeometry,
    AbstractRemeshable,
    Mesh,
    PointDraw,
    RegionKind,
    SetOperation,
)
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError, PluginCapabilityError
from jno_plugin_geometry._arguments import checked_count, checked_positive
from jno_plugin_geometry._gmsh import gmsh_mesh
from jno_plugin_geometry._moves import AbstractMovable
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._smooth import bubble, smooth_distance

Mesher = Literal["netgen", "gmsh"]
RegionT = TypeVar("RegionT", bound=AbstractRegion)


class AbstractShape(
    AbstractMovable["Shape"],
    AbstractGeometry,
    AbstractBoundaryMap,
    AbstractCombinable,
    AbstractDistance,
    AbstractRemeshable,
    Generic[RegionT],
):
    """A closed region of the line, the plane or space, as a value: what is made of it is a new shape.

    `a | b`, `a & b`, `a - b`, `a ^ b` combine shapes; boundary parts keep their names, and those of equal names become one
    part. `translate`, `rotate`, `scale`, `mirror` move them, `extrude` and `revolve` sweep plane shapes through space,
    `named` names the whole boundary, so that it can be told apart after a combination:

        plate = Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2).named("hole")

    The mesh of a combined shape has the smaller of the two mesh sizes; `remeshed(h)` sets it.
    """

    _region: RegionT
    mesh_size: float

    @abc.abstractmethod
    def _resized(self, mesh_size: float) -> "AbstractShape":
        """The same shape with another mesh size."""

    @property
    def region(self) -> RegionT:
        return self._region

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

    @property
    def boundary_coordinates(self) -> int:
        return 3 if self.dimension == 3 else 1

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n k"]) -> PointDraw:
        return self._region.boundary_at(self._boundary(tag), u)

    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        return self._region.contains(self._checked(points))

    def measure(self, tag: str) -> float:
        if self._kind(tag) == "interior":
            return self._region.interior_measure()
        return self._region.boundary_measure(tag)

    def bounds(self) -> Float[np.ndarray, "2 d"]:
        return self._region.bounds()

    def signed_distance(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Exact on the line, in the plane, and for solids without operations; see `AbstractDistance`."""
        return self._region.signed_distance(self._checked(points))

    def smooth_distance(self, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
        return smooth_distance(self._region, self._boundary(tag))

    def bubble(self, tag: str) -> Callable[[Float[Array, "n d"]], Float[Array, " n"]]:
        return bubble(self._region, self._boundary(tag))

    def combined(self, operation: SetOperation, other: Any) -> "Shape":
        if not isinstance(other, AbstractShape) or other.dimension != self.dimension:
            raise JnoTypeError(
                f"A shape in {self.dimension}-D can be combined with such shapes, as Rectangle and Disk are; got {other!r}."
            )
        a, b = self._region, other._region
        if operation == "symmetric_difference":
            return Shape(_symmetric_difference(a, b), min(self.mesh_size, other.mesh_size))
        return Shape(a.combined(b, operation), min(self.mesh_size, other.mesh_size))

    def remeshed(
        self, mesh_size: float, *, mesher: Mesher | None = None, algorithm: int = 6, **unknown: Any
    ) -> "AbstractShape":
        """The same shape with a mesh of another size, by its own mesher unless one is named.

        `mesher="gmsh"` needs the extra `jno-plugin-geometry[gmsh]`; `algorithm` is gmsh's number of the method
        for surfaces: 1 MeshAdapt, 5 Delaunay, 6 frontal Delaunay.
        """
        if unknown:
            raise JnoTypeError(
                f"Shapes are not meshed with the option {next(iter(unknown))!r}; there are mesher and algorithm."
            )
        h = checked_positive("mesh_size", mesh_size)
        return self._resized(h) if mesher is None else Shape(self._region, h, mesher, algorithm)

    def _made(self, region: AbstractRegion) -> "Shape":
        return Shape(region, self.mesh_size)

    def _kind(self, tag: str) -> RegionKind:
        tags = self.tags()
        if tag not in tags:
            raise JnoKeyError(f"{type(self).__name__} has no tag {tag!r}; it has {list(tags)}.")
        return tags[tag]

    def _boundary(self, tag: str) -> str:
        if self._kind(tag) == "interior":
            raise JnoKeyError(f"{tag!r} is no part of the boundary; there are {list(self._region.boundary_tags())}.")
        return tag

    def _checked(self, points: Any) -> Float[np.ndarray, "n d"]:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise JnoValueError(f"points must have shape (n, {self.dimension}), got {points.shape}.")
        return points


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Shape(AbstractShape[AbstractRegion]):
    """What operations make of shapes: a region, meshed by netgen or gmsh with edges of about `mesh_size`."""

    _region: AbstractRegion
    mesh_size: float
    mesher: Mesher = "netgen"
    algorithm: int = 6

    def __post_init__(self) -> None:
        if self.mesher not in ("netgen", "gmsh"):
            raise JnoValueError(f"mesher must be 'netgen' or 'gmsh', got {self.mesher!r}.")

    def mesh(self) -> Mesh:
        if self.mesher == "netgen":
            return self._region.mesh(self.mesh_size)
        if isinstance(self._region, Outline):
            return gmsh_mesh(self._region.rings(), self._region.parts, self.mesh_size, self.algorithm)
        if isinstance(self._region, Solid):
            return self._region.mesh_by_gmsh(self.mesh_size, self.algorithm)
        raise PluginCapabilityError("gmsh meshes plane shapes and solids; this one is 1-D. Leave mesher out.")

    def _resized(self, mesh_size: float) -> "Shape":
        return dataclasses.replace(self, mesh_size=mesh_size)

    def __repr__(self) -> str:
        parts = [tag for tag in self._region.boundary_tags() if tag != "boundary"]
        return f"Shape({self.dimension}-D, parts {parts}, mesh_size={self.mesh_size:g})"


def union(*shapes: AbstractShape) -> AbstractShape:
    """The union of any number of shapes."""
    if not shapes:
        raise JnoValueError("union(...) needs at least one shape.")
    return functools.reduce(lambda a, b: a.combined("union", b), shapes)


def _symmetric_difference(a: AbstractRegion, b: AbstractRegion) -> AbstractRegion:
    left = []
    for first, second in ((a, b), (b, a)):
        try:
            left.append(first.combined(second, "difference"))
        except JnoValueError:
            # One lies in the other.
            continue
    if not left:
        raise JnoValueError("Nothing is left of the symmetric difference: the shapes are the same.")
    return left[0] if len(left) == 1 else left[0].combined(left[1], "union")
