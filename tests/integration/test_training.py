"""Training as a whole: histories, trackers, continuing, balancers, interrupts, non-finite losses, line searches."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import hookimpl
from jno_core._train.options import StepOptions
from jno_core.errors import NonFiniteLossWarning


def _problem(optimizer=None, *, trackers=(), width=8):
    rng = np.random.default_rng(3)
    domain = jno.domain.from_array({"interior": rng.random((20, 1)), "boundary": np.array([[0.0], [1.0]])})
    x, _ = domain.variable("interior")
    xb, _ = domain.variable("boundary")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, width, 2, jnp.tanh, key=jax.random.key(1)), name="u")
    net.optimizer(optax.adam(1e-2) if optimizer is None else optimizer)
    u = net(x)
    pde = -u.d2(x) - jno.np.sin(jno.np.pi * x)
    bc = net(xb)
    made = [t(u, pde, bc) for t in trackers]
    return jno.core([pde.mse.name("pde"), bc.mse.name("bc"), *made]), net, u, pde, bc


def _reference_losses(net_module, steps):
    """The same training written by hand, point by point, in plain JAX."""
    rng = np.random.default_rng(3)
    x, xb = jnp.asarray(rng.random((20, 1)), jnp.float32), jnp.array([[0.0], [1.0]])
    params, static = eqx.partition(net_module, eqx.is_inexact_array)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)

    def losses(params):
        f = eqx.combine(params, static)

        def second(p):
            return jax.hessian(lambda q: f(q)[0])(p)[0, 0]

        pde = -jax.vmap(second)(x) - jnp.sin(jnp.pi * x[:, 0])
        return jnp.stack([jnp.mean(pde**2), jnp.mean(jax.vmap(f)(xb) ** 2)])

    history = []
    for _ in range(steps):
        grads = jax.grad(lambda p: losses(p).mean())(params)
        history.append(np.asarray(losses(params)))
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return np.array(history), eqx.combine(params, static)


def test_training_equals_the_same_training_written_by_hand():
    crux, net, *_ = _problem()
    expected, final = _reference_losses(net.module, 25)
    history = crux.solve(25)
    np.testing.assert_allclose(history.training_logs[0]["losses"], expected, rtol=2e-4)
    np.testing.assert_allclose(history.total_loss_history, expected.mean(axis=1), rtol=2e-4)
    for a, b in zip(
        jax.tree.leaves(eqx.filter(net.module, eqx.is_array)),
        jax.tree.leaves(eqx.filter(final, eqx.is_array)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_every_epoch_is_recorded_and_calls_continue_bit_for_bit():
    one, *_ = _problem()
    two, *_ = _problem()
    whole = one.solve(40).total_loss_history
    two.solve(17)
    split = two.solve(23).total_loss_history
    assert whole.shape == (40,)
    np.testing.assert_array_equal(whole, split)
    assert [log["epoch"][0] for log in two.statistics.training_logs] == [0, 17]


@pytest.mark.parametrize("inner_steps", [1, 2, 5, 20])
def test_fused_steps_equal_unfused_ones(inner_steps):
    fused, *_ = _problem()
    plain, *_ = _problem()
    np.testing.assert_array_equal(
        fused.solve(20, inner_steps=inner_steps).total_loss_history, plain.solve(20).total_loss_history
    )


def test_trackers_record_exactly_at_their_intervals_what_eval_gives_at_these_weights():
    crux, _net, u, pde, _ = _problem(
        trackers=[
            lambda u, pde, bc: pde.mse.tracker(10).name("every ten"),
            lambda u, pde, bc: u.mean.tracker().name("every one"),
        ]
    )
    before = crux.eval(pde.mse)
    history = crux.solve(30)
    tens, ones = history.tracks("every ten"), history.tracks("every one")
    np.testing.assert_array_equal(tens.epochs, [0, 10, 20])
    np.testing.assert_array_equal(ones.epochs, np.arange(30))
    np.testing.assert_allclose(tens.values[0], before[0], rtol=1e-6)
    np.testing.assert_allclose(tens.values, history.training_logs[0]["losses"][[0, 10, 20], 0], rtol=1e-5)
    after = crux.eval([u.mean, pde.mse])
    more = crux.solve(1)
    np.testing.assert_allclose(more.training_logs[1]["track_stats"]["every one"]["values"][0], after[0][0], rtol=1e-6)
    np.testing.assert_allclose(more.training_logs[1]["track_stats"]["every ten"]["values"][0], after[1][0], rtol=1e-6)


def test_a_tracker_changes_nothing():
    tracked, *_ = _problem(trackers=[lambda u, pde, bc: (u * u).mean.tracker(3), lambda u, pde, bc: pde.mse.tracker()])
    plain, *_ = _problem()
    np.testing.assert_allclose(tracked.solve(12).total_loss_history, plain.solve(12).total_loss_history, rtol=1e-6)


class _Boundaries:
    """A callback that makes the chunks end at multiples of `every`."""

    def __init__(self, every):
        self.every = every
        self.steps = []

    @hookimpl
    def on_chunk_end(self, step):
        self.steps.append(step)


def _numpy_relobralo(losses, alpha=0.99, tau=0.1):
    previous = losses[0]
    weights = [np.ones(losses.shape[1])]
    current = weights[0]
    for row in losses[1:]:

        def softmax(reference, row=row):
            z = row / (tau * reference)
            e = np.exp(z - z.max())
            return len(row) * e / e.sum()

        current = alpha * current + (1 - alpha) * softmax(previous)
        weights.append(current)
        previous = row
    return np.array(weights)


@pytest.mark.parametrize("every", [1, 4, 1000])
def test_a_balancer_advances_once_per_step_with_two_losses_and_two_trackers(every):
    _, _net, _u, pde, bc = _problem()
    raw = [pde.mse, bc.mse]
    weights = jno.fn.adaptive.relobralo(raw, expected_rho=1.0)
    losses = [pde.mse.tracker().name("raw pde"), bc.mse.tracker().name("raw bc")]
    crux = jno.core([weights[0] * raw[0], weights[1] * raw[1], *(w.tracker() for w in weights), *losses])
    callback = _Boundaries(every)
    history = crux.solve(12, callbacks=[callback])
    recorded = np.stack([history.tracks("raw pde").values, history.tracks("raw bc").values], axis=1).astype(np.float64)
    expected = _numpy_relobralo(recorded)
    names = [n for n in history.training_logs[0]["track_stats"] if "relobralo" in n]
    for i, name in enumerate(names):
        np.testing.assert_allclose(history.tracks(name).values, expected[:, i], rtol=2e-4)
    np.testing.assert_allclose(history.training_logs[0]["losses"], recorded * expected, rtol=5e-4)
    np.testing.assert_allclose(crux.eval(weights[0]), expected[-1, 0], rtol=2e-4)
    assert set(range(every, 13, every)) <= set(callback.steps)


class _Interrupt:
    @hookimpl
    def on_chunk_end(self, step):
        if step >= 8:
            raise KeyboardInterrupt


def test_an_interrupt_keeps_the_last_good_state_and_returns_the_history():
    crux, net, *_ = _problem()
    before = net.module
    history = crux.solve(5000, callbacks=[_Interrupt()])
    done = len(history.total_loss_history)
    assert 8 <= done < 5000
    assert history.training_logs[0]["total_loss"][-1] == history.total_loss
    assert not eqx.tree_equal(before, net.module)
    plain, *_ = _problem()
    np.testing.assert_array_equal(
        plain.solve(done + 5).total_loss_history[: done + 5], crux.solve(5).total_loss_history
    )


class _Fails:
    def __init__(self):
        self.seen = None

    @hookimpl
    def on_chunk_end(self):
        raise RuntimeError("disk full")

    @hookimpl
    def on_fit_error(self, error, state):
        self.seen = (error, int(state.epoch))


def test_a_failing_callback_names_itself_and_loses_nothing():
    crux, *_ = _problem()
    callback = _Fails()
    with pytest.raises(RuntimeError, match="disk full") as info:
        crux.solve(10, callbacks=[callback])
    assert any("on_chunk_end" in note and "_Fails" in note for note in info.value.__notes__)
    assert callback.seen is not None
    assert callback.seen[1] > 0
    plain, *_ = _problem()
    done = callback.seen[1]
    np.testing.assert_array_equal(crux.solve(3).total_loss_history, plain.solve(done + 3).total_loss_history)


def test_a_loss_that_is_not_finite_stops_with_the_term_and_the_epoch_named():
    domain = jno.domain.from_array({"interior": np.linspace(0.5, 1.0, 10)[:, None]})
    x, _ = domain.variable("interior")
    a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(1.0))
    # Gradient descent on log(1 - a) walks over the pole after some steps.
    loss = jno.np.log(0.5 - 0.2 * a.sum + 0 * x.mean)
    crux = jno.core([loss.name("log term"), (0 * a * x).mse.name("fine")])
    with pytest.warns(NonFiniteLossWarning, match=r"'log term' = .* at epoch \d+"):
        history = crux.solve(200)
    assert 0 < len(history.total_loss_history) < 200
    assert np.all(np.isfinite(history.total_loss_history))
    assert np.all(np.isfinite(crux.eval(a)))
    assert "log term" in history.training_logs[0]["stopped"]


def test_line_search_optimizers_reach_what_first_order_ones_do_not():
    crux, *_ = _problem(optax.lbfgs())
    slow, *_ = _problem(optax.adam(1e-3))
    assert crux.solve(60).total_loss < 0.1 * slow.solve(60).total_loss


def test_line_search_with_two_models_and_a_frozen_one():
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, 30)[:, None]})
    x, _ = domain.variable("interior")
    a = jno.np.parameter((1,), name="a").optimizer(optax.lbfgs())
    b = jno.np.parameter((1,), name="b").optimizer(optax.adam(5e-2))
    c = jno.np.parameter((1,), name="c").initialize(3.0)
    c.freeze()
    crux = jno.core([(a * x + b + c - (2 * x + 5)).mse])
    crux.solve(2000)
    np.testing.assert_allclose(np.concatenate(crux.eval([a, b, c])), [2.0, 2.0, 3.0], atol=1e-3)


def test_the_second_call_compiles_nothing():
    crux, *_ = _problem()
    crux.solve(5)
    second = crux.solve(5)
    assert second.training_logs[0]["compile_time"] > 0
    assert second.training_logs[1]["compile_time"] == 0


def test_changing_the_optimizer_starts_its_state_anew_and_keeps_the_weights():
    crux, net, *_ = _problem()
    crux.solve(50)
    value = crux.statistics.total_loss
    net.optimizer(optax.sgd(1e-4))
    history = crux.solve(5)
    assert history.total_loss_history[50] <= value * 1.1
    assert len(history.total_loss_history) == 55


def test_several_instances_are_averaged_and_evaluated_with_their_axis():
    domain = 3 * jno.domain.from_array({"interior": np.linspace(0, 1, 7)[:, None]})
    x, _ = domain.variable("interior")
    k = domain.variable("k", np.array([[1.0], [2.0], [4.0]]), per="instance")
    a = jno.np.parameter((1,), name="a").optimizer(optax.adam(1e-2))
    loss = (a * x - k * x).mse
    crux = jno.core([loss])
    grid = np.linspace(0, 1, 7)
    expected = np.array([np.mean((kk * grid) ** 2) for kk in (1.0, 2.0, 4.0)])
    np.testing.assert_allclose(crux.eval(loss), expected, rtol=1e-5)
    assert crux.eval(k * x).shape == (3, 7, 1)
    assert crux.eval(x).shape == (1, 7, 1)
    history = crux.solve(1)
    np.testing.assert_allclose(history.total_loss_history[0], expected.mean(), rtol=1e-5)
    crux.solve(1500)
    np.testing.assert_allclose(crux.eval(a), [7 / 3], atol=2e-3)


def test_time_steps_are_sampled_in_training_and_all_evaluated():
    domain = jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]}, time=(0.0, 2.0, 9))
    x, t = domain.variable("interior")
    a = jno.np.parameter((1,), name="a").optimizer(optax.adam(3e-2))
    loss = ((a - 3.0) * t * (x + 1)).mse
    crux = jno.core([loss])
    values = crux.eval(t * x)
    assert values.shape == (1, 9, 5, 1)
    np.testing.assert_allclose(values[0, :, :, 0], np.linspace(0, 2, 9)[:, None] * np.linspace(0, 1, 5), atol=1e-6)
    assert crux.eval(t * x, min_consecutive=1).shape == (1, 5, 1)
    history = crux.solve(600)
    # One random step at a time: the loss jumps with the square of the time that was drawn.
    assert np.unique(np.round(history.total_loss_history[:20], 5)).size > 3
    np.testing.assert_allclose(crux.eval(a), [3.0], atol=1e-2)


def test_noise_is_reproducible_fresh_each_step_and_zero_in_eval():
    def run():
        domain = jno.domain.from_array({"interior": np.linspace(0, 1, 50)[:, None]})
        x, _ = domain.variable("interior")
        a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(0.0))
        noise = jno.noise.gaussian(0.5)
        crux = jno.core([(0 * a + 0 * x + noise).mse, (noise - noise + 0 * x + a).mse])
        return crux, crux.solve(30), x, noise

    (crux, one, x, noise), (_, two, *_) = run(), run()
    losses = one.training_logs[0]["losses"]
    np.testing.assert_array_equal(losses, two.training_logs[0]["losses"])
    assert np.unique(losses[:, 0]).size == 30
    np.testing.assert_allclose(losses[:, 0].mean(), 0.25, rtol=0.15)
    np.testing.assert_array_equal(losses[:, 1], 0)
    np.testing.assert_array_equal(crux.eval(x + noise), crux.eval(x))
    drawn = crux.eval(noise + 0 * x, key=jax.random.key(5))
    assert drawn.shape == (1, 50, 1)
    assert 0.3 < float(jnp.std(drawn)) < 0.7


def test_the_step_shares_one_propagation_among_value_gradient_and_laplacian():
    depth = 3
    domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((40, 2))})
    x, y, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(2, 1, 16, depth, jnp.tanh, key=jax.random.key(0))).optimizer(optax.adam(1e-3))
    u = net(x, y)
    residual = u + u.d(x) + u.d(x).d(x) + u.laplacian(x, y) + u.d(y)
    crux = jno.core([residual.mse, (u * u.d(x)).mse])
    compiled = crux._trainer.prepared(StepOptions())
    state = compiled.initial(jax.random.key(0))
    jaxpr = jax.make_jaxpr(lambda params: compiled.losses(params, state))(state.params)
    assert str(jaxpr).count(" tanh ") == depth


def test_eval_returns_lists_bare_arrays_and_parameters_as_ruled():
    crux, net, u, pde, _ = _problem()
    assert crux.eval([]) == []
    assert crux.eval(u).shape == (1, 20, 1)
    assert crux.eval([u]).shape == (1, 20, 1)
    assert [v.shape for v in crux.eval([u, pde.mse])] == [(1, 20, 1), (1,)]
    [jacobian] = crux.eval([u.grad(net)])
    size = sum(x.size for x in jax.tree.leaves(eqx.filter(net.module, eqx.is_array)))
    assert jacobian.shape == (20, size)
    assert crux.eval(pde.mse.grad(net)).shape == (1, size)
    a = jno.np.parameter((2, 3)).initialize(jax.nn.initializers.ones)
    np.testing.assert_array_equal(crux.eval(a), np.ones((2, 3)))


def test_a_network_outside_of_the_constraints_is_evaluated_with_its_own_weights():
    crux, _, u, *_ = _problem()
    other = jno.nn.wrap(lambda x: 3 * x)
    [x] = u.children()
    np.testing.assert_allclose(crux.eval(other(x)), 3 * crux.eval(x))


@pytest.mark.parametrize("scheme", [None, "automatic_differentiation:forward"])
def test_factors_that_do_not_vary_with_the_points_stay_outside_of_the_scheme(scheme):
    domain = jno.domain.from_array({"interior": np.linspace(0.1, 1, 20)[:, None]})
    x, _ = domain.variable("interior")
    a = jno.np.parameter((1,), name="a").initialize(0.5).optimizer(optax.adam(1e-2))
    b = jno.np.parameter((1,), name="b").initialize(0.8).optimizer(optax.adam(1e-2))
    u = jno.np.sin(a * b) * x**3
    crux = jno.core([(u.d(x, scheme) - 3 * 0.5 * x**2).mse, (u.d2(x, scheme) - 6 * 0.5 * x).mse, (u - 0.5 * x**3).mse])
    crux.solve(400)
    np.testing.assert_allclose(np.sin(crux.eval(a) * crux.eval(b)), 0.5, atol=1e-3)
