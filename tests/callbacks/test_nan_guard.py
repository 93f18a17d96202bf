"""What NanGuard returns for each policy, and that runs go on or end accordingly."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core.errors import JnoValueError, JnoWarning, NonFiniteLossError, NonFiniteLossWarning
from jno_plugin_callbacks import NanGuard


@pytest.fixture
def at(state_at):
    """A state whose parameters are those of its epoch."""
    return lambda epoch, rate=1.0: state_at(epoch, {"net": jnp.asarray(float(epoch))}, rate)


def trained(guard, at, *epochs):
    guard.on_fit_start(at(0))
    for epoch in epochs:
        guard.on_chunk_end(epoch, at(epoch))
    return guard


def fail(guard, at, step, rate=1.0):
    """The parameters gone back to and the new rate; `None` to stop."""
    saved = guard.on_non_finite(step, f"The loss 'pde' = nan is not finite at epoch {step}", at(step, rate))
    return saved if saved is None else (float(saved.params["net"]), float(saved.rate))


def test_the_newest_kept_state_comes_back_with_a_lower_rate(at):
    guard = trained(NanGuard(), at, 64, 100, 150, 200, 230)
    assert fail(guard, at, 250) == (200.0, 0.5)
    assert (guard.failures, guard.rollbacks) == ([250], [(250, 200)])


def test_a_second_failure_goes_further_back_and_lower(at):
    guard = trained(NanGuard(factor=0.1), at, 100, 200, 300)
    assert fail(guard, at, 320) == (300.0, pytest.approx(0.1))
    assert fail(guard, at, 330, rate=0.1) == (200.0, pytest.approx(0.01))
    assert fail(guard, at, 330, rate=0.01) == (100.0, pytest.approx(0.001))


def test_the_oldest_state_stays(at):
    guard = trained(NanGuard(), at)
    assert fail(guard, at, 30) == (0.0, 0.5)
    assert fail(guard, at, 30, rate=0.5) == (0.0, 0.25)


def test_a_state_whose_own_loss_failed_is_not_gone_back_to(at):
    guard = trained(NanGuard(), at, 100, 200)
    assert fail(guard, at, 200) == (100.0, 0.5)


def test_so_many_states_are_kept(at):
    guard = trained(NanGuard(keep=2, retries=5), at, 100, 200, 300)
    assert [fail(guard, at, 310)[0] for _ in range(3)] == [300.0, 200.0, 200.0]


def test_retries_are_limited(at):
    guard = trained(NanGuard(retries=2), at, 100)
    assert fail(guard, at, 150)
    assert fail(guard, at, 180)
    with pytest.warns(JnoWarning, match="'nan_guard' gives up at epoch 190, after 2 roll-backs"):
        assert fail(guard, at, 190) is None


def test_there_is_nothing_before_the_first_step(at):
    guard = trained(NanGuard(), at)
    with pytest.warns(JnoWarning, match="gives up at epoch 0, as no state before it is kept"):
        assert fail(guard, at, 0) is None


def test_a_new_run_forgets(at):
    guard = trained(NanGuard(retries=1), at, 100)
    assert fail(guard, at, 150)
    guard.on_fit_start(at(150))
    assert (guard.failures, guard.rollbacks) == ([], [])
    assert fail(guard, at, 170) == (150.0, 0.5)


@pytest.mark.parametrize("policy", ["stop", "raise", "ignore"])
def test_states_are_kept_for_roll_backs_only(policy, at):
    guard = trained(NanGuard(policy), at, 100, 200)
    assert guard.every is None
    assert not guard._kept


def test_stop_and_raise(at):
    assert fail(trained(NanGuard("stop"), at), at, 5) is None
    with pytest.raises(NonFiniteLossError, match=r"The loss 'pde' = nan is not finite at epoch 5\. The weights are"):
        fail(trained(NanGuard("raise"), at), at, 5)


def test_ignoring_draws_the_step_anew(at):
    guard = trained(NanGuard("ignore", retries=2), at)
    before = at(5)
    keys = [guard.on_non_finite(5, "nan", before).key]
    keys.append(guard.on_non_finite(5, "nan", eqx.tree_at(lambda s: s.key, before, keys[0])).key)
    drawn = {tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in (before.key, *keys)}
    assert len(drawn) == 3
    with pytest.warns(JnoWarning, match="gives up at epoch 5, after it was drawn anew 2 times"):
        assert guard.on_non_finite(5, "nan", before) is None
    assert guard.on_non_finite(9, "nan", before) is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "rescue"}, "policies 'stop', 'raise', 'rollback', 'ignore', got 'rescue'"),
        ({"every": 0}, "`every`"),
        ({"keep": 0}, "`keep`"),
        ({"retries": -1}, "`retries`"),
        ({"factor": 1.0}, "`factor`"),
        ({"factor": float("nan")}, "`factor`"),
        ({"factor": "half"}, "`factor`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(JnoValueError, match=message):
        NanGuard(**arguments)


def quadratic(rate):
    """A linear network on a quadratic loss: gradient descent converges if the rate is below twice the inverse curvature."""
    points = np.random.default_rng(0).random((16, 1))
    x, _ = jno.domain.from_array({"interior": points}).variable("interior")
    net = jno.nn.wrap(eqx.nn.Linear(1, 1, key=jax.random.key(1)))
    net.optimizer(optax.sgd(rate))
    return jno.core([(net(x) - 3 * x - 1).mse])


def test_a_run_that_diverges_is_rescued():
    """The curvature is about 2.7, so a rate of 2 diverges and one of 0.5 converges."""
    with pytest.warns(NonFiniteLossWarning):
        lost = quadratic(2.0).solve(2000)
    assert len(lost.total_loss_history) < 200
    guard = NanGuard(every=20)
    core = quadratic(2.0)
    statistics = core.solve(2000, callbacks=[guard])
    assert 1 <= len(guard.rollbacks) <= 3
    assert statistics.total_loss_history.shape == (2000,)
    assert np.all(np.isfinite(statistics.total_loss_history))
    assert statistics.total_loss < 1e-6
    assert float(core._trainer.state.rate) == 0.5 ** len(guard.rollbacks)


def test_a_run_that_cannot_be_rescued_stops():
    with (
        pytest.warns(JnoWarning, match="gives up at epoch .* after 2 roll-backs"),
        pytest.warns(NonFiniteLossWarning, match="is not finite at epoch"),
    ):
        statistics = quadratic(500.0).solve(2000, callbacks=[NanGuard(retries=2)])
    assert "is not finite at epoch" in statistics.logs[-1].stopped
    assert np.all(np.isfinite(statistics.total_loss_history))


def test_a_run_that_raises_keeps_its_weights():
    core = quadratic(2.0)
    with pytest.raises(NonFiniteLossError, match="at epoch"):
        core.solve(2000, callbacks=[NanGuard("raise")])
    assert all(np.all(np.isfinite(w)) for w in jax.tree.leaves(core._trainer.state.params))
    assert np.all(np.isfinite(core.statistics.total_loss_history))


def noisy():
    """A loss that is not a number in about one of twenty steps."""
    x, y, _ = jno.domain.from_array({"interior": np.random.default_rng(0).random((4, 2))}).variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0)))
    net.optimizer(optax.adam(1e-3))
    return jno.core([(net(x, y) - x * y + 1e-3 * jno.np.sqrt(2.2 + jno.noise.gaussian())).mse])


def test_steps_that_fail_now_and_then_are_left_out():
    with pytest.warns(NonFiniteLossWarning):
        noisy().solve(200)
    guard = NanGuard("ignore", retries=10)
    statistics = noisy().solve(200, callbacks=[guard])
    assert len(guard.failures) >= 3
    assert statistics.total_loss_history.shape == (200,)
    assert np.all(np.isfinite(statistics.total_loss_history))
