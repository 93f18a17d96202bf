"""Shapes: regions with a mesh, as values that can be moved and combined."""

import abc
import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Array, Bool, Float

from jno_core import (
    AbstractCombinable,
    AbstractDistance,
    AbstractGeometry,
    AbstractRemeshable,
    Mesh,
    PointDraw,
    RegionKind,
    SetOperation,
)
from jno_core.errors import JnoKeyError, JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_count, checked_finite, checked_positive, checked_vector
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._smooth import smooth_distance

Mesher = Literal["netgen", "gmsh"]


class AbstractShape(AbstractGeometry, AbstractCombinable, AbstractDistance, AbstractRemeshable):
    """A closed region of the line, the plane or space, as a value: what is made of it is a new shape.

    `a | b`, `a & b`, `a - b`, `a ^ b` combine shapes; boundary parts keep their names, and those of equal names become one
    part. `translate`, `rotate`, `scale`, `mirror` move them, `extrude` and `revolve` sweep plane shapes through space,
    `named` names the whole boundary, so that it can be told apart after a combination:

        plate = Rectangle((0, 2), (0, 1)) - Disk((1, 0.5), 0.2).named("hole")

    The mesh of a combined shape has the smaller of the two mesh sizes; `remeshed(h)` sets it.
    """

    _region: AbstractRegion
    mesh_size: float

    @abc.abstractmethod
    def _resized(self, mesh_size: float) -> "AbstractShape":
        """The same shape with another mesh size."""

    @property
    def region(self) -> AbstractRegion:
        """What is known exactly about the shape, apart from its mesh."""
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
        if self._kind(tag) == "interior":
            raise JnoKeyError(f"{tag!r} is no part of the boundary; there are {list(self._region.boundary_tags())}.")
        return smooth_distance(self._region, tag)

    def combined(self, operation: SetOperation, other: Any) -> "Shape":
        if not isinstance(other, AbstractShape) or other.dimension != self.dimension:
            raise JnoTypeError(
                f"A shape in {self.dimension}-D can be combined with such shapes, as Rectangle and Disk are; got {other!r}."
            )
        a, b = self._region, other._region
        if operation == "symmetric_difference":
            return Shape(_symmetric_difference(a, b), min(self.mesh_size, other.mesh_size))
        return Shape(a.combined(b, operation), min(self.mesh_size, other.mesh_size))

    def remeshed(self, mesh_size: float, *, mesher: Mesher | None = None, algorithm: int = 6) -> "AbstractShape":
        """The same shape with a mesh of another size, by its own mesher unless one is named.

        `mesher="gmsh"` needs the extra `jno-plugin-geometry[gmsh]`; `algorithm` is gmsh's, for plane meshes.
        """
        h = checked_positive("mesh_size", mesh_size)
        return self._resized(h) if mesher is None else Shape(self._region, h, mesher, algorithm)

    def translate(self, *offset: float) -> "Shape":
        """Moved by an offset, `translate(dx, dy)` or `translate((dx, dy))`."""
        given = offset[0] if len(offset) == 1 and np.ndim(offset[0]) == 1 else offset
        return self._moved(np.eye(self.dimension), checked_vector("offset", given, self.dimension))

    def rotate(self, angle: float, axis: Any = (0.0, 0.0, 1.0), center: Any = None) -> "Shape":
        """Turned by `angle` in radians, counter-clockwise, about `center` (the origin); in space about a direction `axis`."""
        if self.dimension == 1:
            raise JnoValueError("A shape on the line cannot be rotated; mirror it.")
        angle = checked_finite("angle", angle)
        matrix = _rotation(angle, checked_vector("axis", axis, 3))
        return self._about(matrix[: self.dimension, : self.dimension], center)

    def scale(self, factor: Any, center: Any = None) -> "Shape":
        """Stretched by a factor, or in the plane by one for each axis, with `center` (the origin) fixed."""
        factors = np.full(self.dimension, factor) if np.ndim(factor) == 0 else factor
        factors = checked_vector("factor", factors, self.dimension)
        if np.any(factors <= 0):
            raise JnoValueError(f"factor must be positive, got {factor!r}; mirror(...) reflects.")
        return self._about(np.diag(factors), center)

    def mirror(self, normal: Any, center: Any = None) -> "Shape":
        """Reflected in the line or plane through `center` (the origin) with the given `normal`."""
        direction = checked_vector("normal", np.atleast_1d(normal), self.dimension)
        if not np.any(direction):
            raise JnoValueError("normal must not be zero.")
        direction = direction / np.linalg.norm(direction)
        return self._about(np.eye(self.dimension) - 2 * np.outer(direction, direction), center)

    def extrude(self, height: float, bottom: float = 0.0) -> "Shape":
        """Swept along z from `bottom` to `bottom + height`; new parts `bottom`, `top` and `side`."""
        lower = checked_finite("bottom", bottom)
        upper = lower + checked_positive("height", height)
        return Shape(Solid.extrusion(self._plane("extruded"), (lower, upper)), self.mesh_size)

    def revolve(self, angle: float = 2 * math.pi) -> "Shape":
        """Swept around the z axis; x becomes the distance from the axis, y becomes z. Parts `start`, `end` unless full."""
        return Shape(Solid.revolution(self._plane("revolved"), checked_positive("angle", angle)), self.mesh_size)

    def named(self, name: str) -> "Shape":
        """The same shape, whose boundary is the one part `name`."""
        if not isinstance(name, str) or not name or name in ("interior", "boundary", "initial"):
            raise JnoValueError(
                f"A part needs a name of its own, other than interior, boundary and initial; got {name!r}."
            )
        return Shape(self._region.renamed(name), self.mesh_size)

    def _plane(self, what: str) -> Outline:
        if not isinstance(self._region, Outline):
            raise JnoValueError(f"Only shapes in the plane can be {what}; this one is {self.dimension}-D.")
        return self._region

    def _about(self, matrix: Float[np.ndarray, "d d"], center: Any) -> "Shape":
        fixed = checked_vector(
            "center", np.zeros(self.dimension) if center is None else np.atleast_1d(center), self.dimension
        )
        return self._moved(matrix, fixed - matrix @ fixed)

    def _moved(self, matrix: Float[np.ndarray, "d d"], offset: Float[np.ndarray, " d"]) -> "Shape":
        return Shape(self._region.moved(matrix, offset), self.mesh_size)

    def _kind(self, tag: str) -> RegionKind:
        tags = self.tags()
        if tag not in tags:
            raise JnoKeyError(f"{type(self).__name__} has no tag {tag!r}; it has {list(tags)}.")
        return tags[tag]

    def _checked(self, points: Any) -> Float[np.ndarray, "n d"]:
        points = np.asarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise JnoValueError(f"points must have shape (n, {self.dimension}), got {points.shape}.")
        return points


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Shape(AbstractShape):
    """What operations make of shapes: a region, meshed by netgen or gmsh with edges of about `mesh_size`."""

    _region: AbstractRegion
    mesh_size: float
    mesher: Mesher = "netgen"
    algorithm: int = 6

    def __post_init__(self) -> None:
        if self.mesher not in ("netgen", "gmsh"):
            raise JnoValueError(f"mesher must be 'netgen' or 'gmsh', got {self.mesher!r}.")

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

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


def _rotation(angle: float, axis: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """By Rodrigues' formula."""
    length = np.linalg.norm(axis)
    if length == 0:
        raise JnoValueError("axis must not be zero.")
    x, y, z = axis / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
