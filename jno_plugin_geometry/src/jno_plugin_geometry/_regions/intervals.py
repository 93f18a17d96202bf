"""Regions of the line."""

import dataclasses
from collections.abc import Mapping
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core import Mesh, PointDraw
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_geometry._arguments import checked_cells
from jno_plugin_geometry._regions.region import AbstractRegion, Operation

_TOLERANCE = 1e-9


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Intervals(AbstractRegion):
    """Closed intervals apart from each other; `ends (2 m,)` are their lower and upper ends in ascending order.

    `parts` gives the ends that belong to each part of the boundary; `"boundary"` has all of them.
    """

    ends: Float[np.ndarray, " e"]
    parts: Mapping[str, Int[np.ndarray, " k"]]

    @classmethod
    def between(cls, lower: float, upper: float) -> "Intervals":
        """One interval with the parts `left` and `right`."""
        named = {"boundary": np.arange(2), "left": np.array([0]), "right": np.array([1])}
        return cls(np.array([lower, upper], np.float64), named)

    @property
    def dimension(self) -> int:
        return 1

    def boundary_tags(self) -> tuple[str, ...]:
        return tuple(self.parts)

    def bounds(self) -> Float[np.ndarray, "2 1"]:
        return self.ends[[0, -1]][:, None]

    def interior_measure(self) -> float:
        return float(np.sum(np.diff(self.ends)[::2]))

    def boundary_measure(self, tag: str) -> float:
        return float(len(self.parts[tag]))

    def sample_interior(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 1"]:
        lower, upper = self.ends[::2], self.ends[1::2]
        which = rng.choice(len(lower), size=n, p=(upper - lower) / np.sum(upper - lower))
        return np.minimum(rng.uniform(lower[which], upper[which]), upper[which])[:, None]

    def sample_boundary(self, tag: str, n: int, rng: np.random.Generator) -> PointDraw:
        return self._drawn(rng.choice(self.parts[tag], size=n))

    def boundary_at(self, tag: str, u: Float[np.ndarray, "n 1"]) -> PointDraw:
        part = np.asarray(self.parts[tag])
        which = part[np.minimum((u[:, 0] * len(part)).astype(int), len(part) - 1)]
        return self._drawn(which)

    def _drawn(self, which: Int[np.ndarray, " n"]) -> PointDraw:
        return PointDraw(self.ends[which][:, None], 2.0 * (which % 2)[:, None] - 1.0)

    def contains(self, points: Float[np.ndarray, "n 1"]) -> Bool[np.ndarray, " n"]:
        return self.signed_distance(points) <= _TOLERANCE * float(self.ends[-1] - self.ends[0])

    def signed_distance(self, points: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, " n"]:
        x = points[:, 0]
        place = np.searchsorted(self.ends, x)
        below, above = self.ends[np.maximum(place - 1, 0)], self.ends[np.minimum(place, len(self.ends) - 1)]
        return np.where(place % 2, -1.0, 1.0) * np.minimum(np.abs(x - below), np.abs(x - above))

    def moved(self, matrix: Float[np.ndarray, "1 1"], offset: Float[np.ndarray, " 1"]) -> "Intervals":
        ends = self.ends * float(matrix[0, 0]) + float(offset[0])
        if matrix[0, 0] > 0:
            return dataclasses.replace(self, ends=ends)
        parts = {tag: len(ends) - 1 - part[::-1] for tag, part in self.parts.items()}
        return dataclasses.replace(self, ends=ends[::-1], parts=parts)

    # A final class is its own `Self`, which the checker does not see in the parameter.
    def combined(self, other: "Intervals", operation: Operation) -> "Intervals":  # pyright: ignore[reportIncompatibleMethodOverride]
        if not isinstance(other, Intervals):
            raise JnoTypeError(
                f"A region of the line can be combined with another one only, got {type(other).__name__}."
            )
        cuts = np.unique(np.concatenate([self.ends, other.ends]))
        middles = ((cuts[1:] + cuts[:-1]) / 2)[:, None]
        here, there = self.signed_distance(middles) < 0, other.signed_distance(middles) < 0
        kept = {"union": here | there, "intersection": here & there, "difference": here & ~there}[operation]
        if not np.any(kept):
            raise JnoValueError(f"Nothing is left of the {operation}.")
        ends = cuts[np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))]
        parts: dict[str, list[int]] = {}
        for region in (self, other):
            for tag, part in region.parts.items():
                found = np.flatnonzero(np.isin(ends, region.ends[part]))
                if len(found):
                    parts[tag] = sorted({*parts.get(tag, []), *found.tolist()})
        parts["boundary"] = list(range(len(ends)))
        return Intervals(ends, {tag: np.array(part) for tag, part in parts.items()})

    def renamed(self, name: str) -> "Intervals":
        everything = np.arange(len(self.ends))
        return dataclasses.replace(self, parts={"boundary": everything, name: everything})

    def mesh(self, mesh_size: float) -> Mesh:
        """Equal cells in each interval, with the nodes in order."""
        checked_cells(self.interior_measure() / mesh_size, mesh_size)
        axes = [
            np.linspace(lower, upper, max(round((upper - lower) / mesh_size), 1) + 1)
            for lower, upper in zip(self.ends[::2], self.ends[1::2], strict=True)
        ]
        starts = np.cumsum([0, *(len(axis) for axis in axes)])
        cells = [
            np.arange(len(axis) - 1)[:, None] + start + np.arange(2) for axis, start in zip(axes, starts, strict=False)
        ]
        nodes = np.stack([starts[:-1], starts[1:] - 1], axis=1).ravel()
        facets = {tag: nodes[part][:, None] for tag, part in self.parts.items()}
        return Mesh(np.concatenate(axes)[:, None], np.concatenate(cells), facets)
