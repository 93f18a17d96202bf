"""Uniform points of a region from a grid of cells."""

import functools
from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Bool, Float

_MAX_UNDECIDED = {1: 1_000, 2: 20_000, 3: 100_000}
# Cells are split until those that the boundary may cross hold at most this share of the volume.
_WANTED_SHARE = 0.05


@final
class CellSampler:
    """Draws uniform points of a closed region inside `bounds`.

    `signed_distance` may be a bound: its sign is right and it never exceeds the distance in magnitude. Cells farther
    from the boundary than half their diagonal lie inside or outside as a whole; the others are halved in each direction
    until they hold little of the volume. Points of these alone ask `contains`.
    """

    def __init__(
        self,
        bounds: Float[np.ndarray, "2 d"],
        signed_distance: Callable[[Float[np.ndarray, "n d"]], Float[np.ndarray, " n"]],
        contains: Callable[[Float[np.ndarray, "n d"]], Bool[np.ndarray, " n"]],
    ) -> None:
        self._bounds = np.asarray(bounds, np.float64)
        self._signed_distance = signed_distance
        self._contains = contains

    def sample(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """`n` independent uniform points."""
        found, count, drawn = [], 0, 0
        # At first as if half of the undecided cells were in the region, then as often as was found.
        kept = self._least_share
        while count < n:
            batch = min(int((n - count) / kept * 1.05) + 16, 2_000_000)
            points = self._draw(batch, rng)
            found.append(points)
            count, drawn = count + len(points), drawn + batch
            kept = max(count, 1) / drawn
        return np.concatenate([np.empty((0, self._bounds.shape[1])), *found])[:n]

    def _draw(self, batch: int, rng: np.random.Generator) -> Float[np.ndarray, "k d"]:
        """Those of `batch` uniform points of the cells that lie in the region."""
        corners, sizes, inside, shares = self._cells
        cell = np.searchsorted(shares, rng.random(batch), side="right")
        points = corners[cell] + rng.random((batch, corners.shape[1])) * sizes[cell]
        unsure = np.flatnonzero(cell >= inside)
        keep = np.ones(batch, bool)
        keep[unsure] = self._contains(points[unsure])
        return points[keep]

    @property
    def _least_share(self) -> float:
        _, _, inside, shares = self._cells
        sure = shares[inside - 1] if inside else 0.0
        return (1 + float(sure)) / 2

    @functools.cached_property
    def _cells(self) -> tuple[Float[np.ndarray, "c d"], Float[np.ndarray, "c d"], int, Float[np.ndarray, " c"]]:
        """Lower corners and sizes of the cells, how many (the first ones) are inside, and the sums of their shares."""
        low, high = self._bounds
        dimension = len(low)
        divisions = {1: 64, 2: 24, 3: 12}[dimension]
        counts = np.maximum(np.ceil(divisions * (high - low) / np.max(high - low)).astype(int), 1)
        size = (high - low) / counts
        grid = np.stack(np.meshgrid(*(np.arange(count) for count in counts), indexing="ij"), -1)
        corners = low + grid.reshape(-1, dimension) * size
        corner_list, size_list, volume_inside = [], [], 0.0
        halves = np.stack(np.meshgrid(*([[0.0, 1.0]] * dimension), indexing="ij"), -1).reshape(-1, dimension)
        while True:
            # A little more than half the diagonal, for rounding.
            reach = np.linalg.norm(size) * (0.5 + 1e-9)
            distance = self._signed_distance(corners + size / 2)
            sure = corners[distance <= -reach]
            corner_list.append(sure)
            size_list.append(np.broadcast_to(size, sure.shape))
            volume_inside += len(sure) * float(np.prod(size))
            corners = corners[np.abs(distance) < reach]
            rest = len(corners) * float(np.prod(size))
            if rest <= _WANTED_SHARE * (rest + volume_inside) or len(corners) > _MAX_UNDECIDED[dimension]:
                break
            size = size / 2
            corners = (corners[:, None] + halves * size).reshape(-1, dimension)
        inside = sum(len(block) for block in corner_list)
        corner_list.append(corners)
        size_list.append(np.broadcast_to(size, corners.shape))
        sizes = np.concatenate(size_list)
        volumes = np.cumsum(np.prod(sizes, axis=1))
        shares = volumes / volumes[-1]
        return np.concatenate(corner_list), sizes, inside, shares
