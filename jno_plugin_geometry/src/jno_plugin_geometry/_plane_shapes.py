"""Plane shapes that netgen meshes."""

import dataclasses
import math
from typing import final

import numpy as np

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_count, checked_finite, checked_pair, checked_positive
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._rings import RingLike, as_tuples, checked_rings
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class Triangle(AbstractShape[Outline]):
    """The triangle with three `vertices`, either way round.

    Tags: `interior`, `boundary`, `outer`, and the edges `edge_0` (from the first vertex to the second), `edge_1`, `edge_2`.
    """

    vertices: RingLike = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ring, *_ = checked_rings("vertices", self.vertices)
        if len(ring) != 3:
            raise JnoValueError(f"A triangle has three vertices, got {len(ring)}; use Polygon.")
        object.__setattr__(self, "vertices", as_tuples(ring))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", Outline.polygon(ring, named={f"edge_{i}": [i] for i in range(3)}))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Triangle":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class RegularPolygon(AbstractShape[Outline]):
    """The polygon with `corners` equal sides on the circle with `center` and `radius`; its first corner is at `angle`.

    Tags: `interior`, `boundary`, `outer`, and the edges counter-clockwise from the first corner `edge_0`, `edge_1`, ...
    """

    corners: int = 6
    center: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    angle: float = 0.0
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "corners", checked_count("corners", self.corners, 3))
        object.__setattr__(self, "center", checked_pair("center", self.center))
        object.__setattr__(self, "radius", checked_positive("radius", self.radius))
        object.__setattr__(self, "angle", checked_finite("angle", self.angle))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        turns = self.angle + 2 * math.pi * np.arange(self.corners) / self.corners
        ring = np.array(self.center) + self.radius * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        named = {f"edge_{i}": [i] for i in range(self.corners)}
        object.__setattr__(self, "_region", Outline.polygon(ring, named=named))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "RegularPolygon":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class Ellipse(AbstractShape[Outline]):
    """The ellipse with `center` and half axes `radii`, the first of which is turned by `angle` from the x axis.

    Tags: `interior`, `boundary`.
    """

    center: tuple[float, float] = (0.0, 0.0)
    radii: tuple[float, float] = (1.0, 0.5)
    angle: float = 0.0
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", checked_pair("center", self.center))
        rx, ry = checked_pair("radii", self.radii)
        object.__setattr__(self, "radii", (checked_positive("radii[0]", rx), checked_positive("radii[1]", ry)))
        object.__setattr__(self, "angle", checked_finite("angle", self.angle))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", Outline.ellipse(self.center, self.radii, self.angle))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Ellipse":
        return dataclasses.replace(self, mesh_size=mesh_size)


@final
@dataclasses.dataclass(frozen=True)
class Annulus(AbstractShape[Outline]):
    """The ring between two circles around `center`.

    Tags: `interior`, `boundary`, `outer`, `inner`.
    """

    center: tuple[float, float] = (0.0, 0.0)
    inner_radius: float = 0.5
    outer_radius: float = 1.0
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", checked_pair("center", self.center))
        for name in ("inner_radius", "outer_radius", "mesh_size"):
            object.__setattr__(self, name, checked_positive(name, getattr(self, name)))
        if not self.inner_radius < self.outer_radius:
            raise JnoValueError(
                f"inner_radius must be below outer_radius, got {self.inner_radius:g} and {self.outer_radius:g}."
            )
        outer, inner = (Outline.disk(self.center, r) for r in (self.outer_radius, self.inner_radius))
        object.__setattr__(self, "_region", outer.renamed("outer").combined(inner.renamed("inner"), "difference"))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Annulus":
        return dataclasses.replace(self, mesh_size=mesh_size)
