"""EarlyStopping against a direct evaluation of its rule, for any way of cutting a run into chunks."""

import math
from importlib.metadata import entry_points

import hypothesis.strategies as st
import numpy as np
import pluggy
import pytest
from hypothesis import given, settings

from jno_core import Metrics, RunInfo
from jno_core.errors import JnoValueError
from jno_core.hooks import PROJECT, TrainerHooks
from jno_plugin_callbacks import EarlyStopping


def start(callback, epochs, first_epoch=0):
    callback.on_fit_start(RunInfo(first_epoch, epochs, ("pde",), (), 1, None, True, None))


def chunk(values, first_epoch):
    total = np.asarray(values)
    return Metrics(first_epoch=first_epoch, total=total, losses=total[:, None], seconds=0.1, tracked={})


def feed(callback, values, lengths=(), first_epoch=0):
    """Runs in chunks of the given lengths, then epoch by epoch; the number of epochs run, and the reason."""
    start(callback, len(values), first_epoch)
    lengths, done = list(lengths), 0
    while done < len(values):
        length = lengths.pop(0) if lengths else 1
        part = values[done : done + length]
        reason = callback.should_stop(chunk(part, first_epoch + done))
        done += len(part)
        if reason is not None:
            return done, reason
    return done, None


def improves(value, best, mode, delta):
    if best is None:
        return True
    return {"min": value < best - delta, "max": value > best + delta, "rel": value < best - delta * abs(best)}[mode]


def direct(values, patience, delta, mode, baseline):
    """Best value, its epoch and the epoch of the decision, by going over the whole past in each epoch."""
    for epoch in range(len(values)):
        best, best_epoch, waited = baseline, None, 0
        for earlier in range(epoch + 1):
            waited += 1
            if improves(values[earlier], best, mode, delta):
                best, best_epoch, waited = values[earlier], earlier, 0
        if waited >= patience:
            return best, best_epoch, epoch
    return (best, best_epoch, None) if values else (baseline, None, None)


losses = st.lists(st.integers(-4, 12).map(lambda k: k / 4) | st.floats(-10, 10), min_size=1, max_size=25)
chunkings = st.lists(st.integers(1, 9), max_size=10)


@settings(deadline=None, max_examples=300)
@given(
    values=losses,
    lengths=chunkings,
    patience=st.integers(1, 6),
    delta=st.sampled_from([0.0, 0.25, 0.5]),
    mode=st.sampled_from(["min", "max", "rel"]),
    baseline=st.none() | st.sampled_from([0.5, -1.0]),
)
def test_agrees_with_the_direct_rule_for_any_chunks(values, lengths, patience, delta, mode, baseline):
    callback = EarlyStopping(patience=patience, min_delta=delta, mode=mode, baseline=baseline)
    done, reason = feed(callback, values, lengths)
    best, best_epoch, stopped = direct(values, patience, delta, mode, baseline)
    assert (callback.best_metric, callback.best_epoch, callback.stopped_epoch) == (best, best_epoch, stopped)
    assert callback.has_stopped == (stopped is not None) == (reason is not None)
    if stopped is None:
        assert done == len(values)
    else:
        assert stopped < done <= stopped + max([1, *lengths])


@settings(deadline=None, max_examples=200)
@given(values=losses, lengths=chunkings, patience=st.integers(1, 6))
def test_stops_at_the_first_window_without_a_new_minimum(values, lengths, patience):
    windows = (
        e
        for e in range(patience, len(values))
        if min(values[e - patience + 1 : e + 1]) >= min(values[: e - patience + 1])
    )
    callback = EarlyStopping(patience=patience)
    feed(callback, values, lengths)
    assert callback.stopped_epoch == next(windows, None)


@pytest.mark.parametrize(
    ("mode", "min_delta", "worse", "better"),
    [("min", 0.5, 1.5, 1.4375), ("max", 0.5, 2.5, 2.5625), ("rel", 0.25, 1.5, 1.4375), ("min", 0.0, 2.0, 1.9375)],
)
def test_improvement_is_strict(mode, min_delta, worse, better):
    for value, best in ((worse, 2.0), (better, better)):
        callback = EarlyStopping(min_delta=min_delta, mode=mode)
        feed(callback, [2.0, value])
        assert callback.best_metric == best


