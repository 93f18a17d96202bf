"""Shapes in space that netgen meshes."""

import dataclasses
import math
from typing import final

import numpy as np

from jno_core import Mesh
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_positive, checked_range, checked_vector
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._shape import AbstractShape

Point = tuple[float, float, float]

_IDENTITY = np.eye(3)


@final
@dataclasses.dataclass(frozen=True)
class Ball(AbstractShape[Solid]):
    """The ball with `center` and `radius`.

    Tags: `interior`, `boundary`.
    """

    center: Point = (0.0, 0.0, 0.0)
    radius: float = 1.0
    mesh_size: float = 0.25
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        center = checked_vector("center", self.center, 3)
        object.__setattr__(self, "center", tuple(map(float, center)))
        for name in ("radius", "mesh_size"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))
        object.__setattr__(self, "_region", Solid.ball(self.center, self.radius))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Ball":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class Cylinder(AbstractShape[Solid]):
    """The cylinder around the z axis through `center`, the middle of its bottom.

    Tags: `interior`, `boundary`, `bottom`, `top`, `side`.
    """

    center: Point = (0.0, 0.0, 0.0)
    radius: float = 1.0
    height: float = 1.0
    mesh_size: float = 0.25
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        x, y, z = checked_vector("center", self.center, 3)
        object.__setattr__(self, "center", (float(x), float(y), float(z)))
        for name in ("radius", "height", "mesh_size"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))
        object.__setattr__(self, "_region", Solid.extrusion(Outline.disk((x, y), self.radius), (z, z + self.height)))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Cylinder":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class Cone(AbstractShape[Solid]):
    """The cone around the z axis through `center`, the middle of its bottom; cut off where its radius is `top_radius`.

    Tags: `interior`, `boundary`, `bottom`, `side`, and `top` unless `top_radius` is 0.
    """

    center: Point = (0.0, 0.0, 0.0)
    radius: float = 1.0
    height: float = 1.0
    top_radius: float = 0.0
    mesh_size: float = 0.25
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        center = checked_vector("center", self.center, 3)
        object.__setattr__(self, "center", tuple(map(float, center)))
        for name in ("radius", "height", "mesh_size"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))
        if self.top_radius != 0:
            object.__setattr__(self, "top_radius", checked_positive("top_radius", self.top_radius))
        profile = [(0.0, 0.0), (self.radius, 0.0), (self.top_radius, self.height), (0.0, self.height)]
        named = {"bottom": [0], "side": [1], "top": [2]}
        if self.top_radius == 0:
            profile, named = profile[:3], {"bottom": [0], "side": [1]}
        outline = Outline.polygon(profile, named=named)
        parts = {tag: part for tag, part in outline.parts.items() if tag not in ("boundary", "outer")}
        solid = Solid.revolution(outline.with_parts(parts))
        object.__setattr__(self, "_region", solid.moved(_IDENTITY, center))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Cone":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class Torus(AbstractShape[Solid]):
    """The torus around the z axis through `center`: a tube of radius `minor_radius` whose middle is a circle of `major_radius`.

    Tags: `interior`, `boundary`.
    """

    center: Point = (0.0, 0.0, 0.0)
    major_radius: float = 1.0
    minor_radius: float = 0.25
    mesh_size: float = 0.2
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        center = checked_vector("center", self.center, 3)
        object.__setattr__(self, "center", tuple(map(float, center)))
        for name in ("major_radius", "minor_radius", "mesh_size"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))
        if not self.minor_radius < self.major_radius:
            raise JnoValueError(
                f"minor_radius must be below major_radius, got {self.minor_radius:g} and {self.major_radius:g}."
            )
        tube = Solid.revolution(Outline.disk((self.major_radius, 0.0), self.minor_radius), 2 * math.pi)
        object.__setattr__(self, "_region", tube.moved(_IDENTITY, center))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Torus":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Prism(AbstractShape[Solid]):
    """A plane shape swept along z through `z_range`.

    Tags: `interior`, `boundary`, `bottom`, `top`, `side`, and the parts of the plane shape's boundary.
    """

    base: AbstractShape[Outline]
    z_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.25
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.base, AbstractShape) or not isinstance(self.base.region, Outline):
            raise JnoTypeError(f"A prism stands on a plane shape, such as Rectangle(...); got {self.base!r}.")
        object.__setattr__(self, "z_range", checked_range("z_range", self.z_range))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", Solid.extrusion(self.base.region, self.z_range))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Prism":
        return dataclasses.replace(self, mesh_size=mesh_size)
