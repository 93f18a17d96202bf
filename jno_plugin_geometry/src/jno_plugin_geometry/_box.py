"""A box in tetrahedra."""

import dataclasses
import math
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_cells, checked_positive, checked_range, steps
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._regions.solid import Solid
from jno_plugin_geometry._shape import AbstractShape

_SIDES = {"left": (0, 0), "right": (0, 1), "front": (1, 0), "back": (1, 1), "bottom": (2, 0), "top": (2, 1)}


@final
@dataclasses.dataclass(frozen=True)
class Box(AbstractShape[Solid]):
    """The box `x_range` times `y_range` times `z_range`, in cells of about `mesh_size`, six tetrahedra each.

    An axis of length `L` has `max(round(L / mesh_size), 1)` cells; nodes lie with z fastest.

    Tags: `interior`, `boundary`, `left` and `right` (x), `front` and `back` (y), `bottom` and `top` (z).
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    z_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.1
    _region: Solid = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("x_range", "y_range", "z_range"):
            object.__setattr__(self, name, checked_range(name, getattr(self, name)))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", Solid.box(self._ranges))

    def mesh(self) -> Mesh:
        counts = [steps(upper - lower, self.mesh_size) for lower, upper in self._ranges]
        checked_cells(6.0 * math.prod(counts), self.mesh_size)
        return box_mesh(self._ranges, _SIDES, counts, alternate=False)

    def _resized(self, mesh_size: float) -> "Box":
        return dataclasses.replace(self, mesh_size=mesh_size)

    @property
    def _ranges(self) -> tuple[tuple[float, float], ...]:
        return self.x_range, self.y_range, self.z_range
