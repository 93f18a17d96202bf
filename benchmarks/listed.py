"""The forward Laplacian by hand: a value with one array for each first derivative, and with a sum of second ones.

A network written for arrays, in terms of `@`, `+`, `-`, `*` and the functions below, carries its derivatives when it is given
`Coordinates`. Letters in shapes: `n` points, `d` axes, `k` features.
"""

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Listed(NamedTuple):
    """Values `(n, k)`, a derivative for each axis, and the sum of second ones along `axes`, `None` where it is zero."""

    value: Float[Array, "n k"]
    first: list[Float[Array, "n k"]]
    second: Float[Array, "n k"] | None
    axes: tuple[int, ...]

    def __matmul__(self, W: Float[Array, "k m"]) -> "Listed":
        return self._mapped(lambda x: x @ W)

    def __add__(self, other: Any) -> "Listed":
        if not isinstance(other, Listed):
            return self._replace(value=self.value + other)
        first = [a + b for a, b in zip(self.first, other.first, strict=True)]
        return Listed(self.value + other.value, first, added_if(self.second, other.second), self.axes)

    def __sub__(self, other: "Listed") -> "Listed":
        return self + other._mapped(operator.neg)

    def __mul__(self, other: "Listed") -> "Listed":  # type: ignore[override]
        first = [a * other.value + self.value * b for a, b in zip(self.first, other.first, strict=True)]
        crossed = 2 * added(self.first[i] * other.first[i] for i in self.axes)
        ends = (
            None if self.second is None else self.second * other.value,
            None if other.second is None else self.value * other.second,
        )
        return Listed(self.value * other.value, first, functools.reduce(added_if, ends, crossed), self.axes)

    def _mapped(self, fn: Callable[[Array], Array]) -> "Listed":
        """A linear function of it."""
        second = None if self.second is None else fn(self.second)
        return Listed(fn(self.value), [fn(d) for d in self.first], second, self.axes)

    def chained(self, value: Array, slope: Array, curvature: Array) -> "Listed":
        """A function of each entry, given with its two derivatives."""
        bent = curvature * added(self.first[i] * self.first[i] for i in self.axes)
        second = None if self.second is None else slope * self.second
        return Listed(value, [slope * d for d in self.first], added_if(bent, second), self.axes)


class Coordinates(NamedTuple):
    """The points `(n, d)`, and the axes along which second derivatives are summed. A network begins with a product."""

    points: Float[Array, "n d"]
    axes: tuple[int, ...]

    def __matmul__(self, W: Float[Array, "d k"]) -> Listed:
        value = self.points @ W
        return Listed(value, [jnp.broadcast_to(W[i], value.shape) for i in range(len(W))], None, self.axes)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    if not isinstance(x, Listed):
        return jnp.tanh(x)
    t = jnp.tanh(x.value)
    s = 1 - t * t
    return x.chained(t, s, -2 * t * s)


def waves(x: Any) -> Any:
    """Sines and then cosines of the features, `(n, 2 k)`."""
    if not isinstance(x, Listed):
        return jnp.concatenate([jnp.sin(x), jnp.cos(x)], axis=-1)
    s, c = jnp.sin(x.value), jnp.cos(x.value)
    sine, cosine = x.chained(s, c, -s), x.chained(c, -s, -c)
    value, second = (
        jnp.concatenate([getattr(f, name) for f in (sine, cosine)], axis=-1) for name in ("value", "second")
    )
    first = [jnp.concatenate(pair, axis=-1) for pair in zip(sine.first, cosine.first, strict=True)]
    return Listed(value, first, second, x.axes)


def added(terms: Iterable[Array]) -> Array:
    """Their sum, which begins with the first of them."""
    return functools.reduce(operator.add, terms)


def added_if(a: Array | None, b: Array | None) -> Array | None:
    """The sum of those that are there."""
    if a is None or b is None:
        return b if a is None else a
    return a + b
