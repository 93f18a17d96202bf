"""Random expressions with chained derivatives, against nested `jax.jacfwd` at one point at a time.

A tree is read twice: as an expression of `jno` on a small domain, and as a plain function of one point in which every
derivative is `jax.jacfwd` of the function below it. The second reading is always in float64.

A tree is a number, the name of a coordinate or of the parameter, `(operator, *operands)`, `(network, *arguments)` or
`(derivative, axes, scheme, operand)`.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import jno

pytestmark = pytest.mark.usefixtures("unoptimised")

NAMES = ("x", "y", "t")
POINTS = np.random.default_rng(3).uniform(0.1, 0.9, (3, 2)).astype(np.float32)
TIMES = (0.25, 0.75)
PARAMETER = 0.75

ONE = {
    "sin": lambda n, a: n.sin(a),
    "cos": lambda n, a: n.cos(a),
    "tanh": lambda n, a: n.tanh(a),
    "arctan": lambda n, a: n.arctan(a),
    "exp": lambda n, a: n.exp(-a * a),
    "log": lambda n, a: n.log(2 + n.sin(a)),
    "sqrt": lambda n, a: n.sqrt(1 + a * a),
    "square": lambda n, a: a**2,
    "cube": lambda n, a: a**3,
    "inverse": lambda n, a: (1 + a * a) ** -1,
    "power": lambda n, a: (1.5 + n.sin(a)) ** 2.5,
    "negative": lambda n, a: -a,
    "components summed": lambda n, a: n.sum(a, axis=-1, keepdims=True),
    "components joined": lambda n, a: n.concatenate([a[..., :1], 2 * a[..., -1:]], axis=-1),
}
TWO = {
    "+": lambda n, a, b: a + b,
    "-": lambda n, a, b: a - b,
    "*": lambda n, a, b: a * b,
    "/": lambda n, a, b: a / (2 + n.sin(b)),
    "**": lambda n, a, b: (1.5 + n.sin(a)) ** n.cos(b),
    "maximum": lambda n, a, b: n.maximum(a, b),
    "where": lambda n, a, b: n.where(n.sin(a) > 0.1, a * b, b),
    "norm": lambda n, a, b: n.sqrt(1 + n.square(a) + n.abs(b) ** 3),
}
OPERATORS: dict[str, Any] = {**ONE, **TWO}


def network(seed, inputs, outputs, activation):
    """With weights large enough for high derivatives that matter, of single precision in both precisions."""
    net = eqx.nn.MLP(inputs, outputs, 5, 1, activation, dtype=jnp.float32, key=jax.random.key(seed))
    return jax.tree.map(lambda leaf: 2 * np.asarray(leaf) if eqx.is_inexact_array(leaf) else leaf, net)


MODULES = {"u": network(1, 2, 1, jnp.tanh), "v": network(2, 3, 2, jnp.tanh), "w": network(3, 2, 1, jnp.sin)}
CALLS = (("u", "x", "y"), ("v", "x", "y", "t"), ("w", "t", ("*", "x", "y")))


def module_in(name, dtype):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if isinstance(x, np.ndarray) else x, MODULES[name])


def read(tree, namespace, leaves, networks, derivative) -> Any:
    """A tree in a namespace, with its leaves, networks and derivatives as given."""
    if isinstance(tree, float):
        return tree
    if isinstance(tree, str):
        return leaves[tree]
    head, *parts = tree
    if head in DERIVATIVES:
        return derivative(head, *parts)
    operands = [read(part, namespace, leaves, networks, derivative) for part in parts]
    if head in networks:
        return networks[head](*(a[..., :1] for a in operands))
    return OPERATORS[head](namespace, *operands)


DERIVATIVES = {
    "d": lambda u, xs, scheme: u.d(*xs, scheme=scheme),
    "d2": lambda u, xs, scheme: u.d2(*xs, scheme=scheme),
    "laplacian": lambda u, xs, scheme: u.laplacian(*xs, scheme=scheme),
    "slope": lambda u, xs, scheme: jno.np.sum(u[..., :1].grad(*xs, scheme=scheme) ** 2, axis=-1, keepdims=True),
    "mixed": lambda u, xs, scheme: u[..., :1].hessian(*xs, scheme=scheme)[..., 0, -1:],
}


class Problem:
    """The leaves of the trees as expressions, at three points and two times."""

    def __init__(self):
        self.domain = jno.domain.from_array({"interior": POINTS}, time=(*TIMES, len(TIMES)))
        self.columns = self.domain.variable("interior")
        dtype = jnp.zeros(()).dtype
        parameter = jno.np.parameter((1,), name="a").initialize(np.array([PARAMETER], dtype))
        self.leaves = {**dict(zip(NAMES, self.columns, strict=True)), "a": parameter}
        self.networks = {name: jno.nn.wrap(module_in(name, dtype), name=name) for name in MODULES}

    def build(self, tree):
        return read(tree, jno.np, self.leaves, self.networks, self.derivative)

    def derivative(self, kind, axes, scheme, operand):
        return DERIVATIVES[kind](self.build(operand), [self.columns[i] for i in axes], scheme)

    def eval(self, trees):
        """The values `(T, N, C)` of each tree, all trees in one program."""
        expressions = [self.build(tree) for tree in trees]
        values = jno.core([self.columns[0].mse], domain=self.domain).eval([*expressions, self.columns[0]])
        return [np.asarray(value)[0] for value in values[:-1]]


def value_at(tree, networks, p):
    """The tree at one point `(x, y, t)`."""

    def derivative(kind, axes, scheme, operand):
        del scheme
        first = jax.jacfwd(lambda q: value_at(operand, networks, q))
        if kind == "d":
            return first(p)[..., axes[0]]
        if kind == "slope":
            return jnp.sum(first(p)[:1, np.array(axes)] ** 2, axis=-1)
        hessian = jax.jacfwd(first)(p)
        if kind == "mixed":
            return hessian[:1, axes[0], axes[-1]]
        return sum(hessian[:, i, i] for i in axes or (0, 1))

    leaves = {**{name: p[i : i + 1] for i, name in enumerate(NAMES)}, "a": jnp.full((1,), PARAMETER)}
    return read(tree, jnp, leaves, networks, derivative)


def reference(trees):
    """The values `(T, N, C)` of each tree."""
    with jax.enable_x64(True):
        modules = {name: module_in(name, jnp.float64) for name in MODULES}
        networks = {name: lambda *args, f=f: f(jnp.concatenate(args)) for name, f in modules.items()}

        def at(p):
            return [value_at(tree, networks, p) for tree in trees]

        points = jnp.array([[[*point, time] for point in POINTS.astype(float)] for time in TIMES])
        return [np.asarray(value) for value in jax.jit(jax.vmap(jax.vmap(at)))(points)]


def subtrees(tree):
    """The trees that a tree consists of, itself among them."""
    if isinstance(tree, tuple):
        yield tree
        for part in tree[3:] if tree[0] in DERIVATIVES else tree[1:]:
            yield from subtrees(part)


NUMBERS = st.sampled_from([-1.5, -0.5, 0.5, 2.0])
SIMPLE = st.one_of(st.sampled_from(CALLS), st.sampled_from([*NAMES, "a"]), NUMBERS)
AXIS = st.integers(0, 2).map(lambda i: (i,))
AXES = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True).map(tuple)
SPACE = st.just(())


def vanishing_at_the_edges(u):
    return ("*", u, ("*", "x", ("+", ("negative", "x"), 1.0)))


@functools.cache
def trees(depth, order, schemes):
    """Expressions with derivatives of at most this total order; `schemes` are those to choose from, by derivative."""
    if depth == 0:
        return st.one_of(st.sampled_from(CALLS), st.sampled_from(CALLS).map(vanishing_at_the_edges))
    u, small = trees(depth - 1, order, schemes), trees(min(depth - 1, 1), order, schemes)
    return st.one_of(
        st.tuples(st.sampled_from(list(ONE)), u),
        st.tuples(st.sampled_from(list(TWO)), u, st.one_of(small, SIMPLE)),
        st.tuples(st.just("u"), small, u),
        *derivatives(depth, order, schemes),
    )


def derivatives(depth, order, schemes):
    """Those of order one and two, and what equations have: `u u_x`, `(k u_x)_x` and Laplacians of Laplacians."""
    options, scheme = [], {kind: st.sampled_from(known) for kind, known in schemes}

    def of(kind, axes, u):
        return st.tuples(st.just(kind), axes, scheme[kind], u)

    if order >= 1:
        u = trees(depth - 1, order - 1, schemes)
        options += [of("d", AXIS, u), of("slope", AXES, u)]
        options.append(st.builds(lambda i, s, u: ("*", u, ("d", i, s, u)), AXIS, scheme["d"], u))
    if order >= 2:
        u = trees(depth - 1, order - 2, schemes)
        options += [of("d2", AXIS, u), of("laplacian", st.one_of(AXES, SPACE), u), of("mixed", AXES, u)]
        flux = st.builds(
            lambda i, s, k, u: ("d", i, s, ("*", ("d", i, s, u), k)), AXIS, scheme["d"], st.one_of(u, SIMPLE), u
        )
        options.append(flux)
    if order >= 4:
        options.append(of("laplacian", AXES, of("laplacian", AXES, trees(depth - 1, order - 4, schemes))))
    return options


def roots(depth, order, schemes):
    """One or two trees with a derivative on top, for one program."""
    return st.lists(st.one_of(derivatives(depth, order, schemes)), min_size=1, max_size=2)


def check(trees, tolerance):
    """Relative to the largest value, or where that has come from cancellation, to the largest of what it was made of."""
    for tree, value, expected in zip(trees, Problem().eval(trees), reference(trees), strict=True):
        assert value.shape == expected.shape
        error, scale = np.abs(value - expected).max(), max(1.0, np.abs(expected).max())
        if error > tolerance * scale:
            scale = max(np.abs(part).max() for part in [np.ones(1), *reference(list(subtrees(tree)))])
        assert error <= tolerance * scale, f"{error / scale:.1e}: {tree!r}"


AD = "automatic_differentiation"
PLANNER = tuple((kind, (None,)) for kind in DERIVATIVES)
ALWAYS = (None, *(f"{AD}:{variant}" for variant in ("forward", "reverse", "taylor")))
COMPOSED = tuple(f"{AD}:{a}-over-{b}" for a in ("fwd", "rev") for b in ("fwd", "rev"))
TRACES = (f"{AD}:forward-laplacian", f"{AD}:stochastic")
"""Without a random key, the stochastic variant is exact."""
MODES = (
    ("d", (*ALWAYS, *TRACES)),
    ("slope", (*ALWAYS, *TRACES)),
    ("d2", (*ALWAYS, *COMPOSED, *TRACES)),
    ("laplacian", (*ALWAYS, *COMPOSED, *TRACES)),
    ("mixed", (*ALWAYS, *COMPOSED)),
)


def reproducible(examples):
    return settings(
        deadline=None, derandomize=True, max_examples=examples, suppress_health_check=[HealthCheck.too_slow]
    )


@reproducible(20)
@given(roots(3, 4, PLANNER))
def test_the_planner_in_double_precision(trees):
    with jax.enable_x64(True):
        check(trees, 1e-12)


@reproducible(10)
@given(roots(3, 4, PLANNER))
def test_the_planner_in_single_precision(trees):
    with jax.enable_x64(False):
        check(trees, 1e-5)


@reproducible(8)
@given(roots(2, 3, MODES))
def test_every_variant_beside_the_others(trees):
    with jax.enable_x64(True):
        check(trees, 1e-12)
