"""Batches, accumulation, streams, time windows and substeps: the same numbers by every way that should give the same."""

import functools
import signal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import hookimpl as jno_hook
from jno_core._train.options import StepOptions

pytestmark = pytest.mark.usefixtures("unoptimised")

OPTIMIZERS = {"sgd": lambda: optax.sgd(1e-2), "adam": lambda: optax.adam(1e-2), "lbfgs": lambda: optax.lbfgs()}


def weights(net):
    return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(net.module, eqx.is_array))]


class Plane:
    """Poisson's equation on random points, in `instances` instances with a coefficient of their own."""

    def __init__(self, points=64, instances=1, optimizer=None, time=None, balanced=False):
        rng = np.random.default_rng(5)
        sets = {"interior": rng.random((points, 2)), "boundary": rng.random((12, 2))}
        domain = jno.domain.from_array(sets, time=time)
        self.domain = domain if instances == 1 else instances * domain
        x, y, t = self.domain.variable("interior")
        xb, yb, _ = self.domain.variable("boundary")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 1, 8, 1, jnp.tanh, key=jax.random.key(1)), name="u")
        self.net.optimizer(optax.adam(1e-2) if optimizer is None else optimizer)
        k = self.domain.variable("k", np.linspace(1.0, 2.0, instances)[:, None], per="instance")
        self.x, self.u = x, self.net(x, y)
        self.pde = (-(k * self.u.laplacian(x, y)) - (t if time else 1.0)).mse
        self.bc = self.net(xb, yb).mse
        self.losses = [self.pde, self.bc]
        if balanced:
            w = jno.fn.adaptive.relobralo(self.losses)
            self.losses = [w[0] * self.pde, w[1] * self.bc]

    def trained(self, epochs=7, **options):
        crux = jno.core(self.losses)
        history = crux.solve(epochs, **options)
        return history.total_loss_history, weights(self.net)


def assert_alike(first, second, rtol=2e-6):
    np.testing.assert_allclose(first[0], second[0], rtol=rtol)
    for a, b in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=2e-6)


