"""What the tests of automatic differentiation share: targets from SymPy expressions, and the scheme applied to them."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from jno_core import DerivativeRequest, DifferentiationModes, Field, Support
from jno_plugin_ad import AutomaticDifferentiation
from jno_plugin_ad._propagation import (
    LOOPS,
    PRIMITIVES,
    VALUE,
    Interpreter,
    ListedAlgebra,
    StackedAlgebra,
    combined,
    laplacian_of,
    order_of,
    partial,
    tangents_of,
)


@dataclasses.dataclass(frozen=True)
class SymbolicCase:
    """A target given by one expression for each component, on random points."""

    names: tuple[str, ...]
    expressions: tuple[sympy.Expr, ...]
    flat: bool
    points: np.ndarray

    def field(self):
        symbols = sympy.symbols(self.names)
        functions = [sympy.lambdify(symbols, e, modules="jax") for e in self.expressions]

        def at(columns, aligned):
            del aligned
            parts = [f(*(c[:, 0] for c in columns)) + 0 * columns[0][:, 0] for f in functions]
            return parts[0] if self.flat else jnp.stack(parts, axis=1)

        columns = self.columns()
        return Field(at=at, values=lambda: at(columns, None), aligned=None, name="u")

    def columns(self):
        return tuple(jnp.asarray(self.points[:, i : i + 1]) for i in range(len(self.names)))

    def support(self):
        space = len(self.names) - ("t" in self.names)
        return Support(self.columns(), self.names, space, "interior")

    def exact(self, request):
        """The derivatives in float64, by SymPy, in the documented shape."""
        symbols = sympy.symbols(self.names)

        def partial(axes):
            parts = []
            for e in self.expressions:
                for axis in axes:
                    e = sympy.diff(e, symbols[axis])
                f = sympy.lambdify(symbols, e, modules="numpy")
                parts.append(f(*self.points.T) + np.zeros(len(self.points)))
            return parts[0] if self.flat else np.stack(parts, axis=1)

        def entries(value):
            return value if self.flat or len(self.expressions) > 1 else value[:, 0]

        axes = request.axes
        if request.kind in ("value", "partial"):
            return partial(axes)
        if request.kind == "laplacian":
            return np.sum([partial((i, i)) for i in axes], axis=0)
        if request.kind == "gradient":
            return np.stack([entries(partial((i,))) for i in axes], axis=-1)
        rows = [np.stack([entries(partial((i, j))) for j in axes], axis=-1) for i in axes]
        return np.stack(rows, axis=-2)


@pytest.fixture
def symbolic():
    """`symbolic(names, *expressions, flat=False, n=9)`: a case on `n` points in the unit cube."""

    def make(names, *expressions, flat=False, n=9):
        points = np.random.default_rng(5).uniform(0.1, 0.9, (n, len(names)))
        return SymbolicCase(tuple(names), tuple(map(sympy.sympify, expressions)), flat, points)

    return make


@pytest.fixture
def apply():
    """`apply(variant, requests, field, support)`: the scheme of that variant, applied."""

    def run(variant, requests, field, support, modes=None):
        scheme = AutomaticDifferentiation.from_variant(variant, modes or DifferentiationModes())
        requests = tuple(requests)
        return scheme.apply(requests, field, support, {}, scheme.prepare(requests, support))

    return run


@pytest.fixture
def request_of():
    """The contract's request, under a name that pytest's own `request` does not shadow."""
    return DerivativeRequest


LAPLACIAN = combined([(0, 0), (1, 1)])
SLOPE = combined([(0, 0, 0), (0, 1, 1)])
BIHARMONIC = combined([(0, 0, 0, 0), (0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 1, 1)])
PARTIALS = [partial(*axes) for order in (1, 2, 3, 4) for axes in itertools.combinations_with_replacement((0, 1), order)]
STREAMS = (*PARTIALS, LAPLACIAN, SLOPE, BIHARMONIC)
"""Of two coordinates, up to fourth order: pure, mixed and summed."""

CONTRACTED = (LAPLACIAN, SLOPE, BIHARMONIC)
"""Sums alone, which do without some of the partial derivatives in them."""


def traced(fn, points):
    """The jaxpr of `fn` as a function of the columns, as the planner has it."""
    columns = [points[:, i : i + 1] for i in range(points.shape[1])]
    return jax.make_jaxpr(lambda *columns: fn(jnp.concatenate(columns, axis=1)))(*columns), columns


def listed_jet(fn, points, streams=STREAMS, fallbacks=None):
    jaxpr, columns = traced(fn, points)
    algebra = ListedAlgebra(streams)
    seeds = [algebra.seed(c, {i: jnp.ones_like(c)}) for i, c in enumerate(columns)]
    interpreter = Interpreter(algebra, {**PRIMITIVES, **LOOPS})
    jet = interpreter.run(jaxpr.jaxpr, jaxpr.consts, seeds)[0]
    if fallbacks is not None:
        fallbacks.update(interpreter.fallbacks)
    return {VALUE: jet.value, **{stream: algebra.derivative(jet, stream) for stream in streams}}


def stacked_jet(fn, points):
    jaxpr, columns = traced(fn, points)
    d = len(columns)
    algebra = StackedAlgebra(d, second=True)
    seeds = [algebra.seed(c, jnp.zeros((d, *c.shape), c.dtype).at[i].set(1)) for i, c in enumerate(columns)]
    jet = Interpreter(algebra, {**PRIMITIVES, **LOOPS}).run(jaxpr.jaxpr, jaxpr.consts, seeds)[0]
    tangents = tangents_of(jet, d)
    firsts = {partial(i): tangents[i] for i in range(d)}
    return {VALUE: jet.value, **firsts, combined((i, i) for i in range(d)): laplacian_of(jet)}


def nested_jet(fn, points, streams=STREAMS):
    """By nested `jax.jvp`: the points once for each derivative of the highest order, each time along its own axes."""
    highest = max(map(order_of, streams))
    n, d = points.shape
    copies = list(itertools.combinations_with_replacement(range(d), highest))
    along = [
        jnp.repeat(jnp.eye(d, dtype=points.dtype)[jnp.array(axes)], n, axis=0) for axes in zip(*copies, strict=True)
    ]

    def raised(p, order):
        """The derivative along the first axes of each copy, and those of lower orders."""
        if order == 0:
            value = fn(p)
            return value, (value,)
        below = functools.partial(raised, order=order - 1)
        _, tangent, lower = jax.jvp(below, (p,), (along[order - 1],), has_aux=True)
        return tangent, (*lower, tangent)

    _, found = raised(jnp.tile(points, (len(copies), 1)), highest)

    def of(axes):
        copy = next(i for i, c in enumerate(copies) if c[: len(axes)] == axes)
        return found[len(axes)][copy * n : (copy + 1) * n]

    return {VALUE: of(()), **{s: sum(count * of(index) for count, index in s) for s in streams}}


def close(found, expected, tolerance):
    """Equal up to the tolerance, relative to the largest entry of each derivative but to no less than one."""
    for stream, value in found.items():
        exact = np.asarray(expected[stream])
        assert value.shape == exact.shape
        scale = max(1.0, np.max(np.abs(exact), initial=0, where=np.isfinite(exact)))
        np.testing.assert_allclose(value, exact, rtol=0, atol=tolerance * scale, err_msg=f"stream {stream}")


@pytest.fixture
def listed():
    """`listed(fn, points, streams)`: value and derivatives of `fn` by jets in lists of arrays."""
    return listed_jet


@pytest.fixture
def stacked():
    """`stacked(fn, points)`: value, first derivatives and Laplacian by jets in stacks."""
    return stacked_jet


@pytest.fixture
def nested():
    """`nested(fn, points, streams)`: the same by nested `jax.jvp`."""
    return nested_jet


@pytest.fixture
def agrees():
    """`agrees(fn, points)`: jets of both kinds and both precisions equal nested `jax.jvp` to fourth order.

    `fn` maps rows to rows; `points` is a NumPy array.
    """

    def check(fn, points, streams=STREAMS, double=1e-12, single=2e-5):
        contracted = [stream for stream in CONTRACTED if stream in streams]
        with jax.enable_x64(True):
            expected = nested_jet(fn, jnp.asarray(points), streams)
            close(listed_jet(fn, jnp.asarray(points), streams), expected, double)
            close(listed_jet(fn, jnp.asarray(points), contracted), expected, double)
            close(stacked_jet(fn, jnp.asarray(points)), expected, double)
        with jax.enable_x64(False):
            close(listed_jet(fn, jnp.asarray(points, jnp.float32), contracted or streams), expected, single)
            close(stacked_jet(fn, jnp.asarray(points, jnp.float32)), expected, single)

    return check
