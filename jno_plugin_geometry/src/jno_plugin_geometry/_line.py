"""A segment."""

import dataclasses
from typing import final

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_positive, checked_range, steps
from jno_plugin_geometry._box_region import BoxRegion
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._region import AbstractRegionGeometry


@final
@dataclasses.dataclass(frozen=True)
class Line(AbstractRegionGeometry[BoxRegion]):
    """The segment `x_range`, in `max(round(length / mesh_size), 1)` equal cells with the nodes in order.

    Tags: `interior`, `boundary`, `left`, `right`.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.1
    _region: BoxRegion = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", BoxRegion((self.x_range,), {"left": (0, 0), "right": (0, 1)}))

    def mesh(self) -> Mesh:
        lower, upper = self.x_range
        return box_mesh(self._region, [steps(upper - lower, self.mesh_size)], alternate=False)