@functools.cache
def plainly_trained(name, instances=1, balanced=False, **options):
    """What several tests compare with: trained for six epochs, by the simplest way."""
    return Plane(instances=instances, balanced=balanced, optimizer=OPTIMIZERS[name]()).trained(6, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_steps_equal_single_ones(name):
    second = Plane(optimizer=OPTIMIZERS[name]()).trained(6, inner_steps=2)
    assert_alike(plainly_trained(name, chunk=None), second, rtol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("chunk", [None, 10])
def test_rematerialisation_changes_nothing(name, chunk):
    second = Plane(optimizer=OPTIMIZERS[name]()).trained(6, chunk=chunk, checkpoint_gradients=True)
    assert_alike(plainly_trained(name, chunk=chunk), second)


def test_rematerialisation_needs_less_memory():
    def temporary(checkpoint_gradients):
        x, y, _ = jno.domain.from_array({"interior": np.random.default_rng(0).random((4000, 2))}).variable("interior")
        nets = [eqx.nn.MLP(2, 1, 32, 3, jnp.tanh, key=jax.random.key(i)) for i in range(4)]
        wrapped = [jno.nn.wrap(net).optimizer(optax.adam(1e-3)) for net in nets]
        crux = jno.core([net(x, y).laplacian(x, y).mse for net in wrapped])
        options = StepOptions(chunk=None, checkpoint_gradients=checkpoint_gradients)
        compiled = crux._trainer.prepared(options)
        state = compiled.initial(jax.random.key(0))
        step = jax.jit(compiled._stepper.step).lower(state, compiled._rest, compiled._data).compile()
        return step.memory_analysis().temp_size_in_bytes

    assert temporary(True) < 0.75 * temporary(False)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("instances", [1, 6])
@pytest.mark.parametrize("balanced", [False, True])
def test_accumulated_batches_equal_one_batch_of_their_union(name, instances, balanced):
    if balanced and name != "adam":
        pytest.skip("a balancer does not know the optimizer")
    made = {"instances": instances, "balanced": balanced}
    size = 2 if instances > 1 else 8
    second = Plane(optimizer=OPTIMIZERS[name](), **made).trained(6, batchsize=size, accumulation_steps=2)
    assert_alike(plainly_trained(name, instances, balanced, batchsize=2 * size), second, rtol=1e-5)


def test_accumulated_batches_see_the_same_times():
    made = {"instances": 4, "time": (0.0, 1.0, 5)}
    first = Plane(**made).trained(batchsize=4)
    second = Plane(**made).trained(batchsize=2, accumulation_steps=2)
    np.testing.assert_allclose(first[0][0], second[0][0], rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("instances", [1, 6])
def test_streamed_batches_equal_resident_ones(name, instances, monkeypatch):
    # Blocks of four epochs: several are sent, and the last is not full.
    monkeypatch.setattr("jno_core._train.streaming._MOST_EPOCHS", 4)
    options = {"batchsize": 4 if instances > 1 else 16}
    second = Plane(optimizer=OPTIMIZERS[name](), instances=instances).trained(6, **options, offload_data=True)
    assert_alike(plainly_trained(name, instances, False, **options), second, rtol=0)


def test_streams_and_accumulation_together():
    first = Plane(instances=6).trained(batchsize=2, accumulation_steps=2)
    second = Plane(instances=6).trained(batchsize=2, accumulation_steps=2, offload_data=True)
    assert_alike(first, second, rtol=0)


def test_every_point_is_seen_once_in_a_pass():
    points = np.arange(40.0)[:, None]
    x, _ = jno.domain.from_array({"interior": points}).variable("interior")
    net = jno.nn.wrap(lambda x: 0.0 * x, name="zero")
    a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(0.0))
    crux = jno.core([(x + a).mean, net(x).mse])
    means = crux.solve(12, batchsize=10).training_logs[0]["losses"][:, 0]
    for i in range(0, 12, 4):
        # Batches are disjoint in a pass of four, so their means average to that of all points.
        np.testing.assert_allclose(means[i : i + 4].mean(), points.mean(), rtol=1e-6)
    assert len(np.unique(means)) > 8
    np.testing.assert_allclose(crux.solve(2).training_logs[1]["losses"][:, 0], points.mean(), rtol=1e-6)


def test_sums_over_a_batch_stand_for_sums_over_all_points():
    points = np.arange(40.0)[:, None]
    x, _ = jno.domain.from_array({"interior": points}).variable("interior")
    a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(0.0))
    sums = jno.core([(x + a).sum]).solve(4, batchsize=10).total_loss_history
    np.testing.assert_allclose(sums.mean(), points.sum(), rtol=1e-6)


def test_a_batch_larger_than_everything_is_everything():
    for instances in (1, 3):
        assert_alike(
            Plane(instances=instances).trained(), Plane(instances=instances).trained(batchsize=10**6), rtol=1e-6
        )


def test_batches_of_instances_average_to_the_whole():
    """Six instances in batches of two: three batches of a pass give the mean over all."""
    p = Plane(instances=6)
    p.net.optimizer(optax.sgd(0.0))
    whole = p.trained(1)[0][0]
    p = Plane(instances=6)
    p.net.optimizer(optax.sgd(0.0))
    np.testing.assert_allclose(p.trained(3, batchsize=2)[0].mean(), whole, rtol=1e-5)


def test_batches_train(tmp_path):
    p = Plane(2000)
    p.net.optimizer(optax.adam(5e-3))
    crux = jno.core([p.pde, p.bc])
    before = float(crux.solve(1).total_loss)
    crux.solve(600, batchsize=100)
    after = crux.solve(1).total_loss
    assert after < 0.2 * before


def test_continued_runs_draw_the_batches_of_one_run():
    p, q = Plane(), Plane()
    whole = p.trained(8, batchsize=8)
    crux = jno.core(q.losses)
    crux.solve(3, batchsize=8)
    history = crux.solve(5, batchsize=8).total_loss_history
    np.testing.assert_array_equal(history, whole[0])


# Time windows.


class Times:
    """A domain with eleven times; the loss is the time itself."""

    def __init__(self, instances=1, points=40):
        domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((points, 1))}, time=(0.0, 1.0, 11))
        self.domain = domain if instances == 1 else instances * domain
        self.x, self.t = self.domain.variable("interior")
        self.a = jno.np.parameter((1,), name="a").optimizer(optax.sgd(0.0))
        self.crux = jno.core([(self.t + self.a).mean, ((self.t + self.a).mean * 1.0).tracker(2)])


