"""That an explicit mode means exactly that composition, on one point at a time, in the needed coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import DerivativeRequest as Request, DifferentiationModes, Field, Support
from jno_core.errors import PluginCapabilityError
from jno_plugin_ad import AutomaticDifferentiation

VARIANTS = {
    "forward": (jax.jacfwd, jax.jacfwd),
    "reverse": (jax.jacrev, jax.jacrev),
    "fwd-over-rev": (jax.jacfwd, jax.jacrev),
    "fwd-over-fwd": (jax.jacfwd, jax.jacfwd),
    "rev-over-rev": (jax.jacrev, jax.jacrev),
    "rev-over-fwd": (jax.jacrev, jax.jacfwd),
}
X = jnp.linspace(0.1, 0.9, 5)[:, None]
Y = jnp.linspace(0.7, 0.2, 5)[:, None]
SUPPORT = Support((X, Y), ("x", "y"), 2, "interior")


def field_of(at):
    return Field(at=at, values=lambda: at((X, Y), None), aligned=None, name="u")


def product(columns, aligned):
    del aligned
    return jnp.sin(columns[0] * columns[1])


def product_at(p):
    return product((p[0].reshape(1, 1), p[1].reshape(1, 1)), None)[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_second_order_is_the_composition_of_the_named_jacobians(variant):
    """Equation by equation the same program as the composition written by hand."""
    outer, inner = VARIANTS[variant]
    request = Request("hessian", (0, 1))
    scheme = AutomaticDifferentiation(variant=variant)

    def ours(x, y):
        support = Support((x, y), ("x", "y"), 2, "interior")
        return scheme.apply((request,), field_of(product), support, {}, None)[0]

    def by_hand(x, y):
        return jax.vmap(outer(inner(product_at)))(jnp.concatenate([x, y], axis=1))[:, 0]

    np.testing.assert_allclose(ours(X, Y), by_hand(X, Y), rtol=1e-6)
    assert arithmetic(ours) == arithmetic(by_hand)


def arithmetic(fn):
    """The primitives of a program that compute, in order."""
    computing = {"mul", "add", "add_any", "sub", "neg", "sin", "cos", "dot_general", "transpose", "reduce_sum"}
    return [e.primitive.name for e in jax.make_jaxpr(fn)(X, Y).jaxpr.eqns if e.primitive.name in computing]


@pytest.mark.parametrize("variant", ["forward", "reverse"])
def test_a_field_that_mixes_points_is_differentiated_on_one_point(variant):
    """On one point, the mean is the point itself."""

    def at(columns, aligned):
        del aligned
        return columns[0] ** 2 * jnp.mean(columns[1])

    requests = (Request("value"), Request("gradient", (0, 1)))
    value, gradient = AutomaticDifferentiation(variant=variant).apply(requests, field_of(at), SUPPORT, {}, None)
    np.testing.assert_allclose(value, X**2 * Y.mean(), rtol=1e-6)
    np.testing.assert_allclose(gradient, jnp.concatenate([2 * X * Y, X**2], axis=1), rtol=1e-6)


@pytest.mark.parametrize("variant", ["forward", "reverse"])
def test_only_needed_coordinates_are_differentiated(variant):
    """A coordinate in which the target has no derivative rule is harmless as long as nobody asks for it."""

    @jax.custom_jvp
    def opaque(y):
        return 2 * y

    @opaque.defjvp
    def _(primals, tangents):
        del primals, tangents
        raise AssertionError("differentiated in y")

    field = field_of(lambda columns, aligned: columns[0] ** 2 * opaque(columns[1]))
    scheme = AutomaticDifferentiation(variant=variant)
    requests = (Request("partial", (0, 0)), Request("partial", (0,)))
    second, first = scheme.apply(requests, field, SUPPORT, {}, None)
    np.testing.assert_allclose(second, 4 * Y, rtol=1e-6)
    np.testing.assert_allclose(first, 4 * X * Y, rtol=1e-6)
    with pytest.raises(AssertionError, match="differentiated in y"):
        scheme.apply((Request("partial", (1,)),), field, SUPPORT, {}, None)


def reverse_only():
    @jax.custom_vjp
    def f(x):
        return x**2

    f.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))
    return field_of(lambda columns, aligned: f(columns[0]) * columns[1])


def test_the_project_defaults_govern_the_plain_word():
    """A target without forward mode tells which mode ran."""
    gradient, hessian = Request("gradient", (0, 1)), Request("hessian", (0, 1))
    scheme = AutomaticDifferentiation.from_variant(None, DifferentiationModes(first="reverse"))
    (result,) = scheme.apply((gradient,), reverse_only(), SUPPORT, {}, None)
    np.testing.assert_allclose(result, jnp.concatenate([2 * X * Y, X**2], axis=1), rtol=1e-6)
    with pytest.raises(PluginCapabilityError, match="reverse mode only"):
        scheme.apply((hessian,), reverse_only(), SUPPORT, {}, None)
    scheme = AutomaticDifferentiation.from_variant(None, DifferentiationModes(second="rev-over-rev"))
    (result,) = scheme.apply((hessian,), reverse_only(), SUPPORT, {}, None)
    np.testing.assert_allclose(result[:, 0, 0], 2 * Y[:, 0], rtol=1e-6)
    np.testing.assert_allclose(result[:, 0, 1], 2 * X[:, 0], rtol=1e-6)
    with pytest.raises(TypeError, match="custom_vjp"):
        AutomaticDifferentiation(modes=DifferentiationModes(first="forward")).apply(
            (gradient,), reverse_only(), SUPPORT, {}, None
        )


def test_defaults_do_not_govern_a_written_variant_nor_third_order():
    modes = DifferentiationModes(first="forward", second="fwd-over-fwd")
    scheme = AutomaticDifferentiation.from_variant("reverse", modes)
    scheme.apply((Request("gradient", (0,)), Request("laplacian", (0,))), reverse_only(), SUPPORT, {}, None)
    plain = AutomaticDifferentiation.from_variant(None, modes)
    (third,) = plain.apply((Request("partial", (0, 0, 1)),), field_of(product), SUPPORT, {}, None)
    exact = -2 * Y * jnp.sin(X * Y) - X * Y**2 * jnp.cos(X * Y)
    np.testing.assert_allclose(third, exact, rtol=1e-5)


def test_requests_of_one_set_may_take_different_ways():
    modes = DifferentiationModes(first="reverse")
    requests = (Request("laplacian", (0, 1)), Request("value"), Request("gradient", (1,)))
    scheme = AutomaticDifferentiation.from_variant(None, modes)
    laplacian, value, gradient = scheme.apply(requests, field_of(product), SUPPORT, {}, None)
    np.testing.assert_allclose(laplacian, -(X**2 + Y**2) * jnp.sin(X * Y), rtol=1e-5)
    np.testing.assert_allclose(value, jnp.sin(X * Y), rtol=1e-6)
    np.testing.assert_allclose(gradient, X * jnp.cos(X * Y), rtol=1e-6)
