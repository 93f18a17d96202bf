"""Elementwise functions of one operand with their derivatives of any order.

The closed forms are those whose derivatives are cheap in terms of what is known already; all others come from nested
`jax.jvp` along ones, which is exact for elementwise functions and shares what can be shared after hash-consing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jno_plugin_ad._propagation.algebra import Tower

Closed = Callable[[Array, Array, int], Sequence[Any]]
"""`closed(u, f(u), k)`: the first k derivatives."""


def tower_of(bind: Callable[[Array], Array], name: str, parameters: Mapping[str, Any]) -> Tower:
    """The tower of an elementwise primitive."""
    if name == "integer_pow":
        return lambda u, k: (bind(u), *_of_power(u, parameters["y"], k))
    closed = _CLOSED.get(name)
    if closed is None:
        return by_jvp(bind)

    def tower(u: Array, k: int) -> Sequence[Any]:
        value = bind(u)
        return value, *closed(u, value, k)

    return tower


def by_jvp(fn: Callable[[Array], Array]) -> Tower:
    """The tower of any elementwise function of one operand that JAX differentiates in forward mode."""

    def tower(u: Array, k: int) -> tuple[Array, ...]:
        if k == 0:
            return (fn(u),)
        lower, raised = jax.jvp(lambda v: tower(v, k - 1), (u,), (jnp.ones_like(u),))
        return *lower, raised[-1]

    return tower


def reciprocal(u: Array, k: int) -> Sequence[Array]:
    """1/u and its derivatives (-1)^j j! / u^(j+1)."""
    rows = [1 / u]
    for j in range(1, k + 1):
        rows.append(-j * rows[-1] * rows[0])
    return rows


def power(exponent: Array) -> Tower:
    """u to a power that does not vary."""

    def tower(u: Array, k: int) -> Sequence[Array]:
        rows, factor = [], jnp.ones_like(exponent)
        for j in range(k + 1):
            # A factor of zero ends the tower also where u to a negative power is infinite.
            rows.append(jnp.where(factor == 0, 0, factor * jnp.power(u, exponent - j)))
            factor = factor * (exponent - j)
        return rows

    return tower


def _of_power(u: Array, exponent: int, k: int) -> Sequence[Any]:
    rows, factor = [], 1
    for j in range(1, k + 1):
        factor *= exponent - j + 1
        if factor == 0:
            rows.append(None)
        elif exponent == j:
            rows.append(np.asarray(factor, u.dtype))
        else:
            rows.append(factor * jax.lax.integer_pow(u, exponent - j))
    return rows


def _tanh(u: Array, t: Array, k: int) -> Sequence[Array]:
    """All derivatives are polynomials in t = tanh(u): t' = 1 - t², so p(t)' = p'(t) (1 - t²)."""
    slope = 1 - t * t
    rows = [slope, -2 * t * slope, slope * (6 * t * t - 2), t * slope * (16 - 24 * t * t)]
    return rows[:k] if k <= len(rows) else by_jvp(jnp.tanh)(u, k)[1:]


def _logistic(u: Array, s: Array, k: int) -> Sequence[Array]:
    """Polynomials in s = 1/(1+exp(-u)): s' = s (1 - s)."""
    slope = s * (1 - s)
    rows = [slope, slope * (1 - 2 * s), slope * (1 - 6 * slope), slope * (1 - 2 * s) * (1 - 12 * slope)]
    return rows[:k] if k <= len(rows) else by_jvp(jax.nn.sigmoid)(u, k)[1:]


def _sin(u: Array, s: Array, k: int) -> Sequence[Array]:
    c = jnp.cos(u) if k else s
    return [(c, -s, -c, s)[j % 4] for j in range(k)]


def _cos(u: Array, c: Array, k: int) -> Sequence[Array]:
    s = jnp.sin(u) if k else c
    return [(-s, -c, s, c)[j % 4] for j in range(k)]


def _exp(u: Array, e: Array, k: int) -> Sequence[Array]:
    del u
    return [e] * k


def _log(u: Array, value: Array, k: int) -> Sequence[Array]:
    del value
    return reciprocal(u, k - 1) if k else []


def _sinh(u: Array, s: Array, k: int) -> Sequence[Array]:
    c = jnp.cosh(u) if k else s
    return [(c, s)[j % 2] for j in range(k)]


def _cosh(u: Array, c: Array, k: int) -> Sequence[Array]:
    s = jnp.sinh(u) if k else c
    return [(s, c)[j % 2] for j in range(k)]


_CLOSED: dict[str, Closed] = {
    "cos": _cos,
    "cosh": _cosh,
    "exp": _exp,
    "log": _log,
    "logistic": _logistic,
    "sin": _sin,
    "sinh": _sinh,
    "square": lambda u, value, k: _of_power(u, 2, k),
    "tanh": _tanh,
}
