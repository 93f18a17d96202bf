"""Derivatives of a pointwise target on all points at once, by the routes that the planner has chosen.

Row i of the target depends on row i of the columns only. A tangent of ones in one column therefore moves every point along
that axis at once, and what is propagated are the derivatives at all points.
"""

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.extend.core as jex
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jno_core import DerivativeRequest, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_core.pointwise import obstacle_in
from jno_plugin_ad._planner import Columns, Derivatives, Route
from jno_plugin_ad._propagation import (
    LOOPS,
    PRIMITIVES,
    VALUE,
    Interpreter,
    ListedAlgebra,
    ListedJet,
    StackedAlgebra,
    StackedJet,
    Stream,
    combined,
    laplacian_of,
    tangents_of,
)

LISTED_ENTRIES = 300
"""Random directions with up to so many entries altogether are listed, which is up to twice as fast; with more of them it takes
long to compile."""

_RULES = {**PRIMITIVES, **LOOPS}


@final
class Traced(NamedTuple):
    """A target as a jaxpr of the columns and of the arrays that are aligned with them."""

    jaxpr: jex.ClosedJaxpr
    columns: Columns
    aligned: tuple[Array, ...]

    def rows(self) -> int:
        """The number of points."""
        return self.columns[0].shape[0]

    def components(self) -> int:
        """How many numbers the target gives at each point."""
        return math.prod(self.jaxpr.out_avals[0].shape[1:])


def trace(field: Field, where: Support, requests: Iterable[DerivativeRequest]) -> Traced:
    """The target's jaxpr.

    Raises `PluginCapabilityError` unless row i of `field.at` depends on row i of the columns and of the aligned arrays
    only, naming the field, the primitive and the line where points are mixed. A difference on a mesh may be part of a
    target that is differentiated in time alone: all nodes move in time together, and stay where they are.
    """
    columns = where.columns
    leaves, structure = jax.tree.flatten(field.aligned)

    def target(columns: Columns, *leaves: Array, nodal: bool = False) -> Float[Array, "n *c"]:
        aligned = jax.tree.unflatten(structure, leaves)
        return field.at(columns, aligned, where.location) if nodal else field.at(columns, aligned)

    try:
        jaxpr = jax.make_jaxpr(target)(columns, *leaves)
    except PluginCapabilityError:
        # Only a scheme within the target raises this: it found no mesh at points that may be anywhere.
        if where.location is None or any(axis < where.space for request in requests for axis in request.axes):
            raise
        nodal = jax.make_jaxpr(functools.partial(target, nodal=True))(columns, *leaves)
        return Traced(nodal, columns, tuple(leaves))
    found = obstacle_in(jaxpr)
    if found is not None:
        at = f" ({found.line})" if found.line else ""
        raise PluginCapabilityError(
            "The planner of 'automatic_differentiation' differentiates at all points at once, so row i of the target must "
            f"depend on point i only. {field.name or 'The target'} {found.what}{at}. {found.remedy} Or take one point "
            "at a time by an explicit mode, scheme='automatic_differentiation:forward' or 'automatic_differentiation:reverse'."
        )
    return Traced(jaxpr, columns, tuple(leaves))


@final
class Draw(NamedTuple):
    """How the stochastic route draws: directions for each point, and the key."""

    samples: int
    key: Key[Array, ""]


def propagate(
    traced: Traced, routes: Iterable[Route], draw: Draw | None = None, fallbacks: Counter[str] | None = None
) -> Derivatives:
    """The target itself and every stream of the routes, each `(n, *c)`.

    `fallbacks`, if given, is filled with the primitives that had to be differentiated the generic way.
    """
    counted = Counter() if fallbacks is None else fallbacks
    found: dict[Stream, Array] = {}
    for route in routes:
        match route.method:
            case "listed":
                found.update(_listed(traced, route.streams, counted))
            case "stacked":
                found.update(_stacked(traced, route.streams, counted))
            case "stochastic" if draw is not None:
                found.update(_stochastic(traced, route.streams, draw, counted))
            case "reverse":
                found.update(_reverse(traced, route.streams))
            case _:
                raise ValueError(f"The route {route.method!r} needs a draw.")
    return found


def _run(interpreter: Interpreter[Any], traced: Traced, columns: Sequence[Any]) -> Any:
    aligned = [interpreter.algebra.constant(x) for x in traced.aligned]
    closed = traced.jaxpr
    return interpreter.run(closed.jaxpr, closed.consts, [*columns, *aligned])[0]


def _listed(traced: Traced, streams: tuple[Stream, ...], fallbacks: Counter[str]) -> Derivatives:
    unit = jnp.ones((1, 1), traced.columns[0].dtype)
    axes = {axis for stream in streams for _, index in stream for axis in index}
    algebra, jet = _list_along(traced, streams, {i: {i: unit} for i in axes}, fallbacks)
    return {VALUE: jet.value, **{s: algebra.derivative(jet, s) for s in streams}}


