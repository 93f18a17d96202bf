"""Sums of derivatives of higher order: how few streams carry them, and that nothing is lost."""

import functools
import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import jno
from jno_core import DerivativeRequest as Request, DifferentiationModes, Field, Support
from jno_plugin_ad import AutomaticDifferentiation
from jno_plugin_ad._propagation import basis_of, combined, order_of, partial

pytestmark = pytest.mark.usefixtures("unoptimised")


def biharmonic(d):
    """The terms of the Laplacian of the Laplacian."""
    return [(i, i, j, j) for i in range(d) for j in range(d)]


def slope(d):
    """The terms of the first axis' derivative of the Laplacian."""
    return [(0, i, i) for i in range(d)]


def by_order(wanted):
    streams = basis_of(tuple(wanted)).streams
    return [[s for s in streams if order_of(s) == k] for k in range(1, 1 + max(map(order_of, streams)))]


def mlp(weights, x):
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    return x @ weights[-1]


def network(d, width=8):
    keys = jax.random.split(jax.random.key(2), 4)
    return [
        jax.random.normal(k, s) * s[0] ** -0.5
        for k, s in zip(keys, [(d, width), (width, width), (width, width), (width, 1)], strict=True)
    ]


def setting(d, n=7):
    """Weights, points, and the field of the network on them with its support."""
    weights = network(d)
    points = jax.random.uniform(jax.random.key(1), (n, d))
    columns = tuple(points[:, i : i + 1] for i in range(d))
    field = Field(
        at=lambda c, a: mlp(weights, jnp.concatenate(c, axis=1)),
        values=lambda: mlp(weights, points),
        aligned=None,
        name="u",
    )
    return weights, points, field, Support(columns, tuple("xyzw"[:d]), d, "interior")


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_biharmonic_needs_few_streams(d):
    found = by_order([combined(biharmonic(d))])
    assert [len(streams) for streams in found] == [d, d * (d + 1) // 2, d, 1]


def test_the_biharmonic_in_the_plane_needs_sums_of_third_derivatives():
    assert by_order([combined(biharmonic(2))]) == [
        [partial(0), partial(1)],
        [partial(0, 0), partial(0, 1), partial(1, 1)],
        [combined([(0, 0, 0), (0, 1, 1)]), combined([(0, 0, 1), (1, 1, 1)])],
        [combined(biharmonic(2))],
    ]


@pytest.mark.parametrize("d", [2, 3])
def test_laplacian_and_slopes_travel_with_the_biharmonic(d):
    """All that the equation of a stream function needs of it, in the plane."""
    axes = range(d)
    slopes = [combined([(j, i, i) for i in axes]) for j in axes]
    wanted = [*(partial(i) for i in axes), combined((i, i) for i in axes), *slopes]
    together = basis_of((*wanted, combined(biharmonic(d)))).streams
    assert together == basis_of((combined(biharmonic(d)),)).streams


@pytest.mark.parametrize(
    ("wanted", "carried"),
    [
        ([combined([(0, 0), (1, 1)])], [(0,), (1,)]),
        ([partial(0), partial(1), combined([(0, 0), (1, 1)])], [(0,), (1,)]),
        ([combined([(0, 0), (1, 1), (2, 2)])], [(0,), (1,), (2,)]),
        ([partial(0), partial(1, 1)], [(0,), (1,), (1, 1)]),
        ([partial(0, 1)], [(0,), (1,), (0, 1)]),
        ([partial(0, 0, 1)], [(0,), (1,), (0, 0), (0, 1), (0, 0, 1)]),
    ],
    ids=["Poisson 2-D", "Poisson 2-D with its gradient", "Poisson 3-D", "Burgers", "mixed", "third"],
)
def test_without_sums_of_higher_order_the_partial_derivatives_travel(wanted, carried):
    """As ever: the wanted ones, and the partial derivatives below them."""
    assert set(basis_of(tuple(wanted)).streams) == {*wanted, *(partial(*axes) for axes in carried)}


@pytest.mark.parametrize("d", [2, 3])
def test_the_pass_of_a_laplacian_is_what_it_was(d):
    """The value, each first derivative and the Laplacian: one matrix product each, and fewer in the first layer."""
    weights, _, field, where = setting(d)
    request = Request("laplacian", tuple(range(d)))
    scheme = AutomaticDifferentiation()
    first = " + ".join(f"d_{name}{name}" for name in where.names)
    assert scheme.explain((request,), field, where).passes == (f"one forward propagation of ({first})",)
    jaxpr = str(jax.make_jaxpr(lambda: scheme.apply((request,), field, where, {}, None))())
    assert jaxpr.count("dot_general") == (1 + d) + (len(weights) - 1) * (2 + d)


def test_the_pass_of_the_biharmonic_is_explained_and_takes_a_product_for_each_stream():
    weights, _, field, where = setting(2)
    request = Request.sum_of(biharmonic(2))
    scheme = AutomaticDifferentiation()
    [passed] = scheme.explain((request,), field, where).passes
    assert passed == "one forward propagation of (d_xxxx + 2 d_xxyy + d_yyyy), 8 derivatives carried"
    jaxpr = str(jax.make_jaxpr(lambda: scheme.apply((request,), field, where, {}, None))())
    assert jaxpr.count("dot_general") == 3 + (len(weights) - 1) * 9


def nested(fn, points, terms):
    """The sum of partial derivatives by nested `jax.jacfwd`, one point at a time."""

    def derivative(p, order):
        return jax.jacfwd(derivative)(p, order - 1) if order else fn(p)[0]

    tensors = jax.vmap(lambda p: derivative(p, len(terms[0])))(points)
    return sum(tensors[(slice(None), *axes)] for axes in terms)[:, None]


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-12)], ids=["float32", "float64"])
@pytest.mark.parametrize("terms", [biharmonic(2), biharmonic(3), slope(3), [(0, 1, 1, 1), (0, 0, 0, 1)]])
def test_sums_of_a_network_equal_nested_derivatives(terms, x64, tolerance):
    d = 1 + max(itertools.chain(*terms))
    with jax.enable_x64(True):
        weights, points, *_ = setting(d)
        expected = jax.jit(lambda: nested(functools.partial(mlp, weights), points, terms))()
    with jax.enable_x64(x64):
        single = [jnp.asarray(w) for w in weights] if x64 else [jnp.asarray(w, jnp.float32) for w in weights]
        columns = tuple(jnp.asarray(points[:, i : i + 1], single[0].dtype) for i in range(d))
        field = Field(
            at=lambda c, a: mlp(single, jnp.concatenate(c, axis=1)), values=lambda: None, aligned=None, name="u"
        )
        where = Support(columns, tuple("xyz"[:d]), d, "interior")
        request = Request.sum_of(terms)
        (result,) = jax.jit(lambda: AutomaticDifferentiation().apply((request,), field, where, {}, None))()
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("variant", [None, "taylor", "forward", "reverse"])
@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"])
def test_a_sum_has_the_shape_of_its_target(symbolic, apply, variant, x64, tolerance):
    """Against SymPy, of two components, beside derivatives of lower order and one of its own terms."""
    requests = (
        Request("value"),
        Request("gradient", (0, 1)),
        Request("laplacian", (0, 1)),
        Request("partial", (0, 0, 1, 1)),
        Request.sum_of(biharmonic(2)),
    )
    with jax.enable_x64(x64):
        case = symbolic("xy", "sin(x + 2*y)*exp(x*y)/16", "x**4*y**2/24 - y**4")
        field, support = case.field(), case.support()
        *lower, found = jax.jit(lambda: apply(variant, requests, field, support))()
    for request, result in zip(requests[:-1], lower, strict=True):
        np.testing.assert_allclose(result, case.exact(request), rtol=tolerance, atol=tolerance)
    expected = sum(case.exact(Request("partial", axes)) for axes in biharmonic(2))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


