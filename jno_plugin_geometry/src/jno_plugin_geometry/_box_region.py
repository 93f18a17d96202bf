"""Products of intervals: segments, rectangles and boxes."""

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from jno_core import PointDraw
from jno_plugin_geometry._region import AbstractRegion

_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class BoxRegion(AbstractRegion):
    """The product of `ranges`, one `(lower, upper)` per axis.

    `sides` names sides: each is `(axis, end)`, where `end` is 0 for the lower and 1 for the upper one.
    """

    ranges: tuple[tuple[float, float], ...]
    sides: Mapping[str, tuple[int, int]]

    @property
    def dimension(self) -> int:
        return len(self.ranges)

    def boundary_tags(self) -> tuple[str, ...]:
        return ("boundary", *self.sides)

    def interior_measure(self) -> float:
        return float(np.prod(self._extent()))

    def boundary_measure(self, tag: str) -> float:
        return float(np.sum(self._side_measures(self._sides_of(tag))))

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        lower, upper = np.transpose(self.ranges)
        # lower + (upper - lower) * u can exceed `upper` by a rounding error.
        return np.minimum(rng.uniform(lower, upper, (n, self.dimension)), upper)

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        sides = self._sides_of(tag)
        measures = self._side_measures(sides)
        axis, end = np.array(sides)[rng.choice(len(sides), size=n, p=measures / np.sum(measures))].T
        rows = np.arange(n)
        points = self.sample_interior(n, rng)
        points[rows, axis] = np.array(self.ranges)[axis, end]
        normals = np.zeros_like(points)
        normals[rows, axis] = 2.0 * end - 1.0
        return PointDraw(points, normals)

    def contains(self, points: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
        lower, upper = np.transpose(self.ranges)
        slack = _TOLERANCE * np.max(self._extent())
        return np.all((points >= lower - slack) & (points <= upper + slack), axis=1)

    def _extent(self) -> Float[np.ndarray, " d"]:
        lower, upper = np.transpose(self.ranges)
        return upper - lower

    def _sides_of(self, tag: str) -> list[tuple[int, int]]:
        if tag == "boundary":
            return [(axis, end) for axis in range(self.dimension) for end in (0, 1)]
        return [self.sides[tag]]

    def _side_measures(self, sides: list[tuple[int, int]]) -> Float[np.ndarray, " s"]:
        return np.array([np.prod(np.delete(self._extent(), axis)) for axis, _ in sides])
