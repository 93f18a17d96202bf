"""Callbacks written as plain classes with `on_epoch_end(**kw)`, adapted to the hooks of a run."""

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, final

from jno_core._interfaces import Metrics, RunInfo, TrainState
from jno_core.errors import JnoTypeError
from jno_core.hooks import hookimpl

_START = ("trainable", "opt_states", "rng", "log", "context")
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "on_solve_begin": _START,
    "on_epoch_end": ("epoch", *_START[:3], "total_loss", "individual_losses", *_START[3:]),
    "on_training_end": (),
}
_BEFORE_UPDATE = "on_before_update"

logger = logging.getLogger("jno")


def plain_methods(callback: object) -> list[str]:
    """The methods of the plain form that an object has."""
    return [name for name in (*_ARGUMENTS, _BEFORE_UPDATE) if callable(getattr(callback, name, None))]


@final
class PlainCallback:
    """Calls the methods of a plain callback from the hooks of a run.

    Raises `JnoTypeError` for `on_before_update` and for a method that needs an argument which it is not given.
    """

    def __init__(self, callback: object, name: str) -> None:
        if callable(getattr(callback, _BEFORE_UPDATE, None)):
            raise JnoTypeError(
                f"The callback {name!r} has {_BEFORE_UPDATE}(), but gradients are changed inside the compiled step. Put an "
                "optax transformation in front of the optimizer instead: net.optimizer(optax.chain(transformation, "
                "optax.adam(1e-3)))."
            )
        every = getattr(callback, "every", None)
        self.every = 1 if every is None else every
        self._name = name
        self._calls = {hook: _call(callback, name, hook) for hook in _ARGUMENTS}
        self._run: RunInfo | None = None
        self._stops = False

    @hookimpl
    def on_fit_start(self, run: RunInfo, state: TrainState) -> None:
        self._run, self._stops = run, False
        self._calls["on_solve_begin"](**self._seen(state))

    @hookimpl
    def on_chunk_end(self, step: int, metrics: Metrics, state: TrainState) -> None:
        if step % self.every == 0:
            answer = self._calls["on_epoch_end"](
                epoch=step - 1,
                total_loss=float(metrics.total[-1]),
                individual_losses=metrics.losses[-1],
                **self._seen(state),
            )
            self._stops = bool(answer)

    @hookimpl
    def should_stop(self) -> str | None:
        return f"the callback {self._name!r} asked to stop" if self._stops else None

    @hookimpl
    def on_fit_end(self) -> None:
        self._calls["on_training_end"]()

    def _seen(self, state: TrainState) -> dict[str, Any]:
        return dict(zip(_START, (state.params, state.opt_state, state.key, logger, self._run), strict=True))


def _call(callback: object, name: str, hook: str) -> Callable[..., Any]:
    """The method as a function of all arguments of its hook, of which it gets those that it takes."""
    method = getattr(callback, hook, None)
    if not callable(method):
        return lambda **_: None
    given = _ARGUMENTS[hook]
    parameters = inspect.signature(method).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return method
    taken = [p.name for p in parameters if p.name in given and p.kind is not p.POSITIONAL_ONLY]
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for p in parameters:
        if p.name not in taken and p.default is p.empty and p.kind not in optional:
            offered = f"gets the keywords {', '.join(given)}" if given else "gets no arguments"
            raise JnoTypeError(
                f"{hook}() of the callback {name!r} needs {p.name!r}, but it {offered}. Take those that you need, or **kw."
            )
    return lambda **arguments: method(**{argument: arguments[argument] for argument in taken})
