"""Differences on a uniform grid: the same few weights at every node, others beside an end that is not periodic."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import DerivativeRequest, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_fd._method import AbstractMethod, Requests, Weights, beyond_second, joined, joined_matrix
from jno_plugin_fd._stencils import Side, closure_kernels, difference_kernel, regular_axes


@final
class GridDifferences(AbstractMethod):
    """Kernels along the axes of a grid, of even `accuracy`: the error falls as the spacing to that power.

    `periodic` tells of each axis whether the node after the last is the first; a single value is for all axes.
    """

    def __init__(self, side: Side, accuracy: int, periodic: bool | tuple[bool, ...]) -> None:
        self._side: Side = side
        self._accuracy = accuracy
        self._periodic = periodic

    def refusal(self, request: DerivativeRequest, where: Support) -> str | None:
        """First and second derivatives; mixed ones within a Hessian only."""
        if beyond_second(request):
            return "a grid has first derivatives, second ones in one coordinate, Laplacians and Hessians; chain others"
        if isinstance(self._periodic, tuple) and len(self._periodic) != where.space:
            return f"periodic={self._periodic} names {len(self._periodic)} axes, and this is {where.space}-D"
        return None

    def params(self, request: DerivativeRequest, where: Support) -> Weights:
        """A kernel for each coordinate, in units of the coordinates: `{"interior": (s,)}`, and where an axis is not periodic
        `{"lower": (m, w), "upper": (m, w)}` for the first and last nodes, which read the w nodes next to the end.

        For a Hessian `{"first": [...], "second": [...]}`, for the mixed and the pure derivatives.
        """
        axes = grid_of(where).axes
        wanted = list(dict.fromkeys(request.axes))
        if request.kind == "hessian":
            return {
                "first": [self._kernel(1, axes[i], i) for i in wanted],
                "second": [self._kernel(2, axes[i], i) for i in wanted],
            }
        return [self._kernel(request.order, axes[i], i) for i in wanted]

    def prepare(self, requests: Requests, where: Support) -> Any:
        """The axes, and the order of the points if it is not that of the grid."""
        grid = grid_of(where)
        if np.array_equal(grid.order, np.arange(len(grid.order))):
            return {"axes": grid.axes}
        return {"axes": grid.axes, "order": grid.order, "inverse": np.argsort(grid.order).astype(np.int32)}

    def apply(
        self, requests: Requests, field: Field, where: Support, params: tuple[Weights, ...], prepared: Any
    ) -> list[Float[Array, "n *s"]]:
        """All from the values of the field at the nodes."""
        values = field.values()
        shape = tuple(len(axis) for axis in prepared["axes"])
        ordered = values[prepared["order"]] if "order" in prepared else values
        grid = ordered.reshape(*shape, *values.shape[1:])
        results = []
        for request, own in zip(requests, params, strict=True):
            kernels = jax.tree.map(lambda w: w.astype(values.dtype), own)

            def at_points(part: Array, own_shape: tuple[int, ...] = values.shape) -> Array:
                flat = part.reshape(own_shape)
                return flat[prepared["inverse"]] if "order" in prepared else flat

            results.append(self._one(request, grid, kernels, at_points))
        return results

    def _one(self, request: DerivativeRequest, grid: Array, kernels: Any, at_points: Callable[[Array], Array]) -> Array:
        axes = list(dict.fromkeys(request.axes))
        if request.kind == "hessian":
            first = [self._along(grid, i, w, 1) for i, w in zip(axes, kernels["first"], strict=True)]

            def entry(a: int, b: int) -> Array:
                if a == b:
                    return at_points(self._along(grid, axes[a], kernels["second"][a], 2))
                return at_points(self._along(first[a], axes[b], kernels["first"][b], 1))

            return joined_matrix(entry, len(axes))
        parts = [at_points(self._along(grid, i, w, request.order)) for i, w in zip(axes, kernels, strict=True)]
        return joined(parts) if request.kind == "gradient" else functools.reduce(jnp.add, parts)

    def _along(self, grid: Array, axis: int, kernel: dict[str, Array], order: int) -> Array:
        n = grid.shape[axis]
        rows = functools.partial(jax.lax.slice_in_dim, axis=axis)
        if "lower" not in kernel:
            offsets, _ = difference_kernel(order, self._accuracy, self._side)
            padded = [rows(grid, n + int(offsets[0]), n), grid, rows(grid, 0, int(offsets[-1]))]
            return _correlated(jnp.concatenate(padded, axis), kernel["interior"], axis)
        interior = _correlated(grid, kernel["interior"], axis)
        width = kernel["lower"].shape[1]
        lower = _ends(kernel["lower"], rows(grid, 0, width), axis)
        upper = _ends(kernel["upper"], rows(grid, n - width, n), axis)
        return jnp.concatenate([lower, interior, upper], axis)

    def _kernel(self, order: int, coordinates: Float[np.ndarray, " n"], axis: int) -> dict[str, np.ndarray]:
        periodic = self._periodic if isinstance(self._periodic, bool) else self._periodic[axis]
        _, interior = difference_kernel(order, self._accuracy, self._side)
        lower, upper = closure_kernels(order, self._accuracy, self._side)
        least = len(interior) if periodic else max(len(interior), lower.shape[1])
        if len(coordinates) < least:
            raise PluginCapabilityError(
                f"'finite_difference:{self._side}' of accuracy {self._accuracy} needs {least} nodes along each axis for a "
                f"derivative of order {order}; axis {axis} has {len(coordinates)}."
            )
        scale = (coordinates[1] - coordinates[0]) ** -order
        ends = {} if periodic else {"lower": scale * lower, "upper": scale * upper}
        return {"interior": scale * interior, **ends}


@final
class Grid(NamedTuple):
    """Coordinates along each axis, and the points in the order of the grid (last axis fastest)."""

    axes: tuple[Float[np.ndarray, " n"], ...]
    order: np.ndarray


def grid_of(where: Support) -> Grid:
    """The grid that the points are.

    Raises `PluginCapabilityError` if they are none.
    """
    grid = find_grid(where)
    if grid is None:
        raise PluginCapabilityError(
            f"The points of {where.tag!r} are no uniform grid, which 'finite_difference:central' and its like need: all nodes "
            "of a rectangle or box with the same spacing along an axis. Use 'finite_difference' on a mesh, or ':step'."
        )
    return grid


def find_grid(where: Support) -> Grid | None:
    """The grid that the points are, or `None`."""
    location = where.location
    if location is not None and location.nodes is not None:
        points = location.mesh.points[location.nodes]
    else:
        points = np.concatenate([np.asarray(c, np.float64) for c in where.columns[: where.space]], axis=1)
    found = regular_axes(points)
    return None if found is None else Grid(tuple(found[0]), np.asarray(found[1], np.int32))


def _correlated(values: Array, weights: Float[Array, " s"], axis: int) -> Array:
    """`sum_j weights[j] * values[i + j]` along an axis, for every i where all are there."""
    n = values.shape[axis] - weights.shape[0] + 1
    shifted = [jax.lax.slice_in_dim(values, j, j + n, axis=axis) for j in range(weights.shape[0])]
    return functools.reduce(jnp.add, [w * s for w, s in zip(weights, shifted, strict=True)])


def _ends(weights: Float[Array, "m w"], values: Array, axis: int) -> Array:
    rows: Sequence[Array] = [
        jnp.sum(row.reshape([-1 if a == axis else 1 for a in range(values.ndim)]) * values, axis=axis, keepdims=True)
        for row in weights
    ]
    shape = [0 if a == axis else size for a, size in enumerate(values.shape)]
    return jnp.concatenate(rows, axis) if rows else jnp.zeros(shape, values.dtype)
