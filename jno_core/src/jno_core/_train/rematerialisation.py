"""Functions whose reverse mode keeps nothing of the forward pass and computes it again.

`jax.checkpoint` asks XLA for this by barriers, which XLA's CPU backend removes: it then merges the two forward passes, and
nothing is saved. Here the second pass and the gradient are in a branch whose condition only the running program knows, so no
backend can merge or move them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from jno_core._custom_types import PyTree


def rematerialised(fn: Callable[[PyTree], Array], x: PyTree, always: Bool[Array, ""]) -> Array:
    """`fn(x)`, of which reverse mode keeps `x` alone. `always` is true, and nothing that a compiler could know."""

    def forward(x: PyTree) -> tuple[Array, PyTree]:
        return fn(x), x

    def backward(x: PyTree, cotangent: Any) -> tuple[PyTree]:
        def again() -> PyTree:
            return jax.vjp(fn, x)[1](cotangent)[0]

        return (jax.lax.cond(always, again, lambda: jax.tree.map(jnp.zeros_like, x)),)

    value = jax.custom_vjp(fn)
    value.defvjp(forward, backward)
    return value(x)
