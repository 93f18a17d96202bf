"""Uniform grids, and the matrices that differentiate along one of their axes."""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int

# The rows `a f'[i-1] + f'[i] + a f'[i+1] = (w[0] f[i-1] + w[1] f[i] + w[2] f[i+1]) / h`, and the same for f'' and h²:
# the narrowest ones of fourth order in sections 2.1 and 2.2 of Lele (1992).
_INTERIOR = {1: (1 / 4, (-3 / 4, 0, 3 / 4)), 2: (1 / 10, (6 / 5, -12 / 5, 6 / 5))}

# The first row, `f'[0] + a f'[1] = (w[0] f[0] + w[1] f[1] + ...) / h`, of fourth order too. For f' it is in section 4.1.
# For f'' it is one-sided: the system with the shorter row for `a = 10` is ill-conditioned, and singular for five nodes.
_END = {1: (3, (-17 / 6, 3 / 2, 3 / 2, -1 / 6)), 2: (0, (15 / 4, -77 / 6, 107 / 6, -13, 61 / 12, -5 / 6))}

LEAST_NODES = 6

# How far points may be off their places: relative to the largest coordinate, which may be a float32, and to the spacing.
_ROUNDING, _OFF_PLACE = 1e-6, 1e-3


@final
class Grid(NamedTuple):
    """`shape` and `spacings` by axis, and `order`, which sorts the points so that the last axis runs fastest."""

    shape: tuple[int, ...]
    spacings: tuple[float, ...]
    order: Int[np.ndarray, " n"]


def find_grid(points: Float[np.ndarray, "n d"]) -> Grid | None:
    """The full grid, uniform along each axis, that the points are in any order; `None` if they are none."""
    spacings, places = [], []
    for coordinate in points.T:
        low, high = np.min(coordinate), np.max(coordinate)
        # Neighbours on an axis have the largest gap; all others are repeats of a node.
        gap = np.max(np.diff(np.sort(coordinate)), initial=0.0)
        if gap == 0:
            return None
        spacing = (high - low) / np.rint((high - low) / gap)
        place = np.rint((coordinate - low) / spacing)
        off = np.max(np.abs(coordinate - low - place * spacing))
        if off > min(_ROUNDING * np.max(np.abs(coordinate)), _OFF_PLACE * spacing):
            return None
        spacings.append(float(spacing))
        places.append(place.astype(np.int64))
    shape = tuple(int(np.max(place)) + 1 for place in places)
    if np.prod(shape, dtype=float) != len(points):
        return None
    order = np.lexsort(places[::-1])
    full = np.array_equal(np.stack(places)[:, order], np.indices(shape).reshape(len(shape), -1))
    return Grid(shape, tuple(spacings), order) if full else None


def difference_matrix(order: int, nodes: int, spacing: float, periodic: bool) -> Float[np.ndarray, "n n"]:
    """The matrix from nodal values to nodal derivatives of order 1 or 2.

    It solves the tridiagonal system once and for all. It is full, but a product with it is one call on any device.
    """
    (a, weights), (b, end) = _INTERIOR[order], _END[order]
    same = np.eye(nodes)
    after = np.roll(same, 1, axis=1)
    before = after.T
    left = a * before + same + a * after
    right = weights[0] * before + weights[1] * same + weights[2] * after
    if not periodic:
        left[[0, -1]] = right[[0, -1]] = 0
        left[0, :2] = 1, b
        left[-1, -2:] = b, 1
        right[0, : len(end)] = end
        right[-1, -len(end) :] = (-1) ** order * np.flip(end)
    return np.linalg.solve(left, right) / spacing**order
