"""Partial derivatives of a pointwise target on all points at once, by nested forward propagation."""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jno_plugin_ad._planner import Columns, Derivatives, MultiIndex


def propagate(
    target: Callable[[Columns], Float[Array, "n *c"]], columns: Columns, indices: Iterable[MultiIndex]
) -> Derivatives:
    """At least the partial derivatives that `indices` name, each `(n, *c)`, and always the target itself.

    Row i of the target depends on row i of the columns only. A tangent of ones in one column therefore moves every
    point along that axis at once, and one `jax.jvp` gives the derivative at all points. Indices that begin with the
    same axis share one propagation, whose function returns all of their remainders: its primal outputs are derivatives
    of lower order, which are kept, and its tangents are the derivatives asked for. So u, u_x and u_xx are one
    propagation, two deep. The other columns are closed over, so that their tangents are symbolic zeros.

    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd edition, 2008, chapter 13 (higher derivatives by
    repeated forward propagation).
    """
    wanted = sorted(set(indices))
    found: dict[MultiIndex, Array] = {}
    for axis in sorted({index[0] for index in wanted if index}):
        remainders = [index[1:] for index in wanted if index[:1] == (axis,) and index not in found]
        if remainders:
            primals, tangents = _along(target, columns, axis, remainders)
            found = {**{(axis, *index): tangent for index, tangent in tangents.items()}, **primals, **found}
    return found or {(): target(columns)}


def _along(
    target: Callable[[Columns], Float[Array, "n *c"]], columns: Columns, axis: int, indices: list[MultiIndex]
) -> tuple[Derivatives, Derivatives]:
    """The derivatives that `indices` name, and those differentiated once more along `axis`."""

    def lower(column: Float[Array, "n 1"]) -> Derivatives:
        return propagate(target, (*columns[:axis], column, *columns[axis + 1 :]), indices)

    return jax.jvp(lower, (columns[axis],), (jnp.ones_like(columns[axis]),))