SUMS = st.integers(1, 4).flatmap(
    lambda order: st.lists(st.lists(st.integers(0, 2), min_size=order, max_size=order), min_size=1, max_size=5)
)


def coefficients(streams, indices):
    return np.array([[dict(map(reversed, s)).get(index, 0) for index in indices] for s in streams], float)


def span_of(wanted, k):
    """What must be carried of order k: the wanted ones, and the sums beside each derivative of the other factor."""
    indices = list(itertools.combinations_with_replacement(range(3), k))
    rows = [coefficients([s for s in wanted if order_of(s) == k], indices).reshape(-1, len(indices))]
    for stream in wanted:
        for other in itertools.combinations_with_replacement(range(3), max(order_of(stream) - k, 0)):
            if other:
                whole = dict(map(reversed, stream))
                # The number of ways to choose the positions of the one factor among those of a term.
                row = [
                    whole.get(tuple(sorted(other + index)), 0)
                    * math.prod(math.comb((other + index).count(axis), index.count(axis)) for axis in range(3))
                    for index in indices
                ]
                rows.append(np.array([row], float))
    return np.concatenate(rows), indices


@settings(deadline=None, max_examples=60)
@given(st.lists(SUMS.map(combined), min_size=1, max_size=3))
def test_a_basis_is_as_small_as_the_rank_allows(wanted):
    """At each order exactly the span of what is needed, and no more streams than its dimension."""
    found = by_order(wanted)
    assert len(found) == max(map(order_of, wanted))
    for k, streams in enumerate(found, start=1):
        needed, indices = span_of(wanted, k)
        carried = coefficients(streams, indices)
        rank = np.linalg.matrix_rank(needed)
        assert len(streams) == rank
        assert np.linalg.matrix_rank(np.concatenate([needed, carried])) == rank


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SUMS.map(combined), min_size=1, max_size=3))
def test_random_sums_of_a_polynomial(listed, wanted):
    """A product and a power of sums of monomials, against exact derivatives of its coefficients."""
    points = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    x, y, z = np.eye(3, dtype=int)
    polynomial = np.polynomial.polynomial
    factors = {tuple(2 * x + y): 1.0, tuple(z): -2.0, tuple(y + z): 0.5, (0, 0, 0): 1.0}
    square = np.zeros((5, 5, 5))
    for a, p in factors.items():
        for b, q in factors.items():
            square[tuple(np.add(a, b))] += p * q

    def fn(rows):
        inner = sum(c * rows[:, :1] ** a[0] * rows[:, 1:2] ** a[1] * rows[:, 2:] ** a[2] for a, c in factors.items())
        return inner * inner

    def exact(axes):
        derived = square
        for axis in axes:
            derived = polynomial.polyder(derived, axis=axis)
        return polynomial.polyval3d(*points.T, derived)[:, None]

    with jax.enable_x64(True):
        found = listed(fn, jnp.asarray(points), tuple(wanted))
    for stream in wanted:
        expected = sum(count * exact(index) for count, index in stream)
        np.testing.assert_allclose(found[stream], expected, rtol=1e-10, atol=1e-10)


