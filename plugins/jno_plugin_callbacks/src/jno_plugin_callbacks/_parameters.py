"""The trainable parameters of a state as one real vector, and functions of them that are compiled once."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core import TrainState
from jno_core.errors import JnoValueError

Parameters: TypeAlias = dict[str, Any]


def chosen(state: TrainState, names: Sequence[str] | None, callback: str) -> Parameters:
    """The parameters of the groups with these names; `None` for all.

    Raises `JnoValueError` for a name that is none.
    """
    if names is None:
        return state.params
    for name in names:
        if name not in state.params:
            known = ", ".join(map(repr, state.params))
            raise JnoValueError(f"The callback {callback!r} knows no parameters {name!r}; trainable are {known}.")
    return {name: state.params[name] for name in names}


def as_vector(params: Parameters) -> tuple[Float[Array, " p"], Callable[[Float[Array, " p"]], Parameters]]:
    """The parameters as one real vector, and the way back. A complex number is two real ones."""
    parts = jax.tree.map(lambda x: (x.real, x.imag) if jnp.iscomplexobj(x) else x, params)
    vector, unravel = jax.flatten_util.ravel_pytree(parts)

    def back(vector: Float[Array, " p"]) -> Parameters:
        return jax.tree.map(
            lambda x, part: jax.lax.complex(*part) if jnp.iscomplexobj(x) else part, params, unravel(vector)
        )

    return vector, back


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, traced at its first call. Arrays that it closes over are handed over at each call.

    As constants of the compiled program, the points of a large problem would make compiling slow and be held twice.
    """
    traced: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if not traced:
            closed = eqx.filter_closure_convert(function, *arguments)
            arrays, rest = eqx.partition(closed, eqx.is_array)
            run = jax.jit(lambda arrays, *arguments: eqx.combine(arrays, rest)(*arguments))
            traced.append(functools.partial(run, arrays))
        return traced[0](*arguments)

    return call
