"""The hooks of a run: which callbacks it takes, what it calls, and whom it blames."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jno_core import FitResult, Metrics, RunInfo, TrainState, hookimpl
from jno_core._registry import Registry
from jno_core._train.run_hooks import RunHooks
from jno_core.errors import JnoTypeError, JnoValueError, PluginNotFoundError, PluginTypeError

RUN = RunInfo(0, 10, ("pde",), (), trainable=3, directory=None, writes=True, view=None)
METRICS = Metrics(first_epoch=0, total=np.ones(2), losses=np.ones((2, 1)), seconds=0.5, tracked={})
STATE = TrainState({}, {}, {}, key=jax.random.key(0), epoch=jnp.asarray(2), rate=jnp.asarray(1.0))
RESULT = FitResult(epochs=2, stopped=None, state=STATE, statistics=None)


class Diary:
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def on_fit_start(self, run, state):
        self.calls.append(("on_fit_start", run, state))

    @hookimpl
    def on_chunk_end(self, state, metrics, step, run):
        self.calls.append(("on_chunk_end", run, step, metrics, state))

    @hookimpl
    def should_stop(self, step, metrics):
        self.calls.append(("should_stop", step, metrics))

    @hookimpl
    def on_non_finite(self, run, step, reason, state):
        self.calls.append(("on_non_finite", run, step, reason, state))

    @hookimpl
    def on_fit_end(self, result):
        self.calls.append(("on_fit_end", result))

    @hookimpl
    def on_fit_error(self, error, state):
        self.calls.append(("on_fit_error", error, state))


class Stopper:
    def __init__(self, reason=None):
        self.reason = reason

    @hookimpl
    def should_stop(self):
        return self.reason


class Failing:
    def __init__(self, fails=True):
        self.fails = fails

    @hookimpl
    def on_chunk_end(self, step):
        if self.fails:
            self.divide(step)

    def divide(self, step):
        return step / 0


class NeedsArguments:
    def __init__(self, directory):
        self.directory = directory

    @hookimpl
    def on_fit_end(self):
        pass


def test_every_hook_reaches_a_callback_with_its_arguments():
    diary, error = Diary(), ValueError("bad")
    hooks = RunHooks([diary])
    hooks.on_fit_start(RUN, STATE)
    hooks.on_chunk_end(RUN, 2, METRICS, STATE)
    assert hooks.should_stop(2, METRICS) == []
    assert hooks.on_non_finite(RUN, 2, "nan", STATE) is None
    hooks.on_fit_end(RESULT)
    hooks.on_fit_error(error, STATE)
    assert diary.calls == [
        ("on_fit_start", RUN, STATE),
        ("on_chunk_end", RUN, 2, METRICS, STATE),
        ("should_stop", 2, METRICS),
        ("on_non_finite", RUN, 2, "nan", STATE),
        ("on_fit_end", RESULT),
        ("on_fit_error", error, STATE),
    ]


def test_no_callbacks():
    hooks = RunHooks(())
    hooks.on_fit_start(RUN, STATE)
    assert hooks.should_stop(2, METRICS) == []
    assert hooks.intervals == ()


def test_all_reasons_to_stop_are_given():
    hooks = RunHooks([Stopper("too slow"), Stopper(), Stopper("good enough")])
    assert sorted(hooks.should_stop(2, METRICS)) == ["good enough", "too slow"]


@pytest.mark.parametrize("value", [True, False, 3])
def test_a_reason_must_be_a_string(value):
    with pytest.raises(PluginTypeError, match=rf"should_stop\(\) of a callback returned {value}"):
        RunHooks([Stopper(value)]).should_stop(2, METRICS)


class Rescuer:
    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def on_non_finite(self):
        return self.answer


def test_the_first_state_to_go_on_from_is_taken():
    other = dataclasses.replace(STATE, rate=jnp.asarray(0.5))
    # pluggy asks the last one first.
    hooks = RunHooks([Rescuer(STATE), Rescuer(other), Rescuer(None)])
    assert hooks.on_non_finite(RUN, 2, "nan", STATE) is other


def test_only_a_state_can_be_gone_on_from():
    with pytest.raises(PluginTypeError, match=r"on_non_finite\(\) of a callback returned dict; expected a TrainState"):
        RunHooks([Rescuer({})]).on_non_finite(RUN, 2, "nan", STATE)


def test_two_runs_do_not_see_each_other():
    first, second = Diary(), Diary()
    one, two = RunHooks([first]), RunHooks([second])
    one.on_fit_end(RESULT)
    assert (len(first.calls), len(second.calls)) == (1, 0)
    two.on_fit_end(RESULT)
    assert (len(first.calls), len(second.calls)) == (1, 1)


def test_a_callback_by_name():
    registry = Registry()
    with registry.temporary("callback", "stopper_by_name", named_stopper()):
        hooks = RunHooks(["stopper_by_name"], registry)
    assert hooks.should_stop(2, METRICS) == ["by name"]


def named_stopper():
    class ByName:
        @hookimpl
        def should_stop(self):
            return "by name"

    return ByName


def test_an_unknown_name():
    with pytest.raises(PluginNotFoundError, match="Unknown callback 'progres'"):
        RunHooks(["progres"])


def test_a_name_whose_class_needs_arguments():
    registry = Registry()
    with (
        registry.temporary("callback", "needs_arguments", NeedsArguments),
        pytest.raises(TypeError, match="directory") as caught,
    ):
        RunHooks(["needs_arguments"], registry)
    assert caught.value.__notes__ == [
        (
            "while constructing the callback 'needs_arguments' without arguments; "
            "to give it some, pass an object: callbacks=[NeedsArguments(...)]"
        )
    ]


@pytest.mark.parametrize("callbacks", ["progress", Diary(), None, {"progress"}])
def test_callbacks_must_be_a_list(callbacks):
    with pytest.raises(JnoTypeError, match="callbacks must be a list"):
        RunHooks(callbacks)


def test_a_class_is_no_callback():
    with pytest.raises(JnoTypeError, match=r"The callback Diary is a class; pass an object of it: Diary\(\.\.\.\)\."):
        RunHooks([Diary])


def test_the_same_callback_twice():
    diary = Diary()
    with pytest.raises(JnoValueError, match=r"Diary object .* is given twice"):
        RunHooks([diary, Stopper(), diary])
    registry = Registry()
    with (
        registry.temporary("callback", "diary", Diary),
        pytest.raises(JnoValueError, match="The callback 'diary' is given twice"),
    ):
        RunHooks(["diary", "diary"], registry)


def test_equal_callbacks():
    @dataclasses.dataclass
    class Equal:
        limit: int

        @hookimpl
        def should_stop(self):
            return str(self.limit)

    assert sorted(RunHooks([Equal(1), Equal(2)]).should_stop(2, METRICS)) == ["1", "2"]
    with pytest.raises(JnoValueError, match=r"Equal\(limit=1\) equals another one"):
        RunHooks([Equal(1), Equal(1)])


def test_an_object_without_hooks():
    with pytest.raises(PluginTypeError, match=r"has no method marked with @hookimpl.*on_fit_start, on_chunk_end"):
        RunHooks([object()])


def test_a_hook_that_is_not_marked():
    class Forgetful:
        @hookimpl
        def on_fit_start(self):
            pass

        def should_stop(self):
            return "never called"

    with pytest.raises(
        PluginTypeError, match=r"should_stop\(\) of the callback 'Forgetful' would never be called\. Mark"
    ):
        RunHooks([Forgetful()])


def test_a_misspelt_hook():
    class Misspelt:
        @hookimpl
        def should_stp(self):
            pass

    with pytest.raises(PluginTypeError, match=r"'Misspelt' implements the unknown hook 'should_stp'.*'should_stop'\?"):
        RunHooks([Misspelt()])


def test_an_unknown_hook_may_be_called_optional():
    class Ahead:
        @hookimpl(optionalhook=True)
        def on_points_change(self, region):
            del region

        @hookimpl(specname="should_stop")
        def examine(self):
            return "examined"

    assert RunHooks([Ahead()]).should_stop(2, METRICS) == ["examined"]


def test_a_wrong_argument():
    class Wrong:
        @hookimpl
        def should_stop(self, stp):
            del stp

    with pytest.raises(PluginTypeError, match=r"The callback 'Wrong' does not fit[\s\S]*Argument\(s\) \{'stp'\}"):
        RunHooks([Wrong()])


def test_an_argument_with_a_default_would_never_be_passed():
    class Default:
        @hookimpl
        def should_stop(self, step=0, own=1):
            del step, own

    with pytest.raises(PluginTypeError, match=r"'Default' has a default for the argument 'step'"):
        RunHooks([Default()])


def test_an_error_names_the_callback_and_the_hook():
    hooks = RunHooks([Diary(), Failing(), Stopper()])
    with pytest.raises(ZeroDivisionError) as caught:
        hooks.on_chunk_end(RUN, 2, METRICS, STATE)
    assert caught.value.__notes__ == ["while running on_chunk_end() of the callback 'Failing'"]


def test_an_error_of_a_callback_by_name_shows_that_name():
    registry = Registry()
    with registry.temporary("callback", "watchdog", Failing, override=True):
        hooks = RunHooks(["watchdog"], registry)
    with pytest.raises(ZeroDivisionError) as caught:
        hooks.on_chunk_end(RUN, 2, METRICS, STATE)
    assert caught.value.__notes__ == ["while running on_chunk_end() of the callback 'watchdog'"]


@pytest.mark.parametrize(("fails", "name"), [((True, False), "Failing"), ((False, True), "Failing 2")])
def test_of_two_objects_of_one_class_the_right_one_is_named(fails, name):
    hooks = RunHooks([Failing(fail) for fail in fails])
    with pytest.raises(ZeroDivisionError) as caught:
        hooks.on_chunk_end(RUN, 2, METRICS, STATE)
    assert caught.value.__notes__ == [f"while running on_chunk_end() of the callback {name!r}"]


def test_a_wrapper_is_not_blamed_for_what_it_wraps():
    class Timer:
        @hookimpl(wrapper=True)
        def on_chunk_end(self):
            return (yield)

    with pytest.raises(ZeroDivisionError) as caught:
        RunHooks([Timer(), Failing()]).on_chunk_end(RUN, 2, METRICS, STATE)
    assert caught.value.__notes__ == ["while running on_chunk_end() of the callback 'Failing'"]


def test_an_interrupt_in_a_hook_goes_through():
    class Interrupted:
        @hookimpl
        def on_fit_start(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RunHooks([Interrupted()]).on_fit_start(RUN, STATE)


class Periodic(Stopper):
    def __init__(self, every):
        super().__init__()
        self.every = every


def test_intervals():
    callbacks = [Periodic(50), Periodic(np.int64(7)), Stopper(), Periodic(50), Periodic(None)]
    assert RunHooks(callbacks).intervals == (7, 50)


@pytest.mark.parametrize("every", [0, -1, 2.0, "10", True])
def test_an_interval_must_be_a_positive_integer(every):
    with pytest.raises(JnoValueError, match="`every` of the callback 'Periodic' must be a positive integer"):
        RunHooks([Periodic(every)])


def test_order_of_calls():
    class Last(Stopper):
        @hookimpl(trylast=True)
        def should_stop(self):
            return "last"

    class First(Stopper):
        @hookimpl(tryfirst=True)
        def should_stop(self):
            return "first"

    assert RunHooks([Last(), First(), Stopper("between")]).should_stop(2, METRICS) == ["first", "between", "last"]


@pytest.mark.parametrize(("value", "lines"), [("1", 2), ("0", 0), ("", 0)])
def test_tracing(value, lines, monkeypatch, capsys):
    monkeypatch.setenv("JNO_TRACE_HOOKS", value)
    hooks = RunHooks([Diary(), Stopper()])
    hooks.on_fit_start(RUN, STATE)
    hooks.should_stop(2, METRICS)
    written = capsys.readouterr().err.splitlines()
    assert written == ["jno.hooks: on_fit_start() -> Diary", "jno.hooks: should_stop(step=2) -> Stopper, Diary"][:lines]