def test_a_chain_of_laplacians_asks_for_one_sum():
    """The problem as a user writes it, with lower derivatives in the same pass."""
    points = np.random.default_rng(0).uniform(size=(5, 2)).astype(np.float32)
    domain = jno.domain.from_array({"interior": points})
    x, y = domain.variable("interior")[:2]
    net = eqx.nn.MLP(2, 1, 8, 2, jnp.tanh, key=jax.random.key(0))
    u = jno.nn.wrap(net).optimizer(optax.adam(1e-3))(x, y)
    lower = u.laplacian(x, y).d(x) + u.laplacian(x, y)
    twice = u.laplacian(x, y).laplacian(x, y)
    crux = jno.core([twice.mse, lower.mse])
    [group] = crux.explain().groups
    assert group.derivatives == ("Laplacian in (x, y)", "d_xxx + d_xyy", "d_xxxx + 2 d_xxyy + d_yyyy")
    assert group.passes[0].endswith("8 derivatives carried")
    found, below = crux.eval([twice, lower])
    expected = nested(net, points, biharmonic(2))
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-5 * np.max(np.abs(expected)))
    expected = sum(nested(net, points, terms) for terms in (slope(2), [(0, 0), (1, 1)]))
    np.testing.assert_allclose(below[0], expected, rtol=0, atol=1e-5 * np.max(np.abs(expected)))


@pytest.mark.parametrize("variant", ["stochastic", "forward-laplacian", "fwd-over-rev"])
def test_variants_of_second_order_take_no_sums(variant):
    scheme = AutomaticDifferentiation.from_variant(variant, DifferentiationModes())
    assert not scheme.merges(Request.sum_of(biharmonic(2)))
