"""Callbacks in the plain form: which methods are called, when, and with what."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import Callback, FitResult, Metrics, RunInfo, TrainState, hookimpl
from jno_core._train.run_hooks import RunHooks
from jno_core.errors import JnoTypeError, JnoValueError, PluginTypeError

RUN = RunInfo(0, 10, ("pde", "bc"), (), trainable=3, directory=None, writes=True, view=None)


def state(epoch):
    return TrainState({"net": jnp.ones(3)}, {"net": ()}, {}, jax.random.key(0), jnp.asarray(epoch), jnp.asarray(1.0))


def metrics(first_epoch, *totals):
    total = np.array(totals)
    return Metrics(first_epoch, total, np.column_stack([total - 1, total + 1]), 0.1, {})


def chunk(hooks, first_epoch, *totals):
    """Ends a chunk; the reasons to stop."""
    step = first_epoch + len(totals)
    hooks.on_chunk_end(RUN, step, metrics(first_epoch, *totals), state(step))
    return hooks.should_stop(step, metrics(first_epoch, *totals))


class Diary:
    def __init__(self, answer=None, every=None):
        self.calls = []
        self.answer = answer
        if every is not None:
            self.every = every

    def on_solve_begin(self, **kw):
        self.calls.append(("begin", kw))

    def on_epoch_end(self, **kw):
        self.calls.append(("epoch", kw))
        return self.answer

    def on_training_end(self):
        self.calls.append(("end", {}))


def test_all_methods_with_all_arguments():
    diary = Diary()
    hooks = RunHooks([diary])
    start = state(0)
    hooks.on_fit_start(RUN, start)
    assert chunk(hooks, 0, 5.0) == []
    hooks.on_fit_end(FitResult(1, None, start, None))
    (begin, given), (epoch, seen), (end, nothing) = diary.calls
    assert (begin, epoch, end, nothing) == ("begin", "epoch", "end", {})
    assert given["trainable"] is start.params
    assert given["opt_states"] is start.opt_state
    assert given["rng"] is start.key
    assert given["context"] is RUN
    assert given["log"] is logging.getLogger("jno")
    assert set(seen) == set(given) | {"epoch", "total_loss", "individual_losses"}
    assert (seen["epoch"], seen["total_loss"]) == (0, 5.0)
    assert type(seen["total_loss"]) is float
    np.testing.assert_array_equal(seen["individual_losses"], [4.0, 6.0])


def test_every_epoch_by_default():
    assert RunHooks([Diary()]).intervals == (1,)


def test_every_epochs_of_the_object():
    diary = Diary(every=5)
    hooks = RunHooks([diary])
    assert hooks.intervals == (5,)
    hooks.on_fit_start(RUN, state(0))
    for first in (0, 3, 5, 8):
        chunk(hooks, first, *range(3 if first in (0, 5) else 2))
    assert [kw["epoch"] for name, kw in diary.calls if name == "epoch"] == [4, 9]


@pytest.mark.parametrize("answer", [True, np.True_, "enough"])
def test_a_true_answer_stops(answer):
    hooks = RunHooks([Diary(answer)])
    assert chunk(hooks, 0, 1.0) == ["the callback 'Diary' asked to stop"]


@pytest.mark.parametrize("answer", [None, False, 0])
def test_another_answer_does_not(answer):
    assert chunk(RunHooks([Diary(answer)]), 0, 1.0) == []


def test_a_new_run_forgets_the_answer():
    diary = Diary(True)
    hooks = RunHooks([diary])
    hooks.on_fit_start(RUN, state(0))
    assert chunk(hooks, 0, 1.0)
    hooks.on_fit_start(RUN, state(1))
    assert hooks.should_stop(1, metrics(0, 1.0)) == []


def test_a_method_takes_what_it_names():
    seen = []

    class Reader:
        def on_epoch_end(self, total_loss, epoch, own=1):
            seen.append((total_loss, epoch, own))

    chunk(RunHooks([Reader()]), 0, 5.0)
    assert seen == [(5.0, 0, 1)]


def test_the_base_class_is_optional_to_use():
    class Reader(Callback):
        def on_epoch_end(self, **kw):
            return kw["total_loss"] < 1

    hooks = RunHooks([Reader()])
    assert chunk(hooks, 0, 5.0) == []
    assert chunk(hooks, 1, 0.5) == ["the callback 'Reader' asked to stop"]


def test_a_method_that_needs_what_there_is_not():
    class Greedy:
        def on_epoch_end(self, gradients, epoch):
            pass

    with pytest.raises(
        JnoTypeError, match=r"on_epoch_end\(\) of the callback 'Greedy' needs 'gradients', .*epoch, train"
    ):
        RunHooks([Greedy()])

    class LateGreedy:
        def on_training_end(self, statistics):
            pass

    with pytest.raises(JnoTypeError, match=r"needs 'statistics', but it gets no arguments"):
        RunHooks([LateGreedy()])


def test_changing_gradients_is_refused():
    class Clipper:
        def on_before_update(self, grads, **kw):
            return grads

    with pytest.raises(JnoTypeError, match=r"'Clipper' has on_before_update\(\).*optax transformation"):
        RunHooks([Clipper()])


def test_both_forms_at_once():
    class Both:
        @hookimpl
        def on_fit_end(self):
            pass

        def on_epoch_end(self, **kw):
            pass

    with pytest.raises(PluginTypeError, match=r"'Both' has methods marked with @hookimpl, so its on_epoch_end\(\)"):
        RunHooks([Both()])


def test_an_empty_object_is_told_of_both_forms():
    class Empty(Callback):
        pass

    with pytest.raises(PluginTypeError, match=r"no method marked with @hookimpl .*no on_epoch_end"):
        RunHooks([Empty()])


def test_the_same_object_twice():
    diary = Diary()
    with pytest.raises(JnoValueError, match="is given twice"):
        RunHooks([diary, diary])


def test_an_error_names_the_callback():
    class Failing:
        def on_epoch_end(self, epoch):
            return 1 / epoch

    with pytest.raises(ZeroDivisionError) as caught:
        chunk(RunHooks([Diary(), Failing()]), 0, 1.0)
    assert caught.value.__notes__ == ["while running on_chunk_end() of the callback 'Failing'"]


@pytest.mark.parametrize("every", [0, 1.5, "all"])
def test_a_bad_interval(every):
    with pytest.raises(JnoValueError, match="`every` of the callback 'Diary' must be a positive integer"):
        RunHooks([Diary(every=every)])
