"""Rectangles in a given number of cells."""

import dataclasses
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_count, checked_range, steps
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._rectangle import RECTANGLE_SIDES, rectangle_outline
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class EquidistantRectangle(AbstractShape[Outline]):
    """The rectangle `x_range` times `y_range` with `nx` times `ny` equal cells, two triangles each.

    All diagonals rise to the right. There are `(nx + 1) * (ny + 1)` nodes with y fastest: node `i * (ny + 1) + j` is
    the `i`-th in x and the `j`-th in y, so `values.reshape(nx + 1, ny + 1)` is the grid with x along its first axis.

    Tags: `interior`, `boundary`, `left`, `right`, `bottom`, `top`.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    nx: int = 10
    ny: int = 10
    mesh_size: float = dataclasses.field(init=False, repr=False, compare=False)
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "y_range", checked_range("y_range", self.y_range))
        object.__setattr__(self, "nx", checked_count("nx", self.nx, 1))
        object.__setattr__(self, "ny", checked_count("ny", self.ny, 1))
        object.__setattr__(self, "_region", rectangle_outline(self.x_range, self.y_range, RECTANGLE_SIDES))
        sizes = [(upper - lower) / n for (lower, upper), n in ((self.x_range, self.nx), (self.y_range, self.ny))]
        object.__setattr__(self, "mesh_size", max(sizes))

    def mesh(self) -> Mesh:
        return box_mesh((self.x_range, self.y_range), RECTANGLE_SIDES, [self.nx, self.ny], alternate=False)

    def _resized(self, mesh_size: float) -> "EquidistantRectangle":
        counts = [steps(upper - lower, mesh_size) for lower, upper in (self.x_range, self.y_range)]
        return EquidistantRectangle(self.x_range, self.y_range, *counts)


@final
@dataclasses.dataclass(frozen=True)
class Poseidon(AbstractShape[Outline]):
    """The unit square with `nx` times `ny` nodes, the grid that operator networks such as Poseidon work on.

    As `EquidistantRectangle` with one cell fewer along each axis: y fastest, `values.reshape(nx, ny)` is the grid.

    Tags: `interior`, `boundary`, `left`, `right`, `bottom`, `top`.
    """

    nx: int = 128
    ny: int = 128
    mesh_size: float = dataclasses.field(init=False, repr=False, compare=False)
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nx", checked_count("nx", self.nx, 2))
        object.__setattr__(self, "ny", checked_count("ny", self.ny, 2))
        object.__setattr__(self, "_region", self._rectangle.region)
        object.__setattr__(self, "mesh_size", self._rectangle.mesh_size)

    def mesh(self) -> Mesh:
        return self._rectangle.mesh()

    def _resized(self, mesh_size: float) -> "Poseidon":
        count = steps(1.0, mesh_size) + 1
        return Poseidon(count, count)

    @property
    def _rectangle(self) -> EquidistantRectangle:
        return EquidistantRectangle(nx=self.nx - 1, ny=self.ny - 1)
