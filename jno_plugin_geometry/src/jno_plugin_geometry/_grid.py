"""Simplicial meshes of tensor-product grids."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from jno_core import Mesh

Side: TypeAlias = tuple[int, int]
"""An axis, and 0 for the lower or 1 for the upper end."""


def box_mesh(
    ranges: Sequence[tuple[float, float]], sides: Mapping[str, Side], counts: Sequence[int], *, alternate: bool
) -> Mesh:
    """The mesh of a box with `counts` equal steps along each axis, and its named sides as facets; see `simplex_grid`."""
    axes = [np.linspace(*bounds, count + 1) for bounds, count in zip(ranges, counts, strict=True)]
    points = grid_points(axes)
    cells = simplex_grid(counts, alternate=alternate)
    ends = [(axis, end) for axis in range(len(axes)) for end in (0, 1)]
    facets = {(axis, end): facets_on(cells, points[:, axis] == axes[axis][-end]) for axis, end in ends}
    boundary = np.concatenate([facets[side] for side in ends])
    return Mesh(points, cells, {"boundary": boundary} | {tag: facets[side] for tag, side in sides.items()})


def grid_points(axes: Sequence[Float[np.ndarray, " _"]]) -> Float[np.ndarray, "n d"]:
    """The nodes of a grid; the last axis runs fastest, so that `values.reshape(nx + 1, ny + 1)` has x first."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def simplex_grid(
    counts: Sequence[int], *, alternate: bool, keep: Bool[np.ndarray, "..."] | None = None
) -> Int[np.ndarray, "m k"]:
    """The conforming, positively oriented simplices of a grid with `counts` cells along each axis.

    Each cell is split into `d!` simplices: for every order of the axes, the corners on the way from its lowest corner
    to its highest (Freudenthal 1942; Kuhn 1960). With `alternate` every other cell is mirrored along each axis, which
    makes the diagonals alternate (Todd's `J1` triangulation, 1976). `keep`, of shape `counts`, selects cells.
    """
    d = len(counts)
    low = np.argwhere(np.ones(counts, dtype=bool) if keep is None else keep)
    mirror = low % 2 if alternate else np.zeros_like(low)
    shape = tuple(count + 1 for count in counts)
    simplices = []
    for order in itertools.permutations(range(d)):
        path = np.concatenate([np.zeros((1, d), dtype=int), np.cumsum(np.eye(d, dtype=int)[list(order)], axis=0)])
        corners = low[:, None] + (path ^ mirror[:, None])
        nodes = np.asarray(np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), shape))
        inversions = sum(a > b for a, b in itertools.combinations(order, 2))
        negative = (inversions + np.sum(mirror, axis=1)) % 2 == 1
        nodes[negative, -2:] = nodes[negative, :-3:-1]
        simplices.append(nodes)
    return np.stack(simplices, axis=1).reshape(-1, d + 1)


def facets_on(cells: Int[np.ndarray, "m k"], on_side: Bool[np.ndarray, " n"]) -> Int[np.ndarray, "f d"]:
    """The facets all of whose nodes are on a flat side of the region; no sorting, because each belongs to one cell."""
    on = on_side[cells]
    touching = np.sum(on, axis=1) == cells.shape[1] - 1
    return cells[touching][on[touching]].reshape(-1, cells.shape[1] - 1)


def compacted(
    points: Float[np.ndarray, "n d"], cells: Int[np.ndarray, "m k"], facets: Mapping[str, Int[np.ndarray, "f d"]]
) -> Mesh:
    """The mesh without the nodes that no cell uses."""
    used = np.unique(cells)
    new = np.zeros(len(points), dtype=int)
    new[used] = np.arange(len(used))
    return Mesh(points[used], new[cells], {tag: new[facet] for tag, facet in facets.items()})
