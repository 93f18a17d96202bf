"""The page of miscellaneous features: trackers, functions of the user's, and parameter Jacobians watched while training.

The trainable parameters of that page are in `test_parameters.py`.
"""

import equinox as eqx
import foundax
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
import jno.numpy as jnn
from jno.numpy import tracker
from jno_core.errors import JnoValueError

X = np.linspace(0.0, 1.0, 11)[:, None]
EPOCHS = 200


class Poisson:
    """-u'' = sin(pi x) on [0, 1] with u = 0 at both ends, and a small network for it."""

    def __init__(self):
        domain = jno.domain.from_array({"interior": X, "boundary": X[[0, -1]]})
        x, _ = domain.variable("interior")
        xb, _ = domain.variable("boundary")
        module = foundax.mlp(in_features=1, hidden_dims=6, num_layers=2, key=jax.random.PRNGKey(1))
        self.net = jno.nn.wrap(module).optimizer(optax.adam(1e-2))
        self.u, self.exact = self.net(x), jnn.sin(jno.np.pi * x) / jno.np.pi**2
        self.pde, self.bc = -self.u.d2(x) - jnn.sin(jno.np.pi * x), self.net(xb)

    def output_mask(self):
        all_false = jax.tree_util.tree_map(lambda _: False, self.net.module)
        return eqx.tree_at(lambda m: m.output_layer.weight, all_false, True)


def watched(p):
    """The expressions that the page tracks, with their intervals."""
    J, J_pde, J_bc = p.u.grad(p.net), p.pde.grad(p.net), p.bc.grad(p.net)
    K = J[0] @ J[0].T
    g_pde, g_bc = jno.np.mean(J_pde[0], axis=0), jno.np.mean(J_bc[0], axis=0)
    return {
        "error": (jno.np.mean(jno.np.abs(p.u - p.exact)), 100),
        "every": (p.bc.mse, 1),
        "norm": (jno.np.mean(J**2), 50),
        "kernel": (jno.np.max(K) / (jno.np.min(K) + 1e-8), 100),
        "cosine": (jno.np.dot(g_pde, g_bc) / (jno.np.norm(g_pde) * jno.np.norm(g_bc) + 1e-8), 100),
        "masked": (jno.np.mean(p.u.grad(p.net.mask(p.output_mask())) ** 2), 50),
    }


@eqx.filter_jit
def quantities(module):
    """The same by plain JAX, point by point."""
    params, static = eqx.partition(module, eqx.is_inexact_array)
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    x = jnp.asarray(X[:, 0])
    ends = x[jnp.array([0, -1])]

    def u(p, x):
        return eqx.combine(unravel(p), static)(x[None, None])[0, 0]

    def pde(p, x):
        return -jax.hessian(u, argnums=1)(p, x) - jnp.sin(jnp.pi * x)

    def values(f, x):
        return jax.vmap(f, (None, 0))(flat, x)

    J, g_pde, g_bc = (
        values(jax.grad(u), x),
        values(jax.grad(pde), x).mean(axis=0),
        values(jax.grad(u), ends).mean(axis=0),
    )
    K = J @ J.T
    return {
        "error": jnp.mean(jnp.abs(values(u, x) - jnp.sin(jnp.pi * x) / jnp.pi**2)),
        "every": jnp.mean(values(u, ends) ** 2),
        "norm": jnp.mean(J**2),
        "kernel": K.max() / (K.min() + 1e-8),
        "cosine": jnp.dot(g_pde, g_bc) / (jnp.linalg.norm(g_pde) * jnp.linalg.norm(g_bc) + 1e-8),
        # The six output weights, before the single bias.
        "masked": jnp.mean(J[:, -7:-1] ** 2),
        "mean of kernel": K.mean(),
    }


