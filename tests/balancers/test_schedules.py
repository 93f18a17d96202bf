"""Schedules against closed forms, optax's own, an independent float64 implementation, and what training does with them."""

import importlib.util
import math
import re
from pathlib import Path

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings

import jno
from jno_core import AbstractSchedule
from jno_core.errors import JnoTypeError, JnoValueError, PluginNotFoundError
from jno_core.testing._precision import double_precision

lrs = jno.LearningRateSchedule
STEPS = 40


def rates(schedule, losses=None, start=0):
    """The rate of each step, in one compiled loop."""
    losses = np.ones((STEPS, 2)) if losses is None else np.asarray(losses)

    def step(state, now):
        rate, state = schedule.rate(state, *now)
        return state, rate

    steps = start + jnp.arange(len(losses))
    return np.asarray(jax.lax.scan(step, schedule.init(), (steps, jnp.asarray(losses)))[1])


def optax_rates(schedule):
    return np.asarray([schedule(t) for t in range(STEPS)])


# --- closed forms


def test_constant():
    np.testing.assert_array_equal(rates(lrs.constant(0.25)), np.full(STEPS, 0.25))


@pytest.mark.parametrize("end", [0.0, 1e-3])
def test_cosine(end):
    t = np.arange(STEPS)
    expected = np.where(t < 30, end + (0.1 - end) * np.cos(np.pi * t / 60) ** 2, end)
    np.testing.assert_allclose(rates(lrs.cosine(30, 0.1, end)), expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(
        rates(lrs.cosine(30, 0.1, end)),
        optax_rates(optax.cosine_decay_schedule(0.1, 30, end / 0.1)),
        rtol=1e-4,
        atol=1e-8,
    )


def test_warmup_cosine():
    t = np.arange(STEPS)
    falling = 1e-6 + (0.1 - 1e-6) * np.cos(np.pi * np.clip((t - 10) / 20, 0, 1) / 2) ** 2
    expected = np.where(t < 10, 0.1 * (t + 1) / 10, falling)
    np.testing.assert_allclose(rates(lrs.warmup_cosine(30, 10, lr0=0.1)), expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(
        rates(lrs.warmup_cosine(30, 0, 0.1, 0.01)), rates(lrs.cosine(30, 0.1, 0.01)), "without a warm-up it is a cosine"
    )


@pytest.mark.parametrize("staircase", [False, True])
def test_exponential(staircase):
    t = np.arange(STEPS)
    exponent = t // 4 if staircase else t / 4
    schedule = lrs.exponential(0.1, 0.5, 4, lr_end=1e-3, staircase=staircase)
    np.testing.assert_allclose(rates(schedule), np.maximum(1e-3, 0.1 * 0.5**exponent), rtol=1e-5)
    theirs = optax.exponential_decay(0.1, 4, 0.5, staircase=staircase, end_value=1e-3)
    np.testing.assert_allclose(rates(schedule), optax_rates(theirs), rtol=1e-5)


def test_piecewise_constant():
    expected = [0.1] * 5 + [0.02] * 15 + [0.0] * 20
    np.testing.assert_allclose(rates(lrs.piecewise_constant([5, 20], [0.1, 0.02, 0.0])), expected)
    np.testing.assert_allclose(rates(lrs.piecewise_constant([], [0.3])), np.full(STEPS, 0.3))
    theirs = optax.piecewise_constant_schedule(0.1, {5: 0.2, 20: 0.1})
    np.testing.assert_allclose(
        rates(lrs.piecewise_constant([5, 20], [0.1, 0.02, 0.002])), optax_rates(theirs), rtol=1e-5
    )


# --- dlrs


def numpy_dlrs(losses, lr0=1e-3, window=10, decremental=0.5, stagnation=0.1, increment=0.1, lowest=1e-10, highest=1.0):
    """The rule in float64, on lists."""
    lr, seen, found = lr0, [], []
    for row in losses:
        seen = [*seen, np.mean(row)][-window:]
        if len(seen) > 1:
            slope = (seen[-1] - seen[0]) / max(abs(np.mean(seen)), 1e-12)
            factor = decremental if slope > 1 else stagnation if slope > 0 else -increment
            exponent = math.floor(math.log10(lr))
            if lr >= 10.0 ** (exponent + 1) * (1 - 1e-5):
                exponent += 1
            lr = min(max(lr - 10.0**exponent * factor, lowest), highest)
        found.append(lr)
    return np.array(found)


histories = st.lists(st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=3), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(histories, st.sampled_from([1e-3, 0.37, 1e-9, 1.0]), st.sampled_from([2, 5, 10]))
def test_dlrs_over_random_losses(losses, lr0, window):
    with double_precision():
        found = rates(lrs.dlrs(lr0=lr0, window=window), losses)
    np.testing.assert_allclose(found, numpy_dlrs(losses, lr0, window), rtol=1e-9)


@pytest.mark.parametrize("exponent", range(-9, 1))
def test_dlrs_counts_powers_of_ten_as_such_in_single_precision(exponent):
    """There the step changes by a factor of ten, and there rates start and come back to."""
    lr0 = 10.0**exponent
    losses = np.array([3.0, 2.0, 2.5, 2.0, 2.5, 2.0, 3.0, 3.5])[:, None]
    expected = numpy_dlrs(losses, lr0, window=2, highest=10.0)
    np.testing.assert_allclose(rates(lrs.dlrs(lr0, window=2, max_lr=10.0), losses), expected, rtol=1e-5)
    assert np.sum(np.abs(expected / lr0 - 1) < 1e-9) >= 3


def test_dlrs_by_hand():
    losses = [[1.0, 3.0], [0.5, 1.5], [2.0, 4.0], [20.0, 20.0]]
    # Falling: +1e-4. From 2 to 3, slope 1 / 2: -1e-4. From 2 to 20, slope 18 / 6.5: half of 1e-3.
    np.testing.assert_allclose(rates(lrs.dlrs(), losses), [1e-3, 1.1e-3, 1e-3, 5e-4], rtol=1e-5)


def test_dlrs_understands_losses_below_zero():
    """A loss that falls from -1 to -2 falls; divided by a negative mean it would seem to grow."""
    falling = -np.arange(1.0, 6.0)[:, None]
    np.testing.assert_allclose(rates(lrs.dlrs(), falling), 1e-3 + 1e-4 * np.arange(5), rtol=1e-5)


def test_dlrs_keeps_to_its_bounds():
    growing = np.exp(np.arange(200.0))[:100, None] * 1e-30
    low = rates(lrs.dlrs(lr0=2e-3, min_lr=1e-3), growing)
    np.testing.assert_allclose(low[-1], 1e-3)
    high = rates(lrs.dlrs(lr0=2e-3, max_lr=5e-3), growing[::-1])
    np.testing.assert_allclose(high[-1], 5e-3)
    assert np.all(high <= 5e-3 * (1 + 1e-6))


def test_dlrs_has_a_second_name():
    assert jno.fn.adaptive.dlrs is lrs.dlrs
    assert "dlrs" in dir(jno.fn.adaptive)


# --- LearningRateSchedule


def test_any_function_of_the_epoch_and_the_losses():
    losses = np.random.default_rng(0).uniform(size=(STEPS, 2))
    np.testing.assert_allclose(rates(lrs(lambda t: 0.1 / (1 + t))), 0.1 / (1 + np.arange(STEPS)), rtol=1e-6)
    np.testing.assert_allclose(
        rates(lrs(lambda t, L: 0.1 * L[1] / (1 + t)), losses), 0.1 * losses[:, 1] / (1 + np.arange(STEPS)), rtol=1e-5
    )


def test_an_optax_schedule():
    theirs = optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, 30)
    np.testing.assert_allclose(rates(lrs(theirs, min_lr=0.0)), optax_rates(theirs), rtol=1e-5, atol=1e-8)


def test_bounds_clamp_functions_and_schedules():
    expected = np.clip(0.1 / (1 + np.arange(STEPS)), 0.01, 0.05)
    np.testing.assert_allclose(rates(lrs(lambda t: 0.1 / (1 + t), min_lr=0.01, max_lr=0.05)), expected, rtol=1e-6)
    nested = lrs(lrs.dlrs(), max_lr=1.05e-3)
    falling = np.exp(-np.arange(10.0))[:, None]
    np.testing.assert_allclose(rates(nested, falling)[1:], 1.05e-3, rtol=1e-6)


def test_a_number_outside_of_the_bounds_is_refused_and_there_is_no_upper_bound_by_default():
    assert rates(lrs(5.0))[0] == 5.0
    assert rates(lrs(lambda t: 5.0 + t))[3] == 8.0
    with pytest.raises(JnoValueError, match=r"LearningRateSchedule\(5.0\) is outside of its bounds .* max_lr=1.0"):
        lrs(5.0, max_lr=1.0)


@pytest.mark.parametrize(
    ("attempt", "error", "words"),
    [
        (lambda: lrs("fast"), JnoTypeError, "LearningRateSchedule.* takes a number, rate.epoch.*got 'fast'"),
        (lambda: lrs(None), JnoTypeError, "got None"),
        (lambda: lrs(-1e-3), JnoValueError, "positive finite rate, got -0.001"),
        (lambda: lrs(float("nan")), JnoValueError, "positive finite rate, got nan"),
        (lambda: lrs(lambda a, b, c: 1.0), JnoTypeError, "it takes 3 arguments"),
        (lambda: lrs(lambda t: jnp.ones(3)), JnoValueError, r"one number, it returns an array of shape \(3,\)"),
        (lambda: lrs(1e-3, min_lr="low"), JnoTypeError, "a number as min_lr, got 'low'"),
        (lambda: lrs(1e-3, min_lr=-1.0), JnoValueError, "min_lr of zero or more, got -1.0"),
        (lambda: lrs(1e-3, min_lr=0.1, max_lr=0.01), JnoValueError, "min_lr <= max_lr"),
        (lambda: lrs.constant(0.0), JnoValueError, "constant needs a finite number as `lr`, positive; got 0.0"),
        (lambda: lrs.cosine(0, 1e-3), JnoValueError, "`total_steps` to be at least 1, got 0"),
        (lambda: lrs.cosine(1.5, 1e-3), JnoTypeError, "an integer as `total_steps`, got 1.5"),
        (lambda: lrs.cosine(10, "1e-3"), JnoTypeError, "a number as `lr0`"),
        (lambda: lrs.warmup_cosine(10, 10), JnoValueError, "warmup_steps < total_steps"),
        (lambda: lrs.exponential(1e-3, 0.0, 10), JnoValueError, "`decay_rate`, positive"),
        (lambda: lrs.exponential(1e-3, 0.5, 10, staircase=1), JnoTypeError, "True or False as `staircase`"),
        (lambda: lrs.piecewise_constant([5], [1.0]), JnoValueError, "got 1 values for 1 boundaries"),
        (lambda: lrs.piecewise_constant([5, 5], [1, 2, 3]), JnoValueError, r"ascending order, got \[5, 5\]"),
        (lambda: lrs.piecewise_constant(5, [1, 2]), JnoTypeError, "a list of numbers as `boundaries`, got 5"),
        (lambda: lrs.piecewise_constant([5], [1, -2]), JnoValueError, r"`values\[1\]`"),
        (lambda: lrs.dlrs(lr0=2.0), JnoValueError, "min_lr <= lr0 <= max_lr, got lr0=2.0"),
        (lambda: lrs.dlrs(window=1), JnoValueError, "`window` to be at least 2, got 1"),
        (lambda: lrs.dlrs(decremental_factor=1.0), JnoValueError, "`decremental_factor` below 1"),
        (lambda: lrs.cosin(10, 1e-3), PluginNotFoundError, "Did you mean 'cosine'"),
    ],
)
def test_what_is_no_schedule_is_refused_at_the_call(attempt, error, words):
    with pytest.raises(error, match=words):
        attempt()


def test_names_are_listed():
    assert {"constant", "cosine", "dlrs", "exponential", "piecewise_constant", "warmup_cosine"} <= set(dir(lrs))
    assert jno.lrs is lrs
    assert repr(lrs) == "jno.LearningRateSchedule"
    assert all(isinstance(s, AbstractSchedule) for s in (lrs(0.1), lrs.constant(0.1), lrs.dlrs()))


# --- in training

GRADIENT = 2.0


def trained(scale, optimizer, epochs=6, calls=1):
    """The weight of `w` after each call of `solve`, for the loss `2 w`, and the history."""
    domain = jno.domain.line(mesh_size=0.5)
    x, _ = domain.variable("interior")
    w = jno.np.parameter((1,), name="w")
    w.optimizer(optimizer).scale(scale)
    crux = jno.core([(GRADIENT * w + 0.0 * x).mean])
    values = []
    for _ in range(calls):
        crux.solve(epochs)
        values.append(float(crux.eval(w)[0]))
    return values


@pytest.mark.parametrize("optimizer", [optax.sgd(0.1), optax.sgd], ids=["multiplier", "rate"])
@pytest.mark.parametrize(
    "scale",
    [
        lambda: lrs.cosine(8, 3.0, 0.5),
        lambda: lrs(lambda t: 5.0 / (1 + t)),
        lambda: optax.exponential_decay(2.0, 3, 0.5),
        lambda: lrs.dlrs(lr0=0.02),
        lambda: lrs.constant(4.0),
        lambda: 3.0,
    ],
    ids=["cosine", "function", "optax", "dlrs", "constant", "number"],
)
def test_updates_are_multiplied_by_this_steps_rate(scale, optimizer):
    """Twice three steps are six: the epoch and the state of the schedule go on over `solve` calls."""
    schedule = scale()
    own = 0.1 if optimizer is not optax.sgd else 1.0
    found = trained(schedule, optimizer, epochs=3, calls=2)
    w, lr, window = 0.0, 0.02, []
    expected = []
    for t in range(6):
        if isinstance(schedule, AbstractSchedule) and "Dynamic" in type(schedule).__name__:
            window.append(GRADIENT * w)
            lr = numpy_dlrs([[v] for v in window], 0.02)[-1]
            rate = lr
        elif isinstance(schedule, AbstractSchedule):
            rate = float(schedule.rate((), jnp.asarray(t), jnp.ones(1))[0])
        else:
            rate = schedule if isinstance(schedule, float) else float(schedule(t))
        w -= own * rate * GRADIENT
        expected.append(w)
    np.testing.assert_allclose(found, [expected[2], expected[5]], rtol=1e-5)


def test_a_masked_group_has_a_schedule_of_its_own():
    domain = jno.domain.line(mesh_size=0.5)
    x, _ = domain.variable("interior")
    net = jno.nn.wrap(eqx.nn.Linear(1, 1, key=jax.random.key(0)))
    before = jax.tree.map(np.asarray, (net.module.weight, net.module.bias))
    bias = eqx.tree_at(lambda m: m.bias, jax.tree.map(lambda _: False, net.module), True)
    net.optimizer(optax.sgd(1.0)).scale(lrs.constant(0.5))
    net.mask(bias).optimizer(optax.sgd(1.0)).mask(bias).scale(lrs.piecewise_constant([1], [0.25, 0.0]))
    jno.core([net(x).mean]).solve(2)
    points = np.asarray(jno.core([x.mean]).eval(x)).mean()
    np.testing.assert_allclose(net.module.bias, before[1] - 0.25, rtol=1e-6)
    np.testing.assert_allclose(net.module.weight, before[0] - 2 * 0.5 * points, rtol=1e-6)


def test_the_schedule_of_the_documentation(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class Patience" in block]
    header = "from typing import final\nimport equinox as eqx\nimport jax.numpy as jnp\nfrom jno_core import AbstractSchedule\n"
    file = tmp_path / "patience.py"
    file.write_text(header + example)
    spec = importlib.util.spec_from_file_location("patience", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    losses = np.array([3.0, 2.0, 2.0, 2.0, 1.0, 1.0])[:, None]
    np.testing.assert_array_equal(rates(module.Patience(patience=2), losses), [1, 1, 1, 0.5, 0.5, 0.5])
