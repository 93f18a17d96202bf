"""A segment."""

import dataclasses
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_positive, checked_range
from jno_plugin_geometry._regions.intervals import Intervals
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class Line(AbstractShape[Intervals]):
    """The segment `x_range`, in `max(round(length / mesh_size), 1)` equal cells with the nodes in order.

    Tags: `interior`, `boundary`, `left`, `right`.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.1
    _region: Intervals = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", Intervals.between(*self.x_range))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "Line":
        return dataclasses.replace(self, mesh_size=mesh_size)
