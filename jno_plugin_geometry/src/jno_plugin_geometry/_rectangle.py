"""A rectangle in triangles of a given size."""

import dataclasses
import math
from collections.abc import Mapping
from typing import final

import numpy as np

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_cells, checked_positive, checked_range, steps
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._shape import AbstractShape

RECTANGLE_SIDES = {"left": (0, 0), "right": (0, 1), "bottom": (1, 0), "top": (1, 1)}
_SIDES = RECTANGLE_SIDES | {"one": (1, 1), "two": (0, 1), "three": (1, 0), "four": (0, 0)}


@final
@dataclasses.dataclass(frozen=True)
class Rectangle(AbstractShape[Outline]):
    """The rectangle `x_range` times `y_range`, in cells of about `mesh_size`, two triangles each.

    The diagonals alternate, so that the mesh has no preferred direction. An axis of length `L` has
    `max(round(L / mesh_size), 1)` cells; nodes lie with y fastest.

    Tags: `interior`, `boundary`, `left`, `right`, `bottom`, `top`, and the sides clockwise by number: `one` (top),
    `two` (right), `three` (bottom), `four` (left).
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_range", checked_range("x_range", self.x_range))
        object.__setattr__(self, "y_range", checked_range("y_range", self.y_range))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        object.__setattr__(self, "_region", rectangle_outline(self.x_range, self.y_range, _SIDES))

    def mesh(self) -> Mesh:
        counts = [steps(upper - lower, self.mesh_size) for lower, upper in (self.x_range, self.y_range)]
        checked_cells(2.0 * math.prod(counts), self.mesh_size)
        return box_mesh((self.x_range, self.y_range), _SIDES, counts, alternate=True)

    def _resized(self, mesh_size: float) -> "Rectangle":
        return dataclasses.replace(self, mesh_size=mesh_size)


def rectangle_outline(
    x_range: tuple[float, float], y_range: tuple[float, float], sides: Mapping[str, tuple[int, int]]
) -> Outline:
    """The region of a rectangle with named sides, each an axis and an end."""
    (x0, x1), (y0, y1) = x_range, y_range
    edges = {(1, 0): 0, (0, 1): 1, (1, 1): 2, (0, 0): 3}
    outline = Outline.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    parts = {tag: np.array([edges[side]]) for tag, side in sides.items()}
    return outline.with_parts(parts)