def test_patience_counts_epochs_without_improvement():
    callback = EarlyStopping(patience=3)
    done, reason = feed(callback, [5.0, 4.0, 4.0, 4.0, 4.0, 1.0])
    assert (done, callback.best_epoch, callback.stopped_epoch) == (5, 1, 4)
    assert reason == "the total loss has not improved for 3 epochs (best 4 at epoch 1)"


def test_nothing_after_the_decision_is_examined():
    callback = EarlyStopping(patience=2)
    done, _ = feed(callback, [1.0, 2.0, 2.0, 0.1], lengths=[4])
    assert (done, callback.stopped_epoch, callback.best_metric) == (4, 2, 1.0)


def test_baseline_must_be_beaten():
    callback = EarlyStopping(patience=2, baseline=1.0)
    done, reason = feed(callback, [3.0, 1.0, 0.5])
    assert (done, callback.best_metric, callback.best_epoch) == (2, 1.0, None)
    assert reason is not None
    assert "baseline 1 not reached" in reason


@pytest.mark.parametrize("mode", ["min", "max", "rel"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_never_improve(mode, value):
    callback = EarlyStopping(patience=2, mode=mode)
    feed(callback, [value, 1.0, value])
    assert (callback.best_metric, callback.best_epoch, callback.has_stopped) == (1.0, 1, False)
    _, reason = feed(callback, [value, value, 1.0])
    assert callback.stopped_epoch == 1
    assert reason is not None
    assert "no finite loss" in reason


def test_epochs_count_over_all_runs():
    callback = EarlyStopping(patience=2)
    feed(callback, [3.0, 2.0, 2.0, 2.0, 2.0], lengths=[2, 2], first_epoch=1000)
    assert (callback.best_epoch, callback.stopped_epoch) == (1001, 1003)


def test_a_used_object_starts_afresh():
    callback = EarlyStopping(patience=2)
    feed(callback, [0.1, 1.0, 1.0])
    assert callback.has_stopped
    done, reason = feed(callback, [5.0, 4.0, 3.0], first_epoch=3)
    assert (done, reason, callback.has_stopped) == (3, None, False)
    assert (callback.best_metric, callback.best_epoch) == (3.0, 5)


def test_float32_losses_are_compared_exactly():
    value = np.float32(0.1)
    smaller = np.nextafter(value, np.float32(0))
    callback = EarlyStopping(patience=1)
    feed(callback, np.array([value, smaller]))
    assert callback.best_epoch == 1


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("patience", value) for value in (0, -1, 2.5, "5", None)),
        *(("every", value) for value in (0, -50, 0.5, None)),
        *(("min_delta", value) for value in (-1e-9, math.nan, math.inf, "0", None)),
        *(("mode", value) for value in ("least", None, 1)),
        *(("baseline", value) for value in (math.nan, math.inf, "1")),
    ],
)
def test_bad_arguments_are_refused_by_name(argument, value):
    with pytest.raises(JnoValueError, match=f"`{argument}`"):
        EarlyStopping(**{argument: value})


def test_relative_delta_is_a_fraction():
    with pytest.raises(JnoValueError, match="fraction"):
        EarlyStopping(mode="rel", min_delta=1)
    assert EarlyStopping(mode="min", min_delta=1).min_delta == 1


def test_defaults():
    callback = EarlyStopping()
    assert (callback.patience, callback.min_delta, callback.mode, callback.baseline) == (500, 0.0, "min", None)
    assert callback.every == 50
    assert (callback.best_metric, callback.best_epoch, callback.stopped_epoch) == (None, None, None)
    assert not callback.has_stopped


def test_works_through_the_hooks():
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TrainerHooks)
    callback = EarlyStopping(patience=2)
    manager.register(callback)
    manager.check_pending()
    run = RunInfo(0, 3, ("pde",), (), 1, None, True, None)
    manager.hook.on_fit_start(run=run, state=None)
    (reason,) = manager.hook.should_stop(step=3, metrics=chunk([1.0, 2.0, 2.0], 0))
    assert "2 epochs" in reason


def test_is_found_by_its_name():
    (entry,) = entry_points(group="jno.callbacks", name="early_stopping")
    assert entry.load() is EarlyStopping
