"""Partial derivatives by an explicit composition of `jax.jacfwd` and `jax.jacrev`, one point at a time."""

import itertools
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_core import Field
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad._planner import Columns, Derivatives
from jno_plugin_ad._propagation import MultiIndex, partial

_JACOBIANS = {"forward": jax.jacfwd, "reverse": jax.jacrev}


def compose(field: Field, columns: Columns, modes: tuple[str, ...], indices: Iterable[MultiIndex]) -> Derivatives:
    """The partial derivatives that `indices` name, each `(n, *c)`.

    `modes` are `"forward"` or `"reverse"`, outermost first, one for each order: `("forward", "reverse")` is
    `jacfwd(jacrev(f))`. The function `f` takes the vector of those coordinates of one point that occur in `indices`,
    and evaluates the target on that point alone. The full derivative tensor is formed; the entries are picked from it.

    Raises `PluginCapabilityError` if the target does not give one row for one point.
    """
    wanted = set(indices)
    axes = sorted(set(itertools.chain.from_iterable(wanted)))

    def at_point(p: Float[Array, " k"], row: tuple[Columns, jax.Array]) -> Float[Array, " *c"]:
        point, aligned = jax.tree.map(lambda leaf: leaf[None], row)
        moved = list(point)
        for i, axis in enumerate(axes):
            moved[axis] = p[i].reshape(1, 1)
        value = field.at(tuple(moved), aligned)
        if value.shape[:1] != (1,):
            raise PluginCapabilityError(
                f"An explicit mode of 'automatic_differentiation' evaluates {field.name or 'the target'} on one point at "
                f"a time, which should give one row, and gave the shape {value.shape}. An array with one row for each "
                f"point is probably closed over: declare it as aligned with the points, or use the plain scheme."
            )
        return value[0]

    derivative: Callable[..., Array] = at_point
    for mode in reversed(modes):
        derivative = _JACOBIANS[mode](derivative)
    coordinates = jnp.concatenate([columns[axis] for axis in axes], axis=1)
    tensor = jax.vmap(derivative)(coordinates, (columns, field.aligned))
    return {partial(*index): tensor[..., *(axes.index(axis) for axis in index)] for index in wanted}
