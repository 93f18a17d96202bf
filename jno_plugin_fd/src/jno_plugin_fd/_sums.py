"""Sums of nodal values around each node, weighted by arrays that may be trained."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt

Sums: TypeAlias = Callable[[Array, Array, Array], Array]

# Slots of a table whose terms are added up at once.
_SLOTS = 4


def _computed_once(sums: Sums) -> Sums:
    """The same function, whose results are not computed again by what reads them.

    XLA takes the sums for cheap: on a CPU it would compute them anew in every operation that reads them, derivatives of
    them above all. It moves nothing into or out of a branch, and does not know that there is only one to take.
    """

    @functools.wraps(sums)
    def once(values: Float[Array, "..."], weights: Float[Array, "..."], neighbours: UInt[Array, "k m"]) -> Array:
        shape = jax.eval_shape(sums, values, weights, neighbours)

        def in_a_branch(*operands: Array) -> Array:
            # No table names so many nodes that its integers run out.
            always = neighbours[0, 0] < jnp.asarray(jnp.iinfo(neighbours.dtype).max, neighbours.dtype)
            return jax.lax.cond(always, sums, lambda *_: jnp.zeros(shape.shape, shape.dtype), *operands)

        return jax.lax.platform_dependent(values, weights, neighbours, cpu=in_a_branch, default=sums)

    return once


def _sum(
    values: Float[Array, "n *c"], weights: Float[Array, "k m"], neighbours: UInt[Array, "k m"]
) -> Float[Array, "m *c"]:
    """`sum_k weights[k, i] * values[neighbours[k, i]]`."""
    # Slot by slot it fuses into one loop without temporaries.
    rows = jax.lax.split(weights, (1,) * len(weights))
    terms = [_column(w[0], values) * _gathered(values, i) for w, i in zip(rows, neighbours, strict=True)]
    return functools.reduce(jnp.add, terms)


weighted_sum = _computed_once(_sum)


@_computed_once
def stacked_sums(
    values: Float[Array, "n *c"], weights: Float[Array, "a k m"], neighbours: UInt[Array, "k m"]
) -> Float[Array, "a m *c"]:
    """The sums of several sets of weights, one after the other as they are computed."""
    sets, slots, m = weights.shape
    terms = [
        _column(w[:, 0], values) * _gathered(values, jnp.broadcast_to(i, (sets, m)))
        for w, i in zip(jax.lax.split(weights, (1,) * slots, axis=1), neighbours, strict=True)
    ]
    # A few slots at a time: a loop over all of them has more vectors alive than there are registers.
    parts = [functools.reduce(jnp.add, terms[k : k + _SLOTS]) for k in range(0, slots, _SLOTS)]
    return functools.reduce(jnp.add, parts)


def weighted_sums(
    values: Float[Array, "n *c"], weights: Float[Array, "a k m"], neighbours: UInt[Array, "k m"]
) -> Float[Array, "m *c a"]:
    """The sums of several sets of weights, in a new last axis; a single component has no axis of its own."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    return jnp.moveaxis(stacked_sums(flat, weights, neighbours), 0, -1)


@_computed_once
def divergence(
    fields: Float[Array, "a n *c"], weights: Float[Array, "a k m"], neighbours: UInt[Array, "k m"]
) -> Float[Array, "m *c"]:
    """The first set of weights on the first field, and so on, all added up."""
    return functools.reduce(jnp.add, [_sum(f, w, neighbours) for f, w in zip(fields, weights, strict=True)])


def _gathered(values: Float[Array, "n *c"], index: UInt[Array, "*m"]) -> Float[Array, "..."]:
    # The tables name nodes only, so nothing needs to be checked or wrapped.
    return values.at[index].get(mode="promise_in_bounds")


def _column(weights: Float[Array, "*m"], values: Float[Array, "n *c"]) -> Float[Array, "..."]:
    return weights.reshape(weights.shape + (1,) * (values.ndim - 1))