@pytest.mark.parametrize("chunk", ["auto", 7])
@pytest.mark.parametrize("instances", [1, 3])
def test_a_window_holds_consecutive_times(chunk, instances):
    history = Times(instances).crux.solve(40, min_consecutive=3, chunk=chunk).total_loss_history
    if instances == 1:
        # Means of three neighbours are the inner times; the ends cannot be a middle.
        np.testing.assert_allclose(np.unique(np.round(history, 5)), np.linspace(0.1, 0.9, 9), atol=1e-5)
    assert np.all((history > 0.1 - 1e-6) & (history < 0.9 + 1e-6))


@pytest.mark.parametrize("window", [None, 11, 100])
def test_a_window_of_all_times_is_their_mean(window):
    np.testing.assert_allclose(Times().crux.solve(3, min_consecutive=window).total_loss_history, 0.5, rtol=1e-6)


def test_trackers_see_the_window():
    crux = Times().crux
    crux.solve(4, min_consecutive=3)
    values = crux.statistics.tracks(crux.statistics.track_names[0]).values
    assert values.shape == (2, 3)
    np.testing.assert_allclose(np.diff(values, axis=1), 0.1, rtol=1e-4)


def test_a_window_over_networks_equals_the_mean_over_its_times():
    p, q = (Plane(time=(0.0, 1.0, 5)) for _ in range(2))
    every = p.trained(4, min_consecutive=None)
    values = jno.core(q.losses).eval(q.losses)
    np.testing.assert_allclose(every[0][0], np.mean([np.mean(v) for v in values]), rtol=1e-5)


# Substeps.


class Two:
    """Two networks and three losses, of which the second couples them."""

    def __init__(self, optimizer=None):
        x, _ = jno.domain.from_array({"interior": np.linspace(0, 1, 20)[:, None]}).variable("interior")
        made = [eqx.nn.MLP(1, 1, 4, 1, jnp.tanh, key=jax.random.key(i)) for i in range(2)]
        self.u, self.v = (
            jno.nn.wrap(m, name=n).optimizer(optimizer or optax.adam(1e-2)) for m, n in zip(made, "uv", strict=True)
        )
        u, v = self.u(x), self.v(x)
        self.losses = [(u - x).mse, (v - u.stop_gradient).mse, (u * v).mse]


def test_one_substep_with_everything_is_the_ordinary_step():
    p, q = Two(), Two()
    first = jno.core(p.losses).solve(5)
    second = jno.core(q.losses).solve(5, substeps=[[0, 1, 2]])
    np.testing.assert_array_equal(first.total_loss_history, second.total_loss_history)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_substeps_equal_alternating_runs(name):
    """By hand: each substep is a step of its own with its own optimizer state and the newest weights."""
    p = Two(OPTIMIZERS[name]())
    jno.core(p.losses).solve(3, substeps=[[0], ([1, 2], 2)])
    q = Two(OPTIMIZERS[name]())
    params = {"u": q.u.module, "v": q.v.module}
    x = jnp.linspace(0, 1, 20)[:, None]

    def call(module, stop=False):
        value = jax.vmap(module)(x)
        return jax.lax.stop_gradient(value) if stop else value

    def first(m):
        return jnp.mean((call(m["u"]) - x) ** 2)

    def second(m):
        one = jnp.mean((call(m["v"]) - call(m["u"], True)) ** 2)
        return (one + jnp.mean((call(m["u"]) * call(m["v"])) ** 2)) / 2

    states = {}
    for _ in range(3):
        for number, loss, models, repeats in ((0, first, "u", 1), (1, second, "uv", 2)):
            for _ in range(repeats):
                arrays = {n: eqx.filter(m, eqx.is_inexact_array) for n, m in params.items()}
                static = {n: eqx.filter(m, eqx.is_inexact_array, inverse=True) for n, m in params.items()}

                def value(a, static=static, loss=loss):
                    return loss({n: eqx.combine(a[n], static[n]) for n in a})

                total, grads = jax.value_and_grad(value)(arrays)
                moved = dict(params)
                for n in models:

                    def one(w, n=n, arrays=arrays, value=value):
                        return value({**arrays, n: w})

                    optimizer = optax.with_extra_args_support(OPTIMIZERS[name]())
                    state = states.get((number, n)) or optimizer.init(arrays[n])
                    known = {"value": total, "grad": grads[n], "value_fn": one}
                    updates, states[number, n] = optimizer.update(grads[n], state, arrays[n], **known)
                    moved[n] = eqx.apply_updates(params[n], updates)
                params = moved
    for net, n in ((p.u, "u"), (p.v, "v")):
        for a, b in zip(weights(net), jax.tree.leaves(eqx.filter(params[n], eqx.is_array)), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_a_substep_leaves_models_behind_stop_gradient_alone():
    p = Two()
    before = weights(p.u)
    x, _ = jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]}).variable("interior")
    jno.core([(p.v(x) - p.u(x).stop_gradient).mse]).solve(3, substeps=[[0]])
    for a, b in zip(before, weights(p.u), strict=True):
        np.testing.assert_array_equal(a, b)


