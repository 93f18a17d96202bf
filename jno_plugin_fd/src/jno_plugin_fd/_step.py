"""Differences by evaluating the field at moved points, in space or in time.

(u(x + h) - u(x - h)) / 2h and (u(x + h) - 2 u(x) + u(x - h)) / h², second order in h.
"""

import functools
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jno_core import DerivativeRequest, Field, Support
from jno_plugin_fd._method import AbstractMethod, Requests, Weights, beyond_second, joined, joined_matrix

FIRST, SECOND = 1e-3, 1e-2
"""Steps for first and second derivatives of fields of size and scale one in float32."""

SECOND_DOUBLE = 1e-3
"""The step for second derivatives in float64."""


@final
class StepDifferences(AbstractMethod):
    """Central differences of the field itself. `in_time`: of mesh fields too, because the points stay where they are."""

    def __init__(self, in_time: bool) -> None:
        self._in_time = in_time

    def refusal(self, request: DerivativeRequest, where: Support) -> str | None:
        """First and second derivatives; mixed ones within a Hessian only."""
        if beyond_second(request):
            return "steps give first derivatives, second ones in one coordinate, Laplacians and Hessians; chain others"
        if self._in_time and request.kind not in ("partial", "value"):
            return "time is differentiated by itself: u.d(t), u.d2(t)"
        return None

    def params(self, request: DerivativeRequest, where: Support) -> Weights:
        """`{"h": (k,)}`, the step along each coordinate."""
        double = np.asarray(where.columns[0]).dtype == np.float64
        size = FIRST if request.order == 1 else (SECOND_DOUBLE if double else SECOND)
        return {"h": np.full(len(set(request.axes)), size)}

    def prepare(self, requests: Requests, where: Support) -> Any:
        """Nothing."""
        return {}

    def apply(
        self, requests: Requests, field: Field, where: Support, params: tuple[Weights, ...], prepared: Any
    ) -> list[Float[Array, "n *s"]]:
        """The field is evaluated at every moved point set."""
        return [self._one(request, field, where, own["h"]) for request, own in zip(requests, params, strict=True)]

    def _one(self, request: DerivativeRequest, field: Field, where: Support, h: Float[Array, " k"]) -> Array:
        axes = tuple(dict.fromkeys(request.axes))
        location = where.location if self._in_time else None

        def at(*moves: tuple[int, Any]) -> Array:
            columns = list(where.columns)
            for axis, by in moves:
                columns[axis] = columns[axis] + jnp.asarray(by, columns[axis].dtype)
            return field.at(tuple(columns), field.aligned, location)

        def first(k: int) -> Array:
            return (at((axes[k], h[k])) - at((axes[k], -h[k]))) / (2 * h[k]).astype(where.columns[0].dtype)

        if request.order == 1:
            parts = [first(k) for k in range(len(axes))]
            return parts[0] if request.kind == "partial" else joined(parts)
        centre = field.values()

        def second(k: int) -> Array:
            return (at((axes[k], h[k])) - 2 * centre + at((axes[k], -h[k]))) / (h[k] ** 2).astype(centre.dtype)

        def mixed(k: int, m: int) -> Array:
            signs = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
            terms = [s * at((axes[k], a * h[k]), (axes[m], b * h[m])) for a, b, s in signs]
            return functools.reduce(jnp.add, terms) / (4 * h[k] * h[m]).astype(centre.dtype)

        if request.kind != "hessian":
            return functools.reduce(jnp.add, [second(k) for k in range(len(axes))])
        return joined_matrix(lambda k, m: second(k) if k == m else mixed(k, m), len(axes))
