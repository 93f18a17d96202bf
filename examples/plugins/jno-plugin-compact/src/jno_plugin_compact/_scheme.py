"""Compact differences as a differentiation scheme."""

import functools
from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jno_core import AbstractScheme, DerivativeRequest, DifferentiationModes, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_compact._grid import LEAST_NODES, difference_matrix, find_grid


@final
class Compact(AbstractScheme):
    """Fourth-order compact (Padé) differences on uniform grids in 1-D, 2-D and 3-D.

    The derivatives at all nodes of a grid line solve one tridiagonal system, which makes their error several times smaller
    than that of central differences of the same order. It is of fourth order at every node, the ends of the lines too.

    - `periodic`: whether the node after the last one is the first one; one value, or one for each axis.

    Serves derivatives in space up to the second in each coordinate, mixed ones too, of fields known at the nodes of a full
    grid, in any order. Each axis has a full matrix of its own, so lines should have at most a few thousand nodes.

    Source: S. K. Lele, Compact finite difference schemes with spectral-like resolution, Journal of Computational Physics 103
    (1992) 16-42.
    """

    periodic: bool | tuple[bool, ...] = eqx.field(default=False, static=True)

    variants: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_variant(cls, variant: str | None, modes: DifferentiationModes) -> "Compact":
        """The scheme for axes that are not periodic; there are no variants."""
        del modes
        if variant is not None:
            raise PluginCapabilityError(f"'compact' has no variants, got {variant!r}. Options: Compact(periodic=True).")
        return cls()

    def supports(self, request: DerivativeRequest, where: Support) -> str | None:
        """Refuses derivatives in time, and third ones in one coordinate."""
        if outside := [axis for axis in request.axes if not 0 <= axis < len(where.columns)]:
            return f"axis {outside[0]} is not among the coordinates {where.names}"
        if any(axis >= where.space for axis in request.axes):
            return "compact differences are taken in space only"
        if any(axes.count(axis) > 2 for axes in _partials(request) for axis in axes):
            return "there are first and second compact differences only; chain others: u.d2(x).d(x)"
        if isinstance(self.periodic, tuple) and len(self.periodic) != where.space:
            return f"periodic={self.periodic} names {len(self.periodic)} axes, and this is {where.space}-D"
        return None

    def merges(self, request: DerivativeRequest) -> bool:
        """Derivatives along different axes compose exactly; two along one axis are not the second difference."""
        return request.kind == "partial" and len(set(request.axes)) == len(request.axes)

    def default_params(self, request: DerivativeRequest, where: Support, key: Key[Array, ""] | None = None) -> Any:
        """None: the matrices follow from the grid."""
        del request, where, key
        return {}

    def prepare(self, requests: tuple[DerivativeRequest, ...], where: Support) -> Any:
        """For each axis the matrices of the first and the second derivative, in float64; and the order of the points."""
        del requests
        grid = find_grid(np.concatenate([np.asarray(c, np.float64) for c in where.columns[: where.space]], axis=1))
        if grid is None:
            raise PluginCapabilityError(f"'compact' needs a full uniform grid, and {where.tag!r} is none.")
        if min(grid.shape) < LEAST_NODES:
            raise PluginCapabilityError(
                f"'compact' needs {LEAST_NODES} nodes along each axis; the grid is {grid.shape}."
            )
        periodic = self.periodic if isinstance(self.periodic, tuple) else (self.periodic,) * where.space
        lines = list(zip(grid.shape, grid.spacings, periodic, strict=True))
        return {
            "matrices": [[difference_matrix(order, *line) for order in (1, 2)] for line in lines],
            "order": grid.order,
            "inverse": np.argsort(grid.order),
        }

    def apply(
        self,
        requests: tuple[DerivativeRequest, ...],
        field: Field,
        where: Support,
        params: tuple[Any, ...],
        prepared: Any,
    ) -> tuple[Float[Array, "n *s"], ...]:
        """All from one evaluation of the field: products with the matrices of the axes."""
        del where, params
        values = field.values()
        shape = [len(first) for first, _ in prepared["matrices"]]
        grid = values[prepared["order"]].reshape(*shape, *values.shape[1:])

        @functools.cache
        def partial(*axes: int) -> Float[Array, "n *c"]:
            result = grid
            for axis in sorted(set(axes)):
                matrix = jnp.asarray(prepared["matrices"][axis][axes.count(axis) - 1], values.dtype)
                # Differences of nearly equal numbers need all the digits; some devices multiply matrices with fewer.
                product = jnp.tensordot(matrix, result, axes=(1, axis), precision="highest")
                result = jnp.moveaxis(product, 0, axis)
            return result.reshape(values.shape)[prepared["inverse"]]

        return tuple(_joined(request, [partial(*sorted(axes)) for axes in _partials(request)]) for request in requests)


def _partials(request: DerivativeRequest) -> list[tuple[int, ...]]:
    """The partial derivatives that a request consists of, in the order of its result."""
    match request.kind:
        case "value" | "partial":
            return [request.axes]
        case "gradient":
            return [(i,) for i in request.axes]
        case "laplacian":
            return [(i, i) for i in request.axes]
        case "hessian":
            return [(i, j) for i in request.axes for j in request.axes]


def _joined(request: DerivativeRequest, parts: list[Float[Array, "n *c"]]) -> Float[Array, "n *s"]:
    """The result of a request from its partial derivatives, in the shape that `DerivativeRequest` states."""
    if request.kind in ("value", "partial"):
        return parts[0]
    if request.kind == "laplacian":
        return functools.reduce(jnp.add, parts)
    entries = jnp.stack([p[:, 0] if p.ndim == 2 and p.shape[1] == 1 else p for p in parts], axis=-1)
    k = len(request.axes)
    return entries if request.kind == "gradient" else entries.reshape(*entries.shape[:-1], k, k)