def test_histories_hold_every_loss_of_an_epoch():
    p = Two()
    history = jno.core(p.losses).solve(4, substeps=[[2], [0, 1]])
    log = history.training_logs[0]
    assert log["losses"].shape == (4, 3)
    assert np.all(log["losses"] > 0)
    np.testing.assert_allclose(log["total_loss"], log["losses"].mean(axis=1), rtol=1e-6)


# All together.


@pytest.mark.parametrize(
    "options",
    [
        {"batchsize": 8, "checkpoint_gradients": True},
        {"batchsize": 8, "substeps": [[0], ([1], 2)]},
        {
            "batchsize": 8,
            "accumulation_steps": 2,
            "offload_data": True,
            "substeps": [[0], [1]],
            "checkpoint_gradients": True,
        },
        {"batchsize": 8, "offload_data": True, "chunk": 3},
        {"batchsize": 8, "chunk": None},
    ],
)
@pytest.mark.parametrize("instances", [1, 16])
def test_options_work_together(options, instances):
    history, found = Plane(instances=instances).trained(5, **options)
    assert len(history) == 5
    assert np.all(np.isfinite(history))
    assert all(np.all(np.isfinite(w)) for w in found)


@pytest.fixture
def compilations():
    """The names of the functions that JAX traces or compiles from here on."""
    found = []

    def listener(event, duration, fun_name="", **_):
        if event.startswith("/jax/core/compile/"):
            found.append(fun_name)

    jax.monitoring.register_event_duration_secs_listener(listener)
    yield found
    jax.monitoring.unregister_event_duration_listener(listener)


@pytest.mark.parametrize("instances", [1, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk": 10},
        {"batchsize": 2},
        {"batchsize": 2, "offload_data": True},
        {"batchsize": 2, "accumulation_steps": 2},
        {"checkpoint_gradients": True},
    ],
    ids=str,
)
def test_a_second_run_traces_and_compiles_nothing(options, instances, compilations):
    crux = jno.core(Plane(instances=instances, balanced=True).losses)
    crux.solve(5, **options)
    assert compilations
    compilations.clear()
    crux.solve(5, **options)
    assert compilations == []


def test_an_interrupted_run_leaves_the_last_finished_step():
    class Stops:
        @jno_hook
        def on_chunk_end(self, step):
            if step >= 3:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    p, q = Plane(), Plane()
    crux = jno.core(p.losses)
    history = crux.solve(50, inner_steps=1, callbacks=[Stops()])
    assert signal.getsignal(signal.SIGINT) is before
    done = len(history.total_loss_history)
    assert done < 50
    assert history.training_logs[0]["stopped"] == "interrupted by the user"
    np.testing.assert_array_equal(history.total_loss_history, q.trained(done)[0])
    assert len(crux.solve(2).total_loss_history) == done + 2
