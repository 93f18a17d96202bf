"""The L-shape, whose re-entrant corner makes solutions singular."""

import dataclasses
from typing import final

import numpy as np
from jaxtyping import Float

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_cells, checked_positive, steps
from jno_plugin_geometry._grid import compacted, facets_on, grid_points, simplex_grid
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._shape import AbstractShape

_SIDES = ("bottom", "right_lower", "inner_horizontal", "inner_vertical", "top", "left")


@final
@dataclasses.dataclass(frozen=True)
class LShape(AbstractShape[Outline]):
    """The square from `(0, 0)` to `(size, size)` without its upper right quarter, in triangles of about `mesh_size`.

    The re-entrant corner is at `(size / 2, size / 2)` and is a node. The diagonals alternate, as in `Rectangle`.

    Tags: `interior`, `boundary`, and counter-clockwise from the origin `bottom`, `right_lower`, `inner_horizontal`,
    `inner_vertical`, `top`, `left`; `outer` is the same as `boundary`.
    """

    size: float = 1.0
    mesh_size: float = 0.1
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_positive("size", self.size))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        region = Outline.polygon(self._corners, named={side: [i] for i, side in enumerate(_SIDES)})
        object.__setattr__(self, "_region", region)

    def mesh(self) -> Mesh:
        half = steps(self.size / 2, self.mesh_size)
        checked_cells(6.0 * half**2, self.mesh_size)
        lower = np.linspace(0, self.size / 2, half + 1)
        axis = np.concatenate([lower, np.linspace(self.size / 2, self.size, half + 1)[1:]])
        points = grid_points([axis, axis])
        keep = np.ones((2 * half, 2 * half), dtype=bool)
        keep[half:, half:] = False
        cells = simplex_grid(keep.shape, alternate=True, keep=keep)
        on_side = [
            np.all((points >= np.minimum(start, end)) & (points <= np.maximum(start, end)), axis=1)
            for start, end in zip(self._corners, np.roll(self._corners, -1, axis=0), strict=True)
        ]
        by_edge = [facets_on(cells, on) for on in on_side]
        parts = self._region.parts.items()
        return compacted(points, cells, {tag: np.concatenate([by_edge[e] for e in edges]) for tag, edges in parts})

    def _resized(self, mesh_size: float) -> "LShape":
        return dataclasses.replace(self, mesh_size=mesh_size)

    @property
    def _corners(self) -> Float[np.ndarray, "6 2"]:
        return np.array([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]) * (self.size / 2)