def by_hand(module):
    """`quantities` in double precision."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(jnp.float64) if eqx.is_inexact_array(a) else a, module)
        return {name: float(value) for name, value in quantities(wide).items()}


@pytest.fixture(scope="module")
def run():
    """A run of 200 epochs and one more: problem, history, values by `eval` between the two, and modules before and then."""
    p = Poisson()
    expressions = watched(p)
    crux = jno.core([p.pde.mse, p.bc.mse, *(tracker(e, interval=i).name(n) for n, (e, i) in expressions.items())])
    before = p.net.module
    crux.solve(EPOCHS)
    between, values = p.net.module, crux.eval([e for e, _ in expressions.values()])
    history = crux.solve(1)
    return expressions, history, dict(zip(expressions, values, strict=True)), before, between


TRACKED = ["error", "every", "norm", "kernel", "cosine", "masked"]


@pytest.mark.parametrize("name", TRACKED)
def test_trackers_record_at_multiples_of_their_intervals(run, name):
    expressions, history, *_ = run
    np.testing.assert_array_equal(history.tracks(name).epochs, np.arange(0, EPOCHS + 1, expressions[name][1]))
    assert set(history.track_names) == set(TRACKED)


@pytest.mark.parametrize("name", TRACKED)
def test_trackers_record_what_eval_gives_and_what_plain_jax_gives(run, name):
    _, history, values, before, between = run
    recorded = history.tracks(name).values
    np.testing.assert_allclose(recorded[-1], values[name][0], rtol=1e-5)
    np.testing.assert_allclose(recorded[0], by_hand(before)[name], rtol=1e-4)
    np.testing.assert_allclose(recorded[-1], by_hand(between)[name], rtol=1e-3, atol=1e-5)


def test_trackers_stand_beside_the_losses_and_add_nothing_to_them(run):
    _, history, *_ = run
    assert [log["losses"].shape for log in history.training_logs] == [(EPOCHS, 2), (1, 2)]
    assert set(history.training_logs[0]["track_stats"]) == set(TRACKED)
    p = Poisson()
    alone = jno.core([p.pde.mse, p.bc.mse]).solve(EPOCHS)
    np.testing.assert_allclose(history.total_loss_history[:EPOCHS], alone.total_loss_history, rtol=1e-3)
    bc = history.training_logs[0]["losses"][:, 1]
    np.testing.assert_allclose(history.tracks("every").values[:EPOCHS], bc, rtol=1e-5)


@pytest.mark.parametrize("interval", [0, -1, 2.5, True])
def test_an_interval_is_a_positive_number_of_epochs(interval):
    p = Poisson()
    for make in (lambda: tracker(p.u, interval=interval), lambda: p.u.tracker(interval)):
        with pytest.raises(JnoValueError, match="interval"):
            make()


def test_weights_of_a_balancer_are_tracked():
    """A balancer of two losses starts at weights (1, 1) and keeps their sum; what is trained on is the weighted loss."""
    p = Poisson()
    raw = [p.pde.mse, p.bc.mse]
    w_pde, w_bc = jno.fn.adaptive.relobralo(raw)
    weights = [w_pde.tracker().name("w_pde"), w_bc.tracker().name("w_bc")]
    losses = [loss.tracker().name(name) for loss, name in zip(raw, ("pde", "bc"), strict=True)]
    history = jno.core([w_pde * raw[0], w_bc * raw[1], *weights, *losses]).solve(30)
    w = np.stack([history.tracks(name).values for name in ("w_pde", "w_bc")], axis=1)
    plain = np.stack([history.tracks(name).values for name in ("pde", "bc")], axis=1)
    assert w.shape == (30, 2)
    np.testing.assert_allclose(w[0], [1, 1], rtol=1e-6)
    np.testing.assert_allclose(w.sum(axis=1), 2, rtol=1e-5)
    assert np.ptp(w[:, 0]) > 1e-3
    np.testing.assert_allclose(history.training_logs[0]["losses"], w * plain, rtol=1e-4)


def my_fn(x, y):
    return jnp.exp(-(x**2)) * jnp.sin(y)


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)], ids=["float32", "float64"])
def test_a_function_of_the_user_is_an_expression_with_exact_derivatives(x64, tolerance):
    points = np.random.default_rng(0).integers(0, 65, (20, 2)) / 64
    with jax.enable_x64(x64):
        domain = jno.domain.from_array({"interior": points})
        x, y, _ = domain.variable("interior")
        result = jnn.function(my_fn, [x, y])
        crux = jno.core([], domain=domain)
        nodes = [result, result.d(x), result.d2(y), result.d(x).d(y), result.laplacian(x, y), jno.fn(my_fn, [x, y])]
        values = [np.asarray(v[0, :, 0]) for v in crux.eval(nodes)]
    a, b = points.T
    g = np.exp(-(a**2))
    exact = [
        g * np.sin(b),
        -2 * a * g * np.sin(b),
        -g * np.sin(b),
        -2 * a * g * np.cos(b),
        (4 * a**2 - 3) * g * np.sin(b),
        g * np.sin(b),
    ]
    for value, reference in zip(values, exact, strict=True):
        np.testing.assert_allclose(value, reference, rtol=tolerance, atol=tolerance)


def test_a_function_of_the_user_passes_gradients_to_what_it_is_given():
    """A constitutive law k(u) = exp(a u) with one unknown, found from the exact flux."""
    domain = jno.domain.from_array({"interior": X})
    x, _ = domain.variable("interior")
    a = jno.np.parameter((1,), name="a").optimizer(optax.adam(3e-2))
    flux = jnn.function(lambda a, u: jnp.exp(a * u), [a, x**2]) * (x**2).d(x)
    crux = jno.core([(flux - jnn.exp(0.75 * x**2) * 2 * x).mse])
    crux.solve(600)
    np.testing.assert_allclose(crux.eval(a), [0.75], atol=1e-4)


def test_a_stopped_jacobian_regularises_without_second_derivatives():
    """The regulariser is worth its value and has gradient zero, so the weights go the way of the other losses."""
    p, q = Poisson(), Poisson()
    J = p.u.grad(p.net).stop_gradient
    penalty = ((J @ J.T).mean - 1).mse
    with_penalty, without = jno.core([p.pde.mse, penalty]), jno.core([q.pde.mse, 0 * q.pde.mse])
    worth = (by_hand(p.net.module)["mean of kernel"] - 1) ** 2
    history = with_penalty.solve(20)
    without.solve(20)
    np.testing.assert_allclose(history.training_logs[0]["losses"][0, 1], worth, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(p.net.module), jax.tree.leaves(q.net.module), strict=True):
        if eqx.is_inexact_array(a):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
