"""Learning rates: numbers, functions, schedules by name."""

import numpy as np
import optax
from world import Handled, Refused

import jno
from jno_core.errors import JnoTypeError, JnoValueError, PluginNotFoundError

lrs = jno.LearningRateSchedule


def _multiplied(w, scale):
    """The first update of `k` by a gradient of 1, with a rate of 0.1 of the optimizer."""
    w.k.optimizer(optax.sgd(0.1)).scale(scale)
    crux = jno.core([(w.k + 0 * w.x).mean])
    before = float(crux.eval(w.k)[0])
    crux.solve(1)
    return before - float(crux.eval(w.k)[0])


def _five(w):
    np.testing.assert_allclose(_multiplied(w, 5.0), 0.5, rtol=1e-5)
    np.testing.assert_allclose(_multiplied(w, lrs(5.0)), 0.5, rtol=1e-5)
    np.testing.assert_allclose(_multiplied(w, lambda epoch: 5.0 + epoch), 0.5, rtol=1e-5)


def _bounded(w):
    np.testing.assert_allclose(_multiplied(w, lrs(lambda epoch: 5.0, max_lr=1.0)), 0.1, rtol=1e-5)


def _optax(w):
    np.testing.assert_allclose(_multiplied(w, optax.exponential_decay(2.0, 10, 0.5)), 0.2, rtol=1e-5)


CASES = {
    "`scale(-1)`": Refused(lambda w: w.net.scale(-1), JnoValueError, ("got -1",), ("positive finite rate",)),
    "`scale(nan)`": Refused(lambda w: w.net.scale(np.nan), JnoValueError, ("got nan",), ("positive finite rate",)),
    "`scale('1e-3')`": Refused(lambda w: w.net.scale("1e-3"), JnoTypeError, ("'1e-3'",), ("a number, rate(epoch)",)),
    "a function of three arguments": Refused(
        lambda w: w.net.scale(lambda a, b, c: 1.0), JnoTypeError, ("3 arguments",), ("(epoch) or (epoch, losses)",)
    ),
    "a function that returns an array": Refused(
        lambda w: w.net.scale(lambda epoch: np.ones(2)), JnoValueError, ("shape (2,)",), ("one number",)
    ),
    "a function that asks `if` of the epoch": Refused(
        lambda w: w.net.scale(lambda epoch: 1e-3 if epoch < 10 else 1e-4),
        JnoTypeError,
        ("in Python",),
        ("jnp.where(condition, a, b)",),
    ),
    "a function of the losses that returns them": Refused(
        lambda w: (w.net.scale(lambda epoch, losses: losses), w.crux(w.u.mse).solve(1)),
        JnoValueError,
        ("an array of shape (2,)",),
        ("must return one number",),
        late=True,
    ),
    "a function of the losses that returns nothing": Refused(
        lambda w: (w.net.scale(lambda epoch, losses: None), w.crux().solve(1)),
        JnoTypeError,
        ("returns None",),
        ("must return one number",),
        late=True,
    ),
    "a number outside of its bounds": Refused(
        lambda w: lrs(5.0, max_lr=1.0),
        JnoValueError,
        ("LearningRateSchedule(5.0)", "max_lr=1.0"),
        ("bounds that contain it",),
    ),
    "bounds in the wrong order": Refused(
        lambda w: lrs(0.1, min_lr=1.0, max_lr=0.1), JnoValueError, ("min_lr=1.0, max_lr=0.1",), ("min_lr <= max_lr",)
    ),
    "a misspelt schedule": Refused(
        lambda w: lrs.cosin(10, 1e-3), PluginNotFoundError, ("'cosin'",), ("Did you mean 'cosine'?",)
    ),
    "a cosine over no step": Refused(
        lambda w: lrs.cosine(0, 1e-3), JnoValueError, ("`total_steps`", "got 0"), ("at least 1",)
    ),
    "a warm-up longer than the whole": Refused(
        lambda w: lrs.warmup_cosine(10, 20),
        JnoValueError,
        ("warmup_steps=20", "total_steps=10"),
        ("counts the warm-up too",),
    ),
    "as many values as boundaries": Refused(
        lambda w: lrs.piecewise_constant([5], [1.0]),
        JnoValueError,
        ("1 values for 1 boundaries",),
        ("one value more than boundaries",),
    ),
    "boundaries out of order": Refused(
        lambda w: lrs.piecewise_constant([9, 5], [1, 2, 3]), JnoValueError, ("[9, 5]",), ("in ascending order",)
    ),
    "`dlrs` from a rate beyond its bounds": Refused(
        lambda w: lrs.dlrs(lr0=2.0), JnoValueError, ("lr0=2.0",), ("min_lr <= lr0 <= max_lr",)
    ),
    "`scale(5.0)`": Handled(_five, "five times the rate of the optimizer"),
    "a bound that was asked for": Handled(_bounded, "clamps"),
    "an optax schedule": Handled(_optax, "multiplies the updates"),
}
