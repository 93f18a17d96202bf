"""Ctrl-C, SIGTERM and errors at any moment of a run: the weights of the last finished step are kept, and all goes on."""

import gc
import os
import signal
import subprocess
import sys
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jno
from jno_core import hookimpl


def problem():
    x, _ = jno.domain.from_array({"interior": np.linspace(0, 1, 20)[:, None]}).variable("interior")
    net = jno.nn.wrap(eqx.nn.MLP(1, 1, 8, 1, jnp.tanh, key=jax.random.key(1)), name="u").optimizer(optax.adam(1e-2))
    return jno.core([(net(x).d(x) - x).mse]), net, net(x)


def weights(net):
    return [np.asarray(x) for x in jax.tree.leaves(eqx.filter(net.module, eqx.is_array))]


class Acts:
    """Does something after a number of epochs."""

    every = 1

    def __init__(self, step, act):
        self.step, self.act = step, act

    @hookimpl
    def on_chunk_end(self, step):
        if step == self.step:
            self.act()


def fail():
    raise RuntimeError("made by the test")


ACTS = {"error": fail, "interrupt": lambda: signal.raise_signal(signal.SIGINT), "at once": lambda: _raise_interrupt()}


def _raise_interrupt():
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def uninterrupted():
    crux, net, _ = problem()
    found = []
    crux.solve(24, callbacks=[Keeps(net, found)])
    return found


class Keeps:
    every = 1

    def __init__(self, net, found):
        self.net, self.found = net, found

    @hookimpl
    def on_chunk_end(self, run, state):
        self.found.append([np.asarray(x) for x in jax.tree.leaves(state.params)])


@pytest.mark.parametrize("act", ACTS)
def test_the_session_survives_at_random_steps(act, uninterrupted):
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    for step in np.random.default_rng(7).choice(np.arange(1, 20), 7, replace=False):
        crux, net, u = problem()
        if act == "error":
            with pytest.raises(RuntimeError, match="made by the test"):
                crux.solve(20, callbacks=[Acts(step, ACTS[act])])
        else:
            assert "interrupted" in crux.solve(20, callbacks=[Acts(step, ACTS[act])]).training_logs[0]["stopped"]
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert gc.isenabled()
        for a, b in zip(weights(net), uninterrupted[step - 1], strict=True):
            np.testing.assert_array_equal(a, b)
        assert len(crux.statistics.total_loss_history) == step
        assert crux.eval(u).shape == (1, 20, 1)
        crux.solve(24 - int(step))
        for a, b in zip(weights(net), uninterrupted[23], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_second_interrupt_ends_a_long_step_at_once():
    crux, net, _ = problem()
    before = weights(net)

    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    log = crux.solve(20, callbacks=[Acts(2, twice)]).training_logs[0]
    assert log["stopped"] == "interrupted by the user"
    assert len(log["total_loss"]) == 2
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights(net), strict=True))


def test_other_threads_train_and_leave_signals_alone():
    before = signal.getsignal(signal.SIGINT)
    done = []

    def train():
        crux, *_ = problem()
        done.append(len(crux.solve(5).total_loss_history))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join(60)
    assert done == [5]
    assert signal.getsignal(signal.SIGINT) is before


def test_two_threads_and_two_problems_equal_serial_runs():
    found = {}

    def train(name):
        crux, net, _ = problem()
        crux.solve(30)
        found[name] = weights(net)

    threads = [threading.Thread(target=train, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    train("serial")
    for i in range(2):
        for a, b in zip(found[i], found["serial"], strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        crux, *_ = problem()
        assert crux.solve(6, callbacks=[Acts(2, ACTS["interrupt"])]).training_logs[0]["stopped"] is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


TERMINATED = """
import sys
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("t", sys.argv[2])
t = importlib.util.module_from_spec(spec)
spec.loader.exec_module(t)

class Stores:
    @t.hookimpl
    def on_chunk_end(self, step):
        print("going", step, flush=True)
    @t.hookimpl
    def on_fit_end(self, result):
        print("stored", result.epochs, result.stopped, flush=True)

crux, net, u = t.problem()
crux.solve(10**7, callbacks=[Stores()])
print("never", flush=True)
"""


def test_sigterm_ends_the_run_before_the_process(tmp_path):
    command = [sys.executable, "-c", TERMINATED, str(tmp_path), __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert "going" in process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()
        assert process.wait(30) == -signal.SIGTERM
    assert "terminated by SIGTERM" in rest
    assert "never" not in rest
