"""The hooks of one run: its callbacks, on a manager of their own."""

import inspect
import logging
import numbers
import os
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, final

import numpy as np
import pluggy

from jno_core._interfaces import FitResult, Metrics, RunInfo, TrainState
from jno_core._registry import Registry, registry as installed_plugins
from jno_core._registry.spelling import nearest
from jno_core._train.plain_callbacks import PlainCallback, plain_methods
from jno_core.errors import JnoTypeError, JnoValueError, PluginTypeError
from jno_core.hooks import PROJECT, TrainerHooks

_HOOKS = tuple(name for name in vars(TrainerHooks) if not name.startswith("_"))


@final
class RunHooks:
    """Calls the callbacks of one run. No two runs share a manager, so they cannot see each other.

    - `callbacks`: objects with methods marked `@hookimpl`, objects in the plain form (`plain_callbacks`), or names of
      installed callbacks, which are constructed without arguments.
    - `registry`: where names are looked up.
    - `always`: names of callbacks that take part where none of their kind is given.

    An error that a callback raises gets a note that names the callback and its hook. With JNO_TRACE_HOOKS=1 in the
    environment each call is logged to the standard error.

    Raises `JnoTypeError` for a class, `JnoValueError` for a callback that is given twice or whose `every` is not a
    positive integer, `PluginTypeError` for an object without hooks and for a hook, or an argument of one, that does not
    exist, and for a name what the registry raises.
    """

    def __init__(
        self, callbacks: Sequence[object], registry: Registry = installed_plugins, always: Sequence[str] = ()
    ) -> None:
        if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
            raise JnoTypeError(f"callbacks must be a list of callbacks or of their names, got {callbacks!r}.")
        callbacks = [*callbacks, *(name for name in always if not _is_among(name, callbacks, registry))]
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(TrainerHooks)
        self._given: list[object] = []
        names: list[str] = []
        for callback in callbacks:
            if not isinstance(callback, str):
                self._register(callback, type(callback).__name__)
                continue
            if callback in names:
                raise JnoValueError(f"The callback {callback!r} is given twice; give each callback once.")
            names.append(callback)
            self._register(_construct(callback, registry), callback)
        self.intervals = self._intervals()
        if os.environ.get("JNO_TRACE_HOOKS", "0") not in ("", "0"):
            _trace(self._manager)

    intervals: tuple[int, ...]
    """The attributes `every` of the callbacks, ascending, each once: a chunk ends at each multiple of each."""

    @property
    def callbacks(self) -> tuple[object, ...]:
        """The callbacks of the run."""
        return tuple(self._given)

    def on_fit_start(self, run: RunInfo, state: TrainState) -> None:
        """Tells the callbacks that the run starts."""
        self._call(self._manager.hook.on_fit_start, run=run, state=state)

    def on_chunk_end(self, run: RunInfo, step: int, metrics: Metrics, state: TrainState) -> None:
        """Tells the callbacks that a chunk has ended, after `step` epochs over all runs."""
        self._call(self._manager.hook.on_chunk_end, run=run, step=step, metrics=metrics, state=state)

    def should_stop(self, step: int, metrics: Metrics) -> list[str]:
        """All reasons to end the run after this chunk; empty to go on.

        Raises `PluginTypeError` if a callback returns something other than a string or `None`.
        """
        reasons = self._call(self._manager.hook.should_stop, step=step, metrics=metrics)
        for reason in reasons:
            if not isinstance(reason, str):
                raise PluginTypeError(
                    f"should_stop() of a callback returned {reason!r}; expected the reason as a string, or None."
                )
        return reasons

    def on_points_change(self, region: str, points: np.ndarray, state: TrainState) -> None:
        """Tells the callbacks that points were renewed."""
        self._call(self._manager.hook.on_points_change, region=region, points=points, state=state)

    def on_non_finite(self, run: RunInfo, step: int, reason: str, state: TrainState) -> TrainState | None:
        """The state to go on from after a loss or gradient that is not finite; `None` to stop, as no callback has one.

        Raises `PluginTypeError` if a callback returns something other than a state or `None`.
        """
        hook = self._manager.hook.on_non_finite
        saved = self._call(hook, run=run, step=step, reason=reason, state=state)
        if saved is not None and not isinstance(saved, TrainState):
            raise PluginTypeError(
                f"on_non_finite() of a callback returned {type(saved).__name__}; expected a TrainState to go on from, "
                "or None."
            )
        return saved

    def on_fit_end(self, result: FitResult) -> None:
        """Tells the callbacks that the run has ended."""
        self._call(self._manager.hook.on_fit_end, result=result)

    def on_fit_error(self, error: BaseException, state: TrainState) -> None:
        """Tells the callbacks that the run has failed; `state` is the last good one."""
        self._call(self._manager.hook.on_fit_error, error=error, state=state)

    def _call(self, hook: pluggy.HookCaller, **arguments: Any) -> Any:
        try:
            return hook(**arguments)
        except BaseException as error:
            # pluggy's traceback shows the line that failed, but not which callback it belongs to.
            running = [
                implementation.plugin_name
                for frame, _ in traceback.walk_tb(error.__traceback__)
                for implementation in hook.get_hookimpls()
                if _is_frame_of(frame, implementation.function)
            ]
            if running:
                error.add_note(f"while running {hook.name}() of the callback {running[-1]!r}")
            raise

    def _register(self, callback: object, name: str) -> None:
        if isinstance(callback, type):
            given = callback.__name__
            raise JnoTypeError(f"The callback {given} is a class; pass an object of it: {given}(...).")
        if any(callback is other for other in self._given):
            raise JnoValueError(f"The callback {callback!r} is given twice; give each callback once.")
        self._given.append(callback)
        marked = _marked_methods(callback, self._manager)
        plain = plain_methods(callback)
        if plain and marked:
            raise PluginTypeError(
                f"The callback {name!r} has methods marked with @hookimpl, so its {plain[0]}() would never be called. "
                "Use one of the two forms."
            )
        if plain:
            callback = PlainCallback(callback, name)
            marked = _marked_methods(callback, self._manager)
        _check_marks(callback, name, marked)
        unique = name if not self._manager.has_plugin(name) else f"{name} {len(self._manager.list_name_plugin()) + 1}"
        try:
            self._manager.register(callback, unique)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginTypeError(f"The callback {name!r} does not fit the hooks of a run. {error}") from error
        except ValueError as error:
            raise JnoValueError(f"The callback {callback!r} equals another one; give each callback once.") from error
        self._check_defaults(callback, name)

    def _check_defaults(self, callback: object, name: str) -> None:
        """pluggy passes no argument that has a default, so such a callback would never see the run."""
        for hook in self._manager.get_hookcallers(callback) or ():
            for implementation in hook.get_hookimpls():
                if implementation.plugin is callback and hook.spec is not None:
                    for argument in set(implementation.kwargnames) & set(hook.spec.argnames):
                        raise PluginTypeError(
                            f"{hook.name}() of the callback {name!r} has a default for the argument {argument!r}, "
                            "which would then never be passed. Remove the default."
                        )

    def _intervals(self) -> tuple[int, ...]:
        intervals = set()
        for name, callback in self._manager.list_name_plugin():
            every = getattr(callback, "every", None)
            if every is None:
                continue
            if not isinstance(every, numbers.Integral) or isinstance(every, bool) or every < 1:
                raise JnoValueError(f"`every` of the callback {name!r} must be a positive integer, got {every!r}.")
            intervals.add(int(every))
        return tuple(sorted(intervals))


