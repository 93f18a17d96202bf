"""`solve`: its arguments, losses and data that are not finite, callbacks that fail, interrupts."""

import contextlib
import gc
import signal

import numpy as np
import optax
import pytest
from world import Handled, Refused, Warned

import jno
import jno.numpy as jnn
from jno_core import hookimpl
from jno_core.errors import (
    JnoFileNotFoundError,
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    NonFiniteLossWarning,
    PluginNotFoundError,
    PluginTypeError,
)


class Unmarked:
    def on_fit_end(self, result):
        pass


class Misspelt:
    @hookimpl
    def on_chunk_ends(self):
        pass


class Failing:
    """Raises at the end of the first part of a run."""

    every = 2

    def __init__(self, error):
        self.error = error

    @hookimpl
    def on_chunk_end(self, step):
        raise self.error


def _survives(w, error):
    """After the exception: weights of the last finished step, everything works, the process is as it was."""
    crux = w.crux()
    before = (gc.isenabled(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    first = np.asarray(w.net.module.layers[0].weight)
    expected = (
        contextlib.nullcontext() if isinstance(error, KeyboardInterrupt) else pytest.raises(RuntimeError, match="mine")
    )
    with expected:
        crux.solve(10, callbacks=[Failing(error)])
    assert (gc.isenabled(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    after = np.asarray(w.net.module.layers[0].weight)
    assert np.all(np.isfinite(after))
    assert np.any(after != first)
    assert np.all(np.isfinite(crux.eval(w.u)))
    assert crux.solve(3).epochs[-1] == 4


def _loss_of_nan(w):
    crux = w.crux(jnn.sqrt(w.u - 1e6).mse)
    history = crux.solve(50)
    assert len(history.epochs) == 0
    assert history.logs[0].stopped
    assert np.all(np.isfinite(w.net.module.layers[0].weight))


def _diverging(w):
    w.net.optimizer(optax.sgd(1e30))
    crux = jno.core([w.pde.mse])
    history = crux.solve(1000)
    assert len(history.epochs) < 100
    assert np.all(np.isfinite(w.net.module.layers[0].weight))


def _infinite_rate(w):
    w.net.optimizer(optax.sgd(1e-3)).scale(lambda epoch: 1.0 / (epoch - 3))
    jno.core([w.pde.mse]).solve(10)
    assert np.all(np.isfinite(w.net.module.layers[0].weight))


def _no_epochs(w):
    history = w.crux().solve(0)
    assert len(history.epochs) == 0
    assert history.total_loss is None


def _fused(w):
    losses = []
    for inner in (1, 5):
        w.net.initialize(w.module())
        w.net.optimizer(optax.adam(1e-2))
        losses.append(jno.core([w.u.mse]).solve(10, inner_steps=inner).total_loss_history)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def _large_batch(w):
    losses = []
    for batchsize in (None, 10**6):
        w.net.initialize(w.module())
        w.net.optimizer(optax.adam(1e-2))
        losses.append(jno.core([w.u.mse]).solve(3, batchsize=batchsize).total_loss_history)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def _every_tracker(w):
    history = w.crux(w.u.mse.tracker(10)).solve(25)
    (name,) = history.track_names
    np.testing.assert_array_equal(history.tracks(name).epochs, [0, 10, 20])
    assert len(history.total_loss_history) == 25


def _same_seed(w):
    losses = []
    for seed in (1, 2):
        np.random.seed(seed)
        w.net.initialize(w.module())
        w.net.optimizer(optax.adam(1e-2))
        crux = jno.core([(w.u + jno.noise.gaussian(0.1)).mse])
        losses.append([crux.solve(5).total_loss, jno.core([w.u.mse]).solve(5, batchsize=4).total_loss])
    assert losses[0] == losses[1]


CASES = {
    "`epochs=-5`": Refused(lambda w: w.crux().solve(-5), JnoValueError, ("epochs=-5",), ("least possible value is 0",)),
    "`epochs=1e3`": Refused(lambda w: w.crux().solve(1e3), JnoTypeError, ("got 1000.0",), ("takes an integer",)),
    "`inner_steps` that do not divide the epochs": Refused(
        lambda w: w.crux().solve(10, inner_steps=3), JnoValueError, ("inner_steps=3",), ("must divide epochs=10",)
    ),
    "`inner_steps=0`": Refused(
        lambda w: w.crux().solve(10, inner_steps=0), JnoValueError, ("inner_steps=0",), ("value is 1",)
    ),
    "`batchsize=0`": Refused(
        lambda w: w.crux().solve(1, batchsize=0), JnoValueError, ("batchsize=0",), ("value is 1",)
    ),
    "`batchsize=2.5`": Refused(
        lambda w: w.crux().solve(1, batchsize=2.5), JnoTypeError, ("got 2.5",), ("takes an integer or None",)
    ),
    "`accumulation_steps` without batches": Refused(
        lambda w: w.crux().solve(1, accumulation_steps=2),
        JnoValueError,
        ("accumulation_steps=2 needs batches",),
        ("add batchsize=...",),
    ),
    "`accumulation_steps=0`": Refused(
        lambda w: w.crux().solve(1, batchsize=2, accumulation_steps=0),
        JnoValueError,
        ("accumulation_steps=0",),
        ("value is 1",),
    ),
    "`offload_data` without batches": Refused(
        lambda w: w.crux().solve(1, offload_data=True),
        JnoValueError,
        ("offload_data=True needs batches",),
        ("add batchsize",),
    ),
    "`min_consecutive=0`": Refused(
        lambda w: w.crux().solve(1, min_consecutive=0), JnoValueError, ("min_consecutive=0",), ("value is 1",)
    ),
    "`profile=True` without a run folder": Refused(
        lambda w: w.crux().solve(1, profile=True), JnoValueError, ("there is none",), ("jno.setup(__file__)",)
    ),
    "`substeps` of a constraint that is not there": Refused(
        lambda w: w.crux().solve(1, substeps=[[0], [7]]), JnoValueError, ("7",), ("0",)
    ),
    "`substeps=3`": Refused(lambda w: w.crux().solve(1, substeps=3), JnoTypeError, ("got 3",), ("list",)),
    "a batch of points of a loss that couples them": Refused(
        lambda w: (w.crux(), jno.core([w.u.integrate() ** 2]).solve(1, batchsize=2)),
        JnoValueError,
        ("batchsize=2", "'interior"),
        ("Leave batchsize out",),
    ),
    "`chunk=0`": Refused(
        lambda w: w.crux().solve(1, chunk=0), JnoValueError, ("chunk=0",), ("None takes all at once",)
    ),
    "`mesh=(2, 1)` on one device": Refused(
        lambda w: jno.core([w.u.mse], mesh=(2, 1)),
        JnoValueError,
        ("needs 2 devices, and there are 1",),
        ("(1, 1) for one device",),
    ),
    "`mesh=3`": Refused(lambda w: jno.core([w.u.mse], mesh=3), JnoTypeError, ("got 3",), ("(batch, model)",)),
    "`resume_from` a folder that is not there": Refused(
        lambda w: jno.core([w.u.mse], resume_from="nowhere"), JnoFileNotFoundError, ("'nowhere'",), ("checkpoint",)
    ),
    "a callback by a misspelt name": Refused(
        lambda w: w.crux().solve(1, callbacks=["progres"]),
        PluginNotFoundError,
        ("'progres'",),
        ("Did you mean 'progress'?",),
    ),
    "`callbacks='progress'`": Refused(
        lambda w: w.crux().solve(1, callbacks="progress"), JnoTypeError, ("'progress'",), ("a list of callbacks",)
    ),
    "a callback class": Refused(
        lambda w: w.crux().solve(1, callbacks=[Misspelt]), JnoTypeError, ("Misspelt is a class",), ("Misspelt(...)",)
    ),
    "a callback whose hook is misspelt": Refused(
        lambda w: w.crux().solve(1, callbacks=[Misspelt()]),
        PluginTypeError,
        ("unknown hook 'on_chunk_ends'",),
        ("Did you mean 'on_chunk_end'?",),
    ),
    "a callback whose hook is not marked": Refused(
        lambda w: w.crux().solve(1, callbacks=[Unmarked()]), PluginTypeError, ("would never be called",), ("@hookimpl",)
    ),
    "a number as callback": Refused(
        lambda w: w.crux().solve(1, callbacks=[3]), PluginTypeError, ("callback 3",), ("@hookimpl",)
    ),
    "an unknown tracker": Refused(
        lambda w: jno.statistics(()).tracks("eror"), JnoKeyError, ("no tracker 'eror'",), ("recorded are: none",)
    ),
    "a loss that is not a number from the start": Warned(
        _loss_of_nan, NonFiniteLossWarning, ("'mse(sqrt(", "epoch 0"), ("a root of a negative number",)
    ),
    "a rate so high that training diverges": Warned(
        _diverging, NonFiniteLossWarning, ("is not finite", "epoch"), ("Lower the learning rate",)
    ),
    "a schedule that becomes infinite": Warned(_infinite_rate, NonFiniteLossWarning, ("epoch 3",), ("rate",)),
    "a callback that raises": Handled(
        lambda w: _survives(w, RuntimeError("mine")), "the error; weights of the last step; everything works afterwards"
    ),
    "Ctrl-C": Handled(
        lambda w: _survives(w, KeyboardInterrupt()),
        "ends the run; weights of the last step; everything works afterwards",
    ),
    "`epochs=0`": Handled(_no_epochs, "an empty history"),
    "`inner_steps=5`": Handled(_fused, "the same losses"),
    "`batchsize` beyond the number of points": Handled(_large_batch, "all points, once each"),
    "a tracker every 10 of 25 epochs": Handled(_every_tracker, "recorded in epochs 0, 10, 20; losses in all 25"),
    "two runs with one seed": Handled(_same_seed, "the same losses, bit for bit"),
}
