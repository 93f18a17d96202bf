"""Differences on uniform grids: accuracy, ends of axes, orientation, order of the points, and weights that train."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno import np as jnn
from jno_core.errors import PluginCapabilityError
from jno_plugin_fd import FiniteDifference


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def cloud(*axes, shuffled=False):
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    if shuffled:
        points = points[np.random.default_rng(0).permutation(len(points))]
    return jno.domain.from_array({"interior": points})


def values(expression, domain):
    return np.asarray(jno.core([jnn.parameter(()).mse], domain=domain).eval(expression))[0]


def circle(n):
    return np.arange(n) / n


def wave(x):
    return jnn.sin(2 * jnn.pi * x) + jnn.cos(4 * jnn.pi * x) / 2


@pytest.mark.parametrize("accuracy", [2, 4, 6, 8])
@pytest.mark.parametrize("side", ["central", "forward", "backward"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("periodic", [True, False])
def test_orders_of_convergence(accuracy, side, order, periodic):
    """At every point, the ends of an axis that is not periodic too."""
    errors = []
    scheme = FiniteDifference(side, accuracy=accuracy, periodic=periodic)
    for n in (40, 80):
        domain = cloud(circle(n) if periodic else np.linspace(0, 1, n + 1))
        x, _ = domain.variable("interior")
        u = wave(x) if periodic else jnn.exp(jnn.sin(2 * x))
        derivative = u.d if order == 1 else u.d2
        errors.append(np.abs(values(derivative(x, scheme=scheme) - derivative(x), domain)).max())
    assert np.log2(errors[0] / errors[1]) > accuracy - 0.6


def test_kernels_are_those_of_the_tables():
    h = 1 / 16
    domain = cloud(circle(16))
    x, _ = domain.variable("interior")
    known = {
        2: [-1 / 2, 0, 1 / 2],
        4: [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12],
        8: [1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280],
    }
    for accuracy, kernel in known.items():
        scheme = FiniteDifference("central", accuracy=accuracy, periodic=True)
        [found] = wave(x).d(x, scheme=scheme).default_params()
        np.testing.assert_allclose(found["interior"] * h, kernel, atol=1e-14)


@pytest.mark.parametrize("shuffled", [False, True])
def test_laplacian_hessian_and_gradient_in_three_dimensions_with_unequal_spacings(shuffled):
    """The Laplacian is divided by the squares of the spacings, and reads lines, not planes."""
    domain = cloud(np.linspace(0, 1, 21), np.linspace(0, 2, 25), np.linspace(-1, 1, 19), shuffled=shuffled)
    x, y, z, _ = domain.variable("interior")
    u = jnn.sin(x) * jnn.cos(y) * jnn.exp(z / 2) + x * y * z
    scheme = FiniteDifference("central", accuracy=8)
    for operator in ("grad", "laplacian", "hessian"):
        found, exact = (values(getattr(u, operator)(x, y, z, scheme=s), domain) for s in (scheme, None))
        np.testing.assert_allclose(found, exact, atol=1e-6)


def test_weights_are_correlated_in_first_and_second_derivatives_alike():
    """The kernel [0, -1, 1] is the difference to the next point, in the order of the axis."""
    domain = cloud(circle(8))
    x, _ = domain.variable("interior")
    u = x**2
    kernel = [{"interior": np.array([0.0, -1.0, 1.0])}]
    scheme = FiniteDifference("central", periodic=True)
    exact = np.roll(circle(8) ** 2, -1) - circle(8) ** 2
    for node in (u.d(x, scheme=scheme, params=kernel), u.d2(x, scheme=scheme, params=kernel)):
        np.testing.assert_allclose(values(node, domain)[:, 0], exact, atol=1e-15)


def test_a_periodic_axis_beside_one_with_ends():
    domain = cloud(circle(32), np.linspace(0, 1, 33))
    x, y, _ = domain.variable("interior")
    u = wave(x) * jnn.exp(y)
    scheme = FiniteDifference("central", accuracy=6, periodic=(True, False))
    np.testing.assert_allclose(
        values(u.laplacian(x, y, scheme=scheme), domain), values(u.laplacian(x, y), domain), rtol=2e-3, atol=2e-3
    )


def test_a_grid_of_given_points_is_recognised_and_other_points_take_steps():
    grid, rng = cloud(np.linspace(0, 1, 11), np.linspace(0, 1, 11)), np.random.default_rng(0)
    x, y, _ = grid.variable("interior")
    data = grid.variable("data", np.sin(3 * grid.points(x)[:, :1]), per="point", at=x)
    node = data.d(x, scheme="finite_difference")
    assert "interior" in node.default_params()[0]
    assert np.abs(values(node, grid)[:, 0] - 3 * np.cos(3 * grid.points(x)[:, 0])).max() < 0.1
    scattered = jno.domain.from_array({"interior": rng.random((20, 2))})
    x, y, _ = scattered.variable("interior")
    u = jnn.sin(x * y)
    assert set(u.d(x, scheme="finite_difference").default_params()) == {"h"}
    for node, tolerance in ((u.grad, 1e-6), (u.laplacian, 1e-5), (u.hessian, 1e-5)):
        found, exact = values(node(x, y, scheme="finite_difference"), scattered), values(node(x, y), scattered)
        np.testing.assert_allclose(found, exact, atol=tolerance)


def test_grids_on_the_nodes_of_a_mesh():
    domain = jno.domain.rect(mesh_size=0.05)
    x, y, _ = domain.variable("interior")
    u = jnn.sin(x + 2 * y)
    found = values(u.laplacian(x, y, scheme=FiniteDifference("central", accuracy=4)), domain)
    np.testing.assert_allclose(found, values(u.laplacian(x, y), domain), atol=5e-4)


def test_points_that_are_no_grid_and_axes_that_are_too_short():
    disk, short = jno.domain.disk(mesh_size=0.3), cloud(np.linspace(0, 1, 5))
    x, y, _ = disk.variable("interior")
    with pytest.raises(PluginCapabilityError, match="no uniform grid"):
        values((x * y).d(x, scheme="finite_difference:central"), disk)
    x, _ = short.variable("interior")
    with pytest.raises(PluginCapabilityError, match="needs 9 nodes"):
        values(x.d(x, scheme=FiniteDifference("central", accuracy=8)), short)
    with pytest.raises(PluginCapabilityError, match="names 2 axes"):
        values(x.d(x, scheme=FiniteDifference("central", periodic=(True, False))), short)


def test_automatic_derivatives_of_grid_differences_are_refused():
    domain = cloud(np.linspace(0, 1, 9))
    x, _ = domain.variable("interior")
    with pytest.raises(PluginCapabilityError):
        values((x**2).d(x, scheme="finite_difference:central").d(x), domain)


def test_differences_in_float32_stay_in_float32():
    with jax.enable_x64(False):
        domain = cloud(np.linspace(0, 1, 11))
        x, _ = domain.variable("interior")
        for variant in ("central", "forward", "step"):
            assert values((x**2).d(x, scheme=f"finite_difference:{variant}"), domain).dtype == np.float32


# Weights that train.


def image(n):
    """A picture without rights, with waves, edges and fine structure."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    waves = 0.25 * np.sin(2 * np.pi * 5 * i / n) * np.cos(2 * np.pi * 3 * j / n)
    edges = 0.15 * np.sign(np.sin(2 * np.pi * (i + 2 * j) / 32 + 0.1))
    return 0.5 + waves + edges + 0.1 * np.sin(2 * np.pi * (23 * i + 17 * j) / n)


