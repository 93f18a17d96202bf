"""The point sets on which schemes are checked: clouds, meshes and periodic grids of the unit cube."""

import itertools
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jno_core._interfaces import Mesh, MeshLocation, Support

Layout = Literal["cloud", "mesh", "periodic"]

_TIME = 0.37
_INTERVALS = {1: 16, 2: 8, 3: 4}


def point_set(layout: Layout, space: int, *, time: bool, level: int) -> tuple[Float[np.ndarray, "n d"], Support]:
    """The points `(n, space + time)` in float64 and the support at them, in JAX's default floating-point type.

    `"cloud"`: scattered points. `"mesh"`: all nodes of a simplicial mesh. `"periodic"`: a uniform grid whose next nodes
    would be the first ones again. All points have the same time. A level has about half the `spacing` of the one before.
    """
    intervals = _INTERVALS[space] * 2**level
    location = None
    if layout == "mesh":
        mesh = cube_mesh(space, intervals)
        points, location = mesh.points, MeshLocation(mesh, np.arange(len(mesh.points)))
    else:
        # As many points in each layout, so that operations compiled for one serve the others.
        h = spacing(layout, space, level)
        points = h * _grid(space, intervals + 1)
        if layout == "cloud":
            points = points + h * np.random.default_rng(level).uniform(-0.3, 0.3, points.shape)
    if time:
        points = np.concatenate([points, np.full((len(points), 1), _TIME)], axis=1)
    names = ("x", "y", "z")[:space] + (("t",) if time else ())
    columns = tuple(jnp.asarray(points[:, i : i + 1]) for i in range(points.shape[1]))
    return points, Support(columns, names, space, "interior", location)


def spacing(layout: Layout, space: int, level: int) -> float:
    """The distance of neighbours along an axis."""
    intervals = _INTERVALS[space] * 2**level
    return 1 / (intervals + 1 if layout == "periodic" else intervals)


def cube_mesh(dimension: int, intervals: int) -> Mesh:
    """The unit cube in `intervals` cells along each axis, each split into simplices along its diagonal (Kuhn 1960)."""
    nodes = intervals + 1
    points = _grid(dimension, nodes) / intervals
    strides = nodes ** np.arange(dimension)[::-1]
    corners = _grid(dimension, intervals).astype(int) @ strides
    cells = []
    for order in itertools.permutations(range(dimension)):
        cells.append(corners[:, None] + np.concatenate([[0], np.cumsum(strides[list(order)])]))
    return Mesh.from_cells(points, np.concatenate(cells))


def _grid(dimension: int, count: int) -> Float[np.ndarray, "n d"]:
    axes = np.meshgrid(*[np.arange(count, dtype=np.float64)] * dimension, indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)
