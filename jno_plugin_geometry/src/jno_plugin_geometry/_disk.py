"""A disk."""

import dataclasses
import math
from typing import final

import numpy as np
from jaxtyping import Float, Int

from jno_core import Mesh
from jno_plugin_geometry._arguments import checked_cells, checked_count, checked_pair, checked_positive
from jno_plugin_geometry._regions.outline import Outline
from jno_plugin_geometry._shape import AbstractShape


@final
@dataclasses.dataclass(frozen=True)
class Disk(AbstractShape[Outline]):
    """The disk with `center` and `radius`.

    Points, `contains` and `measure` are those of the true disk. The mesh is a regular polygon on concentric rings,
    with `num_points` nodes on the circle; by default as many as make its edges about `mesh_size` long. When
    `num_points` is given, it sets the spacing of the whole mesh and `mesh_size` is not used. The polygon's area
    approaches the disk's with the square of the edge length.

    Tags: `interior`, `boundary`.
    """

    center: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    mesh_size: float = 0.1
    num_points: int | None = None
    _region: Outline = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", checked_pair("center", self.center))
        object.__setattr__(self, "radius", checked_positive("radius", self.radius))
        object.__setattr__(self, "mesh_size", checked_positive("mesh_size", self.mesh_size))
        if self.num_points is not None:
            object.__setattr__(self, "num_points", checked_count("num_points", self.num_points, 3))
        object.__setattr__(self, "_region", Outline.disk(self.center, self.radius))

    def mesh(self) -> Mesh:
        outer = self.num_points
        if outer is None:
            asked = 2 * math.pi * self.radius / self.mesh_size
            checked_cells(asked**2 / 6, self.mesh_size)
            outer = max(round(asked), 6)
        # Six more nodes on each ring than on the one inside it keep the spacings along and across rings alike.
        rings = max(round(outer / 6), 1)
        counts = [1, *(max(round(outer * k / rings), 3) for k in range(1, rings + 1))]
        starts = np.cumsum([0, *counts])
        turns = np.concatenate([np.arange(count) / count for count in counts])
        radii = np.repeat(np.arange(rings + 1) / rings, counts)[:, None]
        points = np.array(self.center) + self.radius * radii * _directions(turns)
        strips = [_strip(counts[k], counts[k + 1], starts[k], starts[k + 1]) for k in range(rings)]
        circle = starts[rings] + np.arange(outer)
        return Mesh(points, np.concatenate(strips), {"boundary": np.stack([circle, np.roll(circle, -1)], axis=1)})

    def _resized(self, mesh_size: float) -> "Disk":
        return Disk(self.center, self.radius, mesh_size)


def _directions(turns: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    return np.stack([np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)], axis=1)


def _strip(inner: int, outer: int, inner_start: int, outer_start: int) -> Int[np.ndarray, "m 3"]:
    """The triangles between two rings of equally spaced nodes, counter-clockwise.

    Each edge of a ring is joined to the node of the other ring that is reached when the edges of both rings are walked
    in the order of their midpoints. Comparing `(2 i + 1) / outer` with `(2 j + 1) / inner` in integers breaks ties.
    """
    i, j = np.arange(outer), np.arange(inner)
    across = -((outer - (2 * i + 1) * inner) // (2 * outer)) % inner
    to_inner = np.stack([inner_start + across, outer_start + i, outer_start + (i + 1) % outer], axis=1)
    if inner == 1:
        return to_inner
    across = (((2 * j + 1) * outer - inner) // (2 * inner) + 1) % outer
    to_outer = np.stack([inner_start + j, outer_start + across, inner_start + (j + 1) % inner], axis=1)
    return np.concatenate([to_inner, to_outer])
