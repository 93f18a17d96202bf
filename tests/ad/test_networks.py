"""On a network: the planner against the explicit compositions and hand-written losses, and what it shares."""

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import DerivativeRequest as Request, Field, Support
from jno_plugin_ad import AutomaticDifferentiation

pytestmark = pytest.mark.usefixtures("unoptimised")

HIDDEN = 3


def weights(d, c, key=0):
    sizes = (d, *(HIDDEN * (8,)), c)
    keys = jax.random.split(jax.random.key(key), len(sizes))
    return [
        (jax.random.normal(k, (i, o)) / jnp.sqrt(i), 0.1 * jax.random.normal(k, (o,)))
        for k, i, o in zip(keys, sizes[:-1], sizes[1:], strict=False)
    ]


def mlp(params, x):
    for W, b in params[:-1]:
        x = jnp.tanh(x @ W + b)
    W, b = params[-1]
    return x @ W + b


def field_of(params, columns):
    def at(columns, aligned):
        del aligned
        return mlp(params, jnp.concatenate(columns, axis=1))

    return Field(at=at, values=lambda: at(columns, None), aligned=None, name="u")


def columns_of(d, n=11):
    return tuple(jax.random.uniform(jax.random.key(i + 1), (n, 1)) for i in range(d))


def support(columns):
    return Support(columns, tuple("xyz"[: len(columns)]), len(columns), "interior")


def count(jaxpr, name):
    """How often a primitive stands in a jaxpr and the jaxprs within."""
    return sum(eqn.primitive.name == name for eqn in jaxpr.eqns) + sum(count(j, name) for j in jex.subjaxprs(jaxpr))


@pytest.mark.parametrize(("d", "components"), [(1, 1), (2, 2), (3, 1)])
def test_the_planner_equals_the_explicit_compositions(d, components):
    every = tuple(range(d))
    requests = (
        Request("laplacian", every),
        Request("hessian", every),
        Request("partial", (0, d - 1)),
    )
    with jax.enable_x64(True):
        columns = columns_of(d)
        field = field_of(weights(d, components), columns)
        planned = AutomaticDifferentiation().apply(requests, field, support(columns), {}, None)
        for variant in ("taylor", "forward", "reverse", "fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd"):
            scheme = AutomaticDifferentiation(variant=variant)
            explicit = jax.jit(lambda s=scheme: s.apply(requests, field, support(columns), {}, None))()
            for a, b in zip(planned, explicit, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=variant)


def loss_by_hand(params, columns):
    """-lap u + u_xy u - x, point by point with `jax.hessian`."""

    def residual(p):
        def u(q):
            return mlp(params, q[None])[0, 0]

        H = jax.hessian(u)(p)
        return -H[0, 0] - H[1, 1] + H[0, 1] * u(p) - jax.grad(u)(p)[0]

    return jnp.mean(jax.vmap(residual)(jnp.concatenate(columns, axis=1)) ** 2)


@pytest.mark.parametrize("variant", [None, "forward", "reverse"])
def test_gradient_of_a_loss_equals_that_of_the_hand_written_loss(variant):
    requests = (Request("value"), Request("laplacian", (0, 1)), Request("partial", (0, 1)), Request("partial", (0,)))

    def loss(params, columns):
        field = field_of(params, columns)
        scheme = AutomaticDifferentiation(variant=variant)
        u, lap, u_xy, u_x = scheme.apply(requests, field, support(columns), {}, None)
        return jnp.mean((-lap + u_xy * u - u_x) ** 2)

    with jax.enable_x64(True):
        params, columns = weights(2, 1), columns_of(2)
        ours = jax.jit(jax.value_and_grad(loss))(params, columns)
        theirs = jax.jit(jax.value_and_grad(loss_by_hand))(params, columns)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "requests",
    [
        [Request("value")],
        [Request("value"), Request("partial", (0,))],
        [Request("value"), Request("partial", (0,)), Request("partial", (0, 0)), Request("laplacian", (0,))],
        [Request("hessian", (0,)), Request("gradient", (0,)), Request("partial", (0, 0, 0))],
    ],
)
def test_all_derivatives_along_one_axis_are_one_propagation(requests):
    columns = columns_of(1)
    scheme = AutomaticDifferentiation()

    def results(params, columns):
        return scheme.apply(tuple(requests), field_of(params, columns), support(columns), {}, None)

    jaxpr = jax.make_jaxpr(results)(weights(1, 1), columns).jaxpr
    assert count(jaxpr, "tanh") == HIDDEN


def test_any_set_of_requests_is_one_propagation():
    """Values, first, mixed and pure second derivatives travel together."""
    columns = columns_of(2)

    def evaluations(*requests):
        def results(params, columns):
            return AutomaticDifferentiation().apply(requests, field_of(params, columns), support(columns), {}, None)

        return count(jax.make_jaxpr(results)(weights(2, 1), columns).jaxpr, "tanh")

    mixed = Request("partial", (0, 1))
    assert evaluations(mixed) == HIDDEN
    assert evaluations(Request("value"), Request("partial", (1,)), mixed, Request("partial", (0,))) == HIDDEN
    assert evaluations(mixed, Request("partial", (1, 1)), Request("laplacian", (0, 1))) == HIDDEN
    assert evaluations(mixed, Request("partial", (0, 0, 1, 1))) == HIDDEN


@pytest.mark.parametrize("d", [1, 3])
def test_what_is_the_same_at_all_points_is_computed_once(d):
    """Coordinates, also shifted and scaled ones, have constant derivatives: the first layer multiplies n rows only once."""
    n = 1000
    columns = columns_of(d, n)
    params = weights(d, 1)

    def at(columns, aligned):
        del aligned
        return mlp(params, 1 - 2 * jnp.concatenate(columns, axis=1))

    field = Field(at=at, values=lambda: at(columns, None), aligned=None, name="u")
    axes = tuple(range(d))

    def results(columns):
        return AutomaticDifferentiation().apply((Request("laplacian", axes),), field, support(columns), {}, None)

    products = [e for e in _equations(jax.make_jaxpr(results)(columns).jaxpr) if e.primitive.name == "dot_general"]
    first = [e for e in products if e.invars[1].aval.shape == (d, 8) and e.invars[0].aval.shape[-1] == d]
    assert sorted(e.outvars[0].aval.shape[0] for e in first) == [1] * d + [n]
    (found,) = results(columns)
    u = jax.vmap(jax.hessian(lambda p: at([p[None, i : i + 1] for i in range(d)], None)[0, 0]))
    expected = jnp.trace(u(jnp.concatenate(columns, axis=1)[:20]), axis1=1, axis2=2)
    np.testing.assert_allclose(found[:20].ravel(), expected, rtol=1e-4, atol=1e-4)


def _equations(jaxpr):
    yield from jaxpr.eqns
    for inner in jex.subjaxprs(jaxpr):
        yield from _equations(inner)


def test_the_planner_maps_over_nothing():
    """Batched: the largest array has n rows, not n squared nor n by the number of axes."""
    columns = columns_of(3, n=1000)

    def results(columns):
        requests = (Request("laplacian", (0, 1, 2)),)
        return AutomaticDifferentiation().apply(requests, field_of(weights(3, 1), columns), support(columns), {}, None)

    jaxpr = jax.make_jaxpr(results)(columns).jaxpr
    assert max(var.aval.size for eqn in jaxpr.eqns for var in eqn.outvars) == 1000 * 8