def _list_along(
    traced: Traced, streams: tuple[Stream, ...], tangents: dict[int, dict[int, Array]], fallbacks: Counter[str]
) -> tuple[ListedAlgebra, ListedJet]:
    """The target with its derivatives along directions, given by each coordinate's derivative along each of them."""
    algebra = ListedAlgebra(streams)
    seeds = [algebra.seed(column, tangents.get(i, {})) for i, column in enumerate(traced.columns)]
    interpreter = Interpreter(algebra, _RULES)
    jet = _run(interpreter, traced, seeds)
    fallbacks.update(interpreter.fallbacks)
    return algebra, jet


def _stacked(traced: Traced, streams: tuple[Stream, ...], fallbacks: Counter[str]) -> Derivatives:
    """The last of the streams is the Laplacian over all axes, the others are first derivatives along some of them."""
    *firsts, wide = streams
    axes = [index[0] for _, index in wide]
    unit = jnp.eye(len(axes), dtype=traced.columns[0].dtype)
    rows = {axis: jnp.broadcast_to(unit[:, i, None], (len(axes), traced.rows())) for i, axis in enumerate(axes)}
    jet = _along(traced, rows, fallbacks)
    tangents = tangents_of(jet, len(axes))
    along = {stream: tangents[axes.index(stream[0][1][0])] for stream in firsts}
    return {VALUE: jet.value, wide: laplacian_of(jet), **along}


def _stochastic(traced: Traced, streams: tuple[Stream, ...], draw: Draw, fallbacks: Counter[str]) -> Derivatives:
    """Unbiased: the mean over random directions v of vᵀHv, whose entries are ±1 with equal chance, is the trace of H.

    Source: M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines,
    Communications in Statistics 18 (1989) 1059-1076; Z. Hu, Z. Shi, G. E. Karniadakis, K. Kawaguchi, Hutchinson trace
    estimation for high-dimensional and high-order physics-informed neural networks, CMAME 424 (2024) 116883.
    """
    (wide,) = streams
    axes = [index[0] for _, index in wide]
    signs = _signs(draw.key, (draw.samples, traced.rows()), len(axes)).astype(traced.columns[0].dtype)
    directions = signs * draw.samples**-0.5
    if draw.samples * len(axes) > LISTED_ENTRIES:
        rows = dict(zip(axes, jnp.unstack(directions, axis=-1), strict=True))
        stacked = _along(traced, rows, fallbacks)
        return {VALUE: stacked.value, wide: laplacian_of(stacked)}
    # The directions are the axes of new coordinates. Slices that a network joins again XLA leaves out, if they are no more.
    trace = combined((k, k) for k in range(draw.samples))
    tangents = {axis: {k: v[:, i : i + 1] for k, v in enumerate(directions)} for i, axis in enumerate(axes)}
    algebra, jet = _list_along(traced, (trace,), tangents, fallbacks)
    return {VALUE: jet.value, wide: algebra.derivative(jet, trace)}


def _signs(key: Key[Array, ""], shape: tuple[int, ...], count: int) -> Int[Array, "*shape count"]:
    """`count` numbers 1 or -1 with equal chance: one random bit for each, where `jax.random.rademacher` draws 32."""
    words = jax.random.bits(key, (*shape, -(-count // 32)), jnp.uint32)
    bits = (words[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & 1
    return 1 - 2 * bits.reshape(*shape, -1)[..., :count].astype(jnp.int32)


def _along(traced: Traced, rows: dict[int, Float[Array, "k n"]], fallbacks: Counter[str]) -> StackedJet:
    """The target along k directions, each given at every point by its entries for the axes that it has."""
    algebra = StackedAlgebra(next(iter(rows.values())).shape[0], second=True)
    seeds = [
        algebra.seed(column, rows[i][..., None]) if i in rows else algebra.constant(column)
        for i, column in enumerate(traced.columns)
    ]
    interpreter = Interpreter(algebra, _RULES)
    jet = _run(interpreter, traced, seeds)
    fallbacks.update(interpreter.fallbacks)
    return jet


def _reverse(traced: Traced, streams: tuple[Stream, ...]) -> Derivatives:
    """First derivatives by one reverse pass for each component; summed over the points, which do not mix."""
    fn = jex.jaxpr_as_fun(traced.jaxpr)
    value, pull = jax.vjp(lambda columns: fn(*columns, *traced.aligned)[0], traced.columns)
    basis = jnp.eye(traced.components(), dtype=value.dtype).reshape(-1, 1, *value.shape[1:])
    gradients = [pull(jnp.broadcast_to(one, value.shape))[0] for one in basis]
    derivatives: dict[Stream, Array] = {VALUE: value}
    for stream in streams:
        axis = stream[0][1][0]
        rows = jnp.concatenate([gradient[axis] for gradient in gradients], axis=1)
        derivatives[stream] = rows.reshape(value.shape)
    return derivatives