def _is_among(name: str, callbacks: Sequence[object], registry: Registry) -> bool:
    kind = registry.get("callback", name)
    return name in callbacks or any(isinstance(callback, kind) for callback in callbacks)


def _construct(name: str, registry: Registry) -> object:
    callback = registry.get("callback", name)
    try:
        return callback()
    except Exception as error:
        error.add_note(
            f"while constructing the callback {name!r} without arguments; "
            f"to give it some, pass an object: callbacks=[{callback.__name__}(...)]"
        )
        raise


def _marked_methods(callback: object, manager: pluggy.PluginManager) -> dict[str, str]:
    """The hooks that the callback implements, and the method of each; without unknown ones that it calls optional."""
    marked = {}
    for method in dir(callback):
        options = manager.parse_hookimpl_opts(callback, method)
        if options is not None:
            hook = options.get("specname") or method
            if hook in _HOOKS or not options.get("optionalhook"):
                marked[hook] = method
    return marked


def _check_marks(callback: object, name: str, marked: dict[str, str]) -> None:
    hooks = ", ".join(_HOOKS)
    for hook in sorted(marked.keys() - set(_HOOKS)):
        near = nearest(hook, _HOOKS)
        hint = f" Did you mean {near!r}?" if near else ""
        raise PluginTypeError(
            f"The callback {name!r} implements the unknown hook {hook!r}.{hint} The hooks are: {hooks}."
        )
    for hook in _HOOKS:
        if hook not in marked and callable(getattr(callback, hook, None)):
            raise PluginTypeError(
                f"{hook}() of the callback {name!r} would never be called. Mark it with @hookimpl from jno_core."
            )
    if not marked:
        raise PluginTypeError(
            f"The callback {callback!r} has no method marked with @hookimpl from jno_core, and no on_epoch_end(**kw), so it "
            f"would never be called. The hooks are: {hooks}."
        )


def _is_frame_of(frame: FrameType, function: Callable[..., Any]) -> bool:
    """Whether the frame runs the function; of two objects of one class, the one that it is bound to."""
    function = inspect.unwrap(function)
    if inspect.ismethod(function):
        code = function.__func__.__code__
        return frame.f_code is code and frame.f_locals.get(code.co_varnames[0]) is function.__self__
    return inspect.isfunction(function) and frame.f_code is function.__code__


def _trace(manager: pluggy.PluginManager) -> None:
    # A logger that nobody else can get, so that tracing one run configures nothing for the process.
    logger = logging.Logger("jno.hooks", logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Any) -> None:
        step = f"step={arguments['step']}" if "step" in arguments else ""
        # pluggy calls the last one first.
        names = ", ".join(implementation.plugin_name for implementation in reversed(implementations))
        logger.debug("%s(%s) -> %s", hook, step, names or "no callback")

    def after(outcome: Any, hook: str, implementations: Sequence[pluggy.HookImpl], arguments: Any) -> None:
        del outcome, hook, implementations, arguments

    manager.add_hookcall_monitoring(before, after)