def test_a_stencil_trains_to_the_least_squares_optimum():
    """A five-point gradient stencil, started at accuracy 2, against accuracy 8; its optimum is a linear problem."""
    n = 64
    values_at = image(n)
    domain = cloud(np.arange(n, dtype=float), np.arange(n, dtype=float))
    x, y, _ = domain.variable("interior")
    u = domain.variable("image", values_at.reshape(-1, 1), per="point", at=x)
    weights = jnn.parameter((5,), name="stencil").initialize(jnp.array([0.0, -0.5, 0.0, 0.5, 0.0]))
    weights.optimizer(optax.lbfgs())
    five, nine = (FiniteDifference("central", accuracy=a, periodic=True) for a in (4, 8))
    shared = [{"interior": weights}]
    misfits = [u.d(v, scheme=five, params=shared) - u.d(v, scheme=nine) for v in (x, y)]
    crux = jno.core([misfits[0].mse, misfits[1].mse])
    columns = [np.stack([np.roll(values_at, -k, axis).ravel() for k in range(-2, 3)], axis=1) for axis in (0, 1)]
    kernel = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
    targets = [
        sum(w * np.roll(values_at, -k, axis) for k, w in zip(range(-4, 5), kernel, strict=True)).ravel()
        for axis in (0, 1)
    ]
    matrix, target = np.concatenate(columns), np.concatenate(targets)
    optimum = np.linalg.lstsq(matrix, target, rcond=None)[0]
    least = np.mean((matrix @ optimum - target) ** 2)
    history = crux.solve(40)
    compiled = crux._trainer._compiled._executable
    history = crux.solve(20)
    assert crux._trainer._compiled._executable is compiled
    assert history.total_loss_history[0] > 5 * least
    assert history.total_loss <= 1.02 * least
    np.testing.assert_allclose(crux.eval(weights), optimum, atol=0.02 * np.abs(optimum).max())


def test_a_network_and_a_stencil_train_in_one_loop():
    domain = cloud(circle(32))
    x, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 8, 1, key=jax.random.key(0))).optimizer(optax.adam(1e-2))
    scheme = FiniteDifference("central", periodic=True)
    [default] = wave(x).d(x, scheme=scheme).default_params()
    weights = jnn.parameter((3,)).initialize(jnp.asarray(default["interior"])).optimizer(optax.sgd(1e-3))
    slope = net(x).d(x, scheme=scheme, params=[{"interior": weights}])
    crux = jno.core([(slope - wave(x)).mse])
    before = crux.eval(weights)
    history = crux.solve(50)
    assert history.total_loss < history.total_loss_history[0]
    assert np.all(np.asarray(crux.eval(weights)) != np.asarray(before))
