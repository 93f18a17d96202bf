"""A rectangle in a given number of cells."""

import dataclasses
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_count, checked_range
from jno_plugin_geometry._box_region import BoxRegion
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._rectangle import RECTANGLE_SIDES
from jno_plugin_geometry._region import AbstractRegionGeometry


@final
@dataclasses.dataclass(frozen=True)
class EquidistantRectangle(AbstractRegionGeometry[BoxRegion]):
    """The rectangle `x_range` times `y_range` with `nx` times `ny` equal cells, two triangles each.

    All diagonals rise to the right. There are `(nx + 1) * (ny + 1)` nodes with y fastest: node `i * (ny + 1) + j` is
    the `i`-th in x and the `j`-th in y, so `values.reshape(nx + 1, ny + 1)` is the grid with x along its first axis.

    Tags: `interior`, `boundary`, `left`, `right`, `bottom`, `top`.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    nx: int = 10
    ny: int = 10
    _region: BoxRegion = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "y_range", checked_range("y_range", self.y_range))
        object.__setattr__(self, "nx", checked_count("nx", self.nx, 1))
        object.__setattr__(self, "ny", checked_count("ny", self.ny, 1))
        object.__setattr__(self, "_region", BoxRegion((self.x_range, self.y_range), RECTANGLE_SIDES))

    def mesh(self) -> Mesh:
        return box_mesh(self._region, [self.nx, self.ny], alternate=False)
