"""Many space coordinates: names, exact and estimated Laplacians, and training on an estimate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jno
from jno_plugin_ad import AutomaticDifferentiation


def coordinates(d, n=20):
    points = np.random.default_rng(0).uniform(-1, 1, (n, d)).astype(np.float32)
    domain = jno.domain.from_array({"interior": points})
    *xs, _ = domain.variable("interior")
    return points, domain, xs


def test_coordinates_are_numbered_from_four_on():
    assert [x.symbol for x in coordinates(3)[2]] == ["x", "y", "z"]
    _, domain, xs = coordinates(5)
    assert [x.symbol for x in xs] == ["x1", "x2", "x3", "x4", "x5"]
    assert domain.dimension == 5
    assert repr(xs[0] * xs[4]) == "x1 * x5"


def test_exact_and_estimated_laplacians_in_thirty_dimensions():
    """Of u = Σ a_i x_i² the Laplacian is 2 Σ a_i, and every single estimate is exact, because the Hessian is diagonal."""
    points, _, xs = coordinates(30)
    slopes = np.linspace(0.5, 2.0, 30, dtype=np.float32)
    u = sum(float(a) * x**2 for a, x in zip(slopes, xs, strict=True))
    crux = jno.core([u.mse])
    estimate = u.laplacian(*xs, scheme="automatic_differentiation:stochastic")
    exact, silent, drawn = u.laplacian(*xs), estimate, estimate
    np.testing.assert_allclose(crux.eval(exact), 2 * slopes.sum(), rtol=1e-5)
    np.testing.assert_allclose(crux.eval(silent), 2 * slopes.sum(), rtol=1e-5)
    np.testing.assert_allclose(crux.eval(drawn, key=jax.random.key(0)), 2 * slopes.sum(), rtol=1e-5)
    gradient = crux.eval(u.grad(*xs))[0]
    np.testing.assert_allclose(gradient, 2 * slopes * points, rtol=1e-5, atol=1e-6)


def test_training_on_an_estimate_in_fifty_dimensions():
    """-Δu = 2d on the unit ball with u = 1 - |x|², built in up to a factor: the constant must be found."""
    d = 50
    points, _, xs = coordinates(d, 64)
    net = jno.nn.wrap(eqx.nn.MLP(d, 1, 16, 1, jnp.tanh, key=jax.random.key(1))).optimizer(optax.adam(1e-2))
    a = jno.np.parameter(()).optimizer(optax.adam(5e-2))
    radius = sum(x**2 for x in xs)
    u = (1 - radius) * (a + 0.01 * net(*xs))
    scheme = AutomaticDifferentiation("stochastic", samples=2)
    crux = jno.core([(u.laplacian(*xs, scheme=scheme) + 2.0 * d).mse])
    history = crux.solve(300)
    assert history.total_loss < 0.05 * history.total_loss_history[0]
    exact = crux.eval(u)[0, :, 0]
    np.testing.assert_allclose(exact, 1 - np.sum(points**2, axis=1), rtol=0.1)
