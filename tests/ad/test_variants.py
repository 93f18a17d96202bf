"""The variants that propagate: the same values as the planner, and unbiased estimates in many dimensions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import DerivativeRequest as Request, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad import AutomaticDifferentiation, _derivatives

pytestmark = pytest.mark.usefixtures("unoptimised")


def network(d, width=16, depth=2, components=1):
    sizes = [d, *[width] * depth, components]
    keys = jax.random.split(jax.random.key(3), len(sizes))
    return [jax.random.normal(k, (a, b)) / a**0.5 for k, a, b in zip(keys, sizes, sizes[1:], strict=False)]


def evaluated(weights, columns):
    x = jnp.concatenate(columns, axis=1)
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    return x @ weights[-1]


def problem(d, n, components=1, key=None):
    weights = network(d, components=components)
    points = jax.random.uniform(jax.random.key(1), (n, d))
    columns = tuple(jnp.split(points, d, axis=1))
    field = Field(
        at=lambda c, a: evaluated(weights, c),
        values=lambda: evaluated(weights, columns),
        aligned=None,
        name="u",
        key=key,
    )
    return weights, points, field, Support(columns, tuple(f"x{i}" for i in range(d)), d, "interior")


@jax.jit
def exact(weights, points):
    """Gradient and Laplacian point by point."""

    def u(p):
        return evaluated(weights, (p[None],))[0]

    hessians = jax.vmap(jax.hessian(u))(points)
    return jax.vmap(jax.jacfwd(u))(points), jnp.trace(hessians, axis1=-2, axis2=-1)


@pytest.mark.parametrize("variant", [None, "taylor", "forward-laplacian", "stochastic"])
@pytest.mark.parametrize(("d", "components"), [(1, 1), (3, 2), (30, 1), (30, 3)])
def test_without_a_key_all_variants_are_exact(variant, d, components):
    weights, points, field, where = problem(d, 5, components)
    axes = tuple(range(d))
    requests = (Request("value"), Request("gradient", axes), Request("laplacian", axes), Request("partial", (0, 0)))
    value, gradient, laplacian, second = AutomaticDifferentiation(variant).apply(requests, field, where, {}, None)
    expected_gradient, expected = exact(weights, points)
    np.testing.assert_allclose(value, evaluated(weights, where.columns), rtol=1e-6)
    np.testing.assert_allclose(gradient.reshape(expected_gradient.shape), expected_gradient, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(laplacian, expected, rtol=2e-4, atol=5e-5)
    if d == 1:
        np.testing.assert_allclose(second, expected, rtol=2e-4, atol=5e-5)


@pytest.mark.parametrize("d", [5, 40])
def test_a_gradient_alone_of_many_axes_takes_one_reverse_pass(d):
    weights, points, field, where = problem(d, 4)
    request = Request("gradient", tuple(range(d)))
    (gradient,) = AutomaticDifferentiation().apply((request,), field, where, {}, None)
    np.testing.assert_allclose(gradient, exact(weights, points)[0][:, 0], rtol=1e-4, atol=1e-6)
    jaxpr = str(jax.make_jaxpr(lambda: AutomaticDifferentiation().apply((request,), field, where, {}, None))())
    assert jaxpr.count("dot_general") == 2 * len(weights)


@pytest.mark.parametrize("samples", [1, 4])
def test_estimates_are_unbiased_and_first_derivatives_exact(samples):
    d, draws = 100, 400
    axes = tuple(range(d))
    requests = (Request("gradient", axes), Request("laplacian", axes))
    weights, points, *_ = problem(d, 3)

    @jax.jit
    @jax.vmap
    def drawn(key):
        _, _, field, where = problem(d, 3, key=key)
        return AutomaticDifferentiation("stochastic", samples=samples).apply(requests, field, where, {}, None)

    gradients, laplacians = drawn(jax.random.split(jax.random.key(0), draws))
    gradient, laplacian = exact(weights, points)
    np.testing.assert_allclose(gradients, jnp.broadcast_to(gradient[:, 0], gradients.shape), rtol=1e-3, atol=1e-5)
    error = np.std(laplacians, axis=0) / draws**0.5
    assert np.all(error > 0)
    assert np.all(np.abs(np.mean(laplacians, axis=0) - laplacian) < 4 * error)


@pytest.mark.parametrize("count", [1, 32, 33, 100])
def test_signs_are_fair_and_independent(count):
    """Of 20,000 draws the mean of each sign, and of each product of two, is zero to five standard errors."""
    draws = 20_000
    signs = np.asarray(_derivatives._signs(jax.random.key(0), (draws,), count))
    assert signs.shape == (draws, count)
    assert set(np.unique(signs)) == {-1, 1}
    products = signs.T @ signs / draws
    np.testing.assert_array_equal(np.diag(products), 1)
    assert np.max(np.abs(products - np.eye(count))) < 5 / draws**0.5
    assert np.max(np.abs(np.mean(signs, axis=0))) < 5 / draws**0.5
    assert abs(np.mean(signs[1:] * signs[:-1])) < 5 / (draws * count) ** 0.5


def test_few_directions_are_listed_and_give_the_same_estimate_as_stacked_ones(monkeypatch):
    def estimate():
        _, _, field, where = problem(5, 2, key=jax.random.key(0))
        scheme = AutomaticDifferentiation("stochastic", samples=3)
        return scheme.apply((Request("laplacian", tuple(range(5))),), field, where, {}, None)[0]

    listed = estimate()
    monkeypatch.setattr(_derivatives, "LISTED_ENTRIES", 14)
    monkeypatch.setattr(_derivatives, "_list_along", None)
    np.testing.assert_allclose(estimate(), listed, rtol=1e-4, atol=1e-5)


def test_the_variance_falls_with_the_samples_and_streams_are_independent():
    d, draws = 60, 2000
    request = Request("laplacian", tuple(range(d)))

    def estimates(**options):
        @jax.jit
        @jax.vmap
        def drawn(key):
            _, _, field, where = problem(d, 2, key=key)
            return AutomaticDifferentiation("stochastic", **options).apply((request,), field, where, {}, None)[0]

        return np.asarray(drawn(jax.random.split(jax.random.key(5), draws)))[:, 0, 0]

    one, eight, other = estimates(), estimates(samples=8), estimates(stream=1)
    assert 6 < np.var(one) / np.var(eight) < 10.5
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / draws**0.5
    np.testing.assert_array_equal(one, estimates(stream=0))


def test_an_estimate_differentiates_in_the_weights():
    """The gradient of a linear functional of the estimate is unbiased too: it is that of the exact one for d = 1."""
    weights, _, _, where = problem(1, 6)

    def total(weights, scheme, key):
        field = Field(at=lambda c, a: evaluated(weights, c), values=lambda: None, aligned=None, name="u", key=key)
        return jnp.mean(scheme.apply((Request("laplacian", (0,)),), field, where, {}, None)[0] ** 2)

    estimated = jax.grad(total)(weights, AutomaticDifferentiation("stochastic", samples=3), jax.random.key(0))
    for a, b in zip(estimated, jax.grad(total)(weights, AutomaticDifferentiation(), None), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (None, ("one forward propagation of d_x, d_y, (d_xx + d_yy)",)),
        ("taylor", ("one forward propagation of d_x, d_y, d_xx, d_yy",)),
        ("fwd-over-rev", ("jacfwd over jacrev",)),
    ],
)
def test_a_scheme_explains_its_passes(variant, words):
    columns = (jnp.ones((3, 1)), jnp.ones((3, 1)))
    field = Field(at=lambda c, a: jnp.sort(c[0] * c[1], axis=1), values=lambda: None, aligned=None, name="u")
    requests = (Request("gradient", (0, 1)), Request("laplacian", (0, 1)))
    if variant == "fwd-over-rev":
        requests = requests[1:]
    explained = AutomaticDifferentiation(variant).explain(requests, field, Support(columns, ("x", "y"), 2, "interior"))
    assert explained.passes == words
    assert explained.fallbacks == (() if variant == "fwd-over-rev" else ("sort",))


def test_a_third_order_request_names_the_plain_scheme():
    _, _, field, where = problem(2, 3)
    with pytest.raises(PluginCapabilityError, match="plain 'automatic_differentiation' serves"):
        AutomaticDifferentiation("stochastic").apply((Request("partial", (0, 0, 1)),), field, where, {}, None)
