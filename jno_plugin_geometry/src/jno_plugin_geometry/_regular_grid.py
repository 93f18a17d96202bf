"""A regular grid of nodes."""

import dataclasses
from typing import Any, final

import numpy as np
from jaxtyping import Int

from jno_core import AbstractPeriodic, Mesh
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_count, checked_positive, checked_vector
from jno_plugin_geometry._grid import box_mesh
from jno_plugin_geometry._rectangle import RECTANGLE_SIDES, rectangle_outline
from jno_plugin_geometry._regions.intervals import Intervals
from jno_plugin_geometry._regions.region import AbstractRegion
from jno_plugin_geometry._regions.solid import BOX_SIDES, Solid
from jno_plugin_geometry._shape import AbstractShape

_SIDES = {
    1: {"left": (0, 0), "right": (0, 1)},
    2: RECTANGLE_SIDES,
    3: {side: (i // 2, i % 2) for i, side in enumerate(BOX_SIDES)},
}


@final
@dataclasses.dataclass(frozen=True)
class RegularGrid(AbstractShape[AbstractRegion], AbstractPeriodic):
    """`shape` nodes along one, two or three axes, `spacing` apart, from `origin` on: for differences on grids.

    - `shape`: the number of nodes along each axis; `(64, 64)` for a plane grid.
    - `spacing`: one number for all axes or one for each.
    - `origin`: the lowest node; zero by default.
    - `periodic`: whether the node after the last of an axis is the first, for all axes or each. The end of a periodic axis
      is then no node: the region, and integrals, reach one spacing farther than the mesh, to where the first node comes again.

    Nodes lie with the last axis fastest, so that `values.reshape(shape)` is the grid; all of them are
    `domain.variable("interior")`. Differences on the grid need the same word:
    `FiniteDifference("central", accuracy=4, periodic=domain.geometry.periodic)`.

    Tags: `interior`, `boundary`, and the sides as those of `Line`, `Rectangle` and `Box`.
    """

    shape: tuple[int, ...] = (64, 64)
    spacing: Any = 1.0
    origin: Any = None
    periodic: Any = False
    mesh_size: float = dataclasses.field(init=False, repr=False, compare=False)
    _region: AbstractRegion = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        given = (self.shape,) if isinstance(self.shape, int | np.integer) else self.shape
        if not isinstance(given, tuple | list) or len(given) not in (1, 2, 3):
            raise JnoTypeError(f"shape must be the numbers of nodes along one to three axes, got {self.shape!r}.")
        shape = tuple(checked_count(f"shape[{i}]", n, 2) for i, n in enumerate(given))
        d = len(shape)
        spacing = checked_vector("spacing", np.full(d, self.spacing) if np.ndim(self.spacing) == 0 else self.spacing, d)
        spacing = tuple(checked_positive("spacing", h) for h in spacing.tolist())
        origin = tuple(checked_vector("origin", np.zeros(d) if self.origin is None else self.origin, d).tolist())
        periodic = (self.periodic,) * d if isinstance(self.periodic, bool) else self.periodic
        if (
            not isinstance(periodic, tuple | list)
            or len(periodic) != d
            or not all(isinstance(p, bool) for p in periodic)
        ):
            raise JnoValueError(
                f"periodic must be True, False or one of them for each of {d} axes, got {self.periodic!r}."
            )
        for name, value in (("shape", shape), ("spacing", spacing), ("origin", origin), ("periodic", tuple(periodic))):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "mesh_size", max(spacing))
        object.__setattr__(self, "_region", _box(self._ranges, _SIDES[d]))

    def mesh(self) -> Mesh:
        steps = [n - 1 for n in self.shape]
        ranges = tuple((low, low + n * h) for low, n, h in zip(self.origin, steps, self.spacing, strict=True))
        return box_mesh(ranges, _SIDES[len(self.shape)], steps, alternate=False)

    def covering(self) -> tuple[Mesh, Int[np.ndarray, " n"]] | None:
        if not any(self.periodic):
            return None
        index = np.indices([n + 1 for n in self._steps])
        image = np.ravel_multi_index([i % n for i, n in zip(index, self.shape, strict=True)], self.shape)
        whole = box_mesh(self._ranges, _SIDES[len(self.shape)], self._steps, alternate=False)
        return whole, np.asarray(image).ravel()

    @property
    def _steps(self) -> list[int]:
        """The number of spacings from end to end of each axis."""
        return [n if periodic else n - 1 for n, periodic in zip(self.shape, self.periodic, strict=True)]

    @property
    def _ranges(self) -> tuple[tuple[float, float], ...]:
        return tuple((low, low + n * h) for low, n, h in zip(self.origin, self._steps, self.spacing, strict=True))

    def _resized(self, mesh_size: float) -> "RegularGrid":
        lengths = [upper - lower for lower, upper in self._ranges]
        # A periodic axis with one node has no neighbours.
        steps = [max(round(length / mesh_size), 1 + p) for length, p in zip(lengths, self.periodic, strict=True)]
        shape = tuple(n + (not periodic) for n, periodic in zip(steps, self.periodic, strict=True))
        spacing = [length / n for length, n in zip(lengths, steps, strict=True)]
        return RegularGrid(shape, spacing, self.origin, self.periodic)


def _box(ranges: tuple[tuple[float, float], ...], sides: dict[str, tuple[int, int]]) -> AbstractRegion:
    if len(ranges) == 1:
        return Intervals.between(*ranges[0])
    return rectangle_outline(ranges[0], ranges[1], sides) if len(ranges) == 2 else Solid.box(ranges)
