"""Moving, sweeping and naming shapes."""

import abc
import math
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_finite, checked_positive, checked_vector
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import Solid

ShapeT = TypeVar("ShapeT")


class AbstractMovable(abc.ABC, Generic[ShapeT]):
    """What a region allows, as methods of the shape that has it. All give new shapes."""

    @property
    @abc.abstractmethod
    def region(self) -> AbstractRegion:
        """What is known exactly about the shape, apart from its mesh."""

    @abc.abstractmethod
    def _made(self, region: AbstractRegion) -> ShapeT:
        """The shape of another region with the same mesh size."""

    def translate(self, *offset: float) -> ShapeT:
        """Moved by an offset, `translate(dx, dy)` or `translate((dx, dy))`."""
        given = offset[0] if len(offset) == 1 and np.ndim(offset[0]) == 1 else offset
        return self._moved(np.eye(self.region.dimension), checked_vector("offset", given, self.region.dimension))

    def rotate(self, angle: float, axis: Any = (0.0, 0.0, 1.0), center: Any = None) -> ShapeT:
        """Turned by `angle` in radians, counter-clockwise, about `center` (the origin); in space about a direction `axis`."""
        if self.region.dimension == 1:
            raise JnoValueError("A shape on the line cannot be rotated; mirror it.")
        angle = checked_finite("angle", angle)
        matrix = _rotation(angle, checked_vector("axis", axis, 3))
        return self._about(matrix[: self.region.dimension, : self.region.dimension], center)

    def scale(self, factor: Any, center: Any = None) -> ShapeT:
        """Stretched by a factor, or in the plane by one for each axis, with `center` (the origin) fixed."""
        factors = np.full(self.region.dimension, factor) if np.ndim(factor) == 0 else factor
        factors = checked_vector("factor", factors, self.region.dimension)
        if np.any(factors <= 0):
            raise JnoValueError(f"factor must be positive, got {factor!r}; mirror(...) reflects.")
        return self._about(np.diag(factors), center)

    def mirror(self, normal: Any, center: Any = None) -> ShapeT:
        """Reflected in the line or plane through `center` (the origin) with the given `normal`."""
        direction = checked_vector("normal", np.atleast_1d(normal), self.region.dimension)
        if not np.any(direction):
            raise JnoValueError("normal must not be zero.")
        direction = direction / np.linalg.norm(direction)
        return self._about(np.eye(self.region.dimension) - 2 * np.outer(direction, direction), center)

    def extrude(self, height: float, bottom: float = 0.0) -> ShapeT:
        """Swept along z from `bottom` to `bottom + height`; new parts `bottom`, `top` and `side`."""
        lower = checked_finite("bottom", bottom)
        upper = lower + checked_positive("height", height)
        return self._made(Solid.extrusion(self._plane("extruded"), (lower, upper)))

    def revolve(self, angle: float = 2 * math.pi) -> ShapeT:
        """Swept around the z axis; x becomes the distance from the axis, y becomes z. Parts `start`, `end` unless full."""
        return self._made(Solid.revolution(self._plane("revolved"), checked_positive("angle", angle)))

    def named(self, name: str) -> ShapeT:
        """The same shape, whose boundary is the one part `name`."""
        if not isinstance(name, str) or not name or name in ("interior", "boundary", "initial"):
            raise JnoValueError(
                f"A part needs a name of its own, other than interior, boundary and initial; got {name!r}."
            )
        return self._made(self.region.renamed(name))

    def _plane(self, what: str) -> Outline:
        if not isinstance(self.region, Outline):
            raise JnoValueError(f"Only shapes in the plane can be {what}; this one is {self.region.dimension}-D.")
        return self.region

    def _about(self, matrix: Float[np.ndarray, "d d"], center: Any) -> ShapeT:
        fixed = checked_vector(
            "center",
            np.zeros(self.region.dimension) if center is None else np.atleast_1d(center),
            self.region.dimension,
        )
        return self._moved(matrix, fixed - matrix @ fixed)

    def _moved(self, matrix: Float[np.ndarray, "d d"], offset: Float[np.ndarray, " d"]) -> ShapeT:
        return self._made(self.region.moved(matrix, offset))


def _rotation(angle: float, axis: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """By Rodrigues' formula."""
    length = np.linalg.norm(axis)
    if length == 0:
        raise JnoValueError("axis must not be zero.")
    x, y, z = axis / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
