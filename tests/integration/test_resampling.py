"""Resampling between steps: when, which points, what follows, and that a resumed run does the same."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import AbstractResampler, hookimpl
from jno_core.errors import JnoTypeError, JnoValueError, PluginTypeError


class Fresh(AbstractResampler):
    """All points from the pool; counts how often it was asked."""

    every: int = 3
    start: int = 2

    def init(self):
        return jnp.zeros((), int)

    def select(self, state, view, key):
        n, m = len(view.points), len(view.pool)
        return n + jax.random.choice(key, m, (n,), replace=False), state + 1


class Worst(AbstractResampler):
    """The points of largest residual among all."""

    every: int = 2
    start: int = 1

    def init(self):
        return ()

    def select(self, state, view, key):
        residuals = view.residuals()
        assert residuals.shape == (1, len(view.points) + len(view.pool))
        return jnp.argsort(-residuals[0])[: len(view.points)], state


class Wrong(Fresh):
    def select(self, state, view, key):
        return jnp.zeros(3, int), state


class Sees:
    def __init__(self):
        self.points, self.states = [], []

    @hookimpl
    def on_points_change(self, region, points, state):
        self.points.append((int(state.epoch), region, points))


def problem(strategy, tag="interior", **options):
    domain = jno.domain.disk(mesh_size=0.3)
    x, y, _ = domain.variable(tag, 40, resampling_strategy=strategy, **options)
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(1)), name="u").optimizer(optax.adam(1e-2))
    u = net(x, y)
    return jno.core([(u.laplacian(x, y) - jno.np.exp(10 * x)).mse]), net, x


def weights(net):
    return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(net.module, eqx.is_array))]


def test_points_change_at_the_epochs_that_a_strategy_names():
    crux, _, x = problem(Fresh())
    before = crux.domain.points(x)
    sees = Sees()
    crux.solve(10, callbacks=[sees])
    assert [(e, r) for e, r, _ in sees.points] == [(2, "interior"), (5, "interior"), (8, "interior")]
    found = np.concatenate([before[None], *(p for _, _, p in sees.points)]).reshape(-1, 2)
    assert len(np.unique(found, axis=0)) == 4 * 40
    assert np.all(np.hypot(found[:, 0], found[:, 1]) <= 1 + 1e-6)
    np.testing.assert_array_equal(crux.domain.points(x), before)
    assert int(crux._trainer.state.plugin_state["resampler of interior"]) == 3


def test_losses_are_those_of_the_new_points():
    crux, net, _ = problem(Fresh(every=1, start=1))
    net.optimizer(optax.sgd(0.0))
    sees = Sees()
    losses = crux.solve(4, callbacks=[sees]).total_loss_history
    for epoch, _, points in sees.points:
        moved = jno.domain.from_array({"interior": points[0]})
        other = jno.core([], domain=moved)
        expected = float(np.mean(np.asarray(other.eval(crux.problem.constraints[0]))))
        np.testing.assert_allclose(losses[epoch], expected, rtol=1e-5)


def test_residuals_are_those_of_the_problem():
    crux, *_ = problem(Worst())
    sees = Sees()
    crux.solve(2, callbacks=[sees])
    # The right side grows with x, so the worst points are at the right end of the disk.
    assert sees.points[0][2][0][:, 0].min() > 0.8


@pytest.mark.parametrize("options", [{}, {"batchsize": 16}, {"chunk": 7}, {"batchsize": 16, "chunk": 5}])
@pytest.mark.parametrize("strategy", [Fresh, Worst])
def test_continued_runs_equal_one_run(strategy, options):
    first, one, _ = problem(strategy())
    second, two, _ = problem(strategy())
    whole = first.solve(11, **options).total_loss_history
    for epochs in (4, 1, 6):
        second.solve(epochs, **options)
    np.testing.assert_array_equal(second.statistics.total_loss_history, whole)
    for a, b in zip(weights(one), weights(two), strict=True):
        np.testing.assert_array_equal(a, b)


def test_instances_with_points_of_their_own_are_renewed_each():
    domain = 3 * jno.domain.disk(mesh_size=0.3)
    x, y, _ = domain.variable("interior", 20, resampling_strategy=Fresh(every=2, start=1), same_points=False)
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(1)), name="u").optimizer(optax.adam(1e-2))
    sees = Sees()
    jno.core([net(x, y).mse]).solve(2, callbacks=[sees])
    [(_, _, points)] = sees.points
    assert points.shape == (3, 20, 2)
    assert len(np.unique(points.reshape(-1, 2), axis=0)) == 60


def sided(same_points, strategy):
    """Four instances whose residuals grow to the right (even) or, less, to the left (odd)."""
    domain = 4 * jno.domain.disk(mesh_size=0.3)
    x, y, _ = domain.variable("interior", 20, resampling_strategy=strategy, same_points=same_points)
    k = domain.variable("k", np.array([[1.0], [-1.0], [1.0], [-1.0]]))
    scale = jno.np.parameter((1,), name="s").optimizer(optax.sgd(0.0))
    return jno.core([((2 + k) * jno.np.exp(5 * k * x) + 0 * y + 0 * scale).mse])


@pytest.mark.parametrize("options", [{}, {"batchsize": 2}, {"batchsize": 2, "accumulation_steps": 2}, {"chunk": 7}])
def test_each_instance_is_renewed_by_its_own_residuals(options):
    crux, sees = sided(False, Worst()), Sees()
    crux.solve(4, callbacks=[sees], **options)
    assert len(sees.points) == 2
    for _, _, points in sees.points:
        worst = points[..., 0].mean(axis=1)
        assert np.all(worst[[0, 2]] > 0.3), worst
        assert np.all(worst[[1, 3]] < -0.3), worst


@pytest.mark.parametrize("options", [{}, {"batchsize": 4}, {"batchsize": 2, "accumulation_steps": 2}])
def test_points_that_instances_share_are_renewed_by_their_mean_residual(options):
    seen = []

    class Asks(Worst):
        def select(self, state, view, key):
            both = jnp.concatenate([view.points, view.pool])
            seen.append((np.asarray(both[:, 0]), np.asarray(view.residuals()[0])))
            return super().select(state, view, key)

    sided(True, Asks()).solve(2, **options)
    [(x, found)] = seen
    np.testing.assert_allclose(found, (3 * np.exp(5 * x) + np.exp(-5 * x)) / 2, rtol=1e-5)


def test_points_that_stream_from_the_host_are_not_resampled():
    crux, *_ = problem(Fresh())
    with pytest.raises(JnoValueError, match=r"offload_data=True.*'interior'.*resampling_strategy"):
        crux.solve(5, batchsize=16, offload_data=True)
    with pytest.raises(JnoValueError, match=r"offload_data=True.*'interior'.*resampling_strategy"):
        sided(False, Fresh()).solve(5, batchsize=2, offload_data=True)
    # What does not stream is renewed as ever.
    for other in (crux, sided(True, Fresh())):
        sees = Sees()
        other.solve(5, batchsize=64 if other is crux else 2, offload_data=True, callbacks=[sees])
        assert [epoch for epoch, _, _ in sees.points] == [2]


def test_normals_move_with_their_points():
    domain = jno.domain.disk(mesh_size=0.3)
    rule = Fresh(every=1, start=0)
    x, y, _, a, b = domain.variable("boundary", 16, normals=True, split=True, resampling_strategy=rule)
    scale = jno.np.parameter((1,), name="s").optimizer(optax.sgd(0.0))
    # On the unit circle the normal is the point.
    losses = jno.core([((a - x) ** 2 + (b - y) ** 2 + 0 * scale).mean]).solve(3).total_loss_history
    assert np.all(losses < 1e-10)


def test_what_cannot_be_resampled_is_refused():
    domain = jno.domain.disk(mesh_size=0.3)
    with pytest.raises(JnoTypeError, match="AbstractResampler"):
        domain.variable("interior", 9, resampling_strategy="random")
    with pytest.raises(JnoValueError, match="come from a geometry"):
        jno.domain.from_array({"interior": np.zeros((4, 2))}).variable("interior", resampling_strategy=Fresh())
    crux, *_ = problem(Wrong())
    with pytest.raises(PluginTypeError, match=r"Wrong.select returned indices of shape \(3,\).*40 integers from 0 to"):
        crux.solve(5)
    x, y, _ = domain.variable("interior", 9, resampling_strategy=Fresh())
    k = domain.variable("k", np.ones((9, 1)), per="point", at=x)
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))).optimizer(optax.sgd(0.1))
    with pytest.raises(JnoValueError, match="'k' belongs to the points of 'interior', which are resampled"):
        jno.core([(net(x, y) - k).mse]).solve(1)
