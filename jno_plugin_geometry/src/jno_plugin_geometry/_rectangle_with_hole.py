"""A rectangle with one hole in its middle."""

import dataclasses
from typing import final

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._arguments import checked_positive, checked_size
from jno_plugin_geometry._rectangle_with_holes import SIDES, RectangleWithHoles
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class RectangleWithHole(AbstractShape[Outline]):
    """The rectangle from `(0, 0)` to `outer_size` with a rectangular hole of `hole_size` in its middle.

    Both sizes are a number, for a square, or `(width, height)`.

    Tags: `interior`, `boundary`, `outer`, `bottom`, `right`, `top`, `left`; of the hole `_boundary`, `_bottom`, `_right`,
    `_top`, `_left`, and those of `RectangleWithHoles`: `hole_boundary`, `hole_0`, `hole_bottom`, ...

    Raises `JnoValueError` for a hole that does not lie inside.
    """

    outer_size: float | tuple[float, float] = 1.0
    hole_size: float | tuple[float, float] = 0.4
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        outer, hole = checked_size("outer_size", self.outer_size), checked_size("hole_size", self.hole_size)
        if not (hole[0] < outer[0] and hole[1] < outer[1]):
            raise JnoValueError(f"hole_size must be below outer_size in both directions, got {hole} and {outer}.")
        object.__setattr__(self, "outer_size", outer)
        object.__setattr__(self, "hole_size", hole)
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        corner = ((outer[0] - hole[0]) / 2, (outer[1] - hole[1]) / 2)
        region = RectangleWithHoles(outer, [{"origin": corner, "size": hole}]).region
        aliases = {f"_{side}": region.parts[f"hole_{side}"] for side in (*SIDES, "boundary")}
        object.__setattr__(self, "_region", region.with_parts({**region.parts, **aliases}))

    def mesh(self) -> Mesh:
        return self._region.mesh(self.mesh_size)

    def _resized(self, mesh_size: float) -> "RectangleWithHole":
        return dataclasses.replace(self, mesh_size=mesh_size)
