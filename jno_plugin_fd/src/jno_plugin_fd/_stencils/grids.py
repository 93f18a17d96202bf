"""Recognising uniform grids."""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

# How far points may be from the places of a grid: relative to the largest coordinate, because coordinates may come as
# float32, and relative to the spacing.
_ROUNDING, _OFF_PLACE = 1e-6, 1e-3


def regular_axes(
    points: ArrayLike,
) -> tuple[tuple[Float[np.ndarray, " _"], ...], Int[np.ndarray, " n"]] | None:
    """The axes of a full grid with a uniform spacing along each axis, and the points' order in it; `None` for no grid.

    With `axes, order = regular_axes(points)`, the values `u` at the points form the grid `u[order].reshape(shape)`, where
    `shape` holds the lengths of the axes (2 at least) and the last axis runs fastest; `np.argsort(order)` leads back.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or not len(points) or not np.all(np.isfinite(points)):
        return None
    axes, places = [], []
    for coordinate in points.T:
        axis = _uniform_axis(coordinate)
        if axis is None:
            return None
        axes.append(axis)
        places.append(np.rint((coordinate - axis[0]) / (axis[1] - axis[0])).astype(np.int64))
    shape = tuple(len(axis) for axis in axes)
    if np.prod(shape, dtype=float) != len(points):
        return None
    place = np.ravel_multi_index(tuple(places), shape)
    order = np.full(len(points), -1)
    order[place] = np.arange(len(points))
    return None if np.any(order < 0) else (tuple(axes), order)


def _uniform_axis(coordinate: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"] | None:
    """The places, equally spaced, that hold all of the coordinates up to rounding."""
    ordered = np.sort(coordinate)
    gaps = np.diff(ordered, prepend=ordered[0])
    # Between neighbouring coordinates there is one step or, up to rounding, none.
    place = np.cumsum(gaps > np.max(gaps) / 2)
    if place[-1] == 0:
        return None
    axis = np.linspace(ordered[0], ordered[-1], place[-1] + 1)
    rounding = min(_ROUNDING * np.max(np.abs(axis)), _OFF_PLACE * (axis[1] - axis[0]))
    return axis if np.max(np.abs(ordered - axis[place])) <= rounding else None
