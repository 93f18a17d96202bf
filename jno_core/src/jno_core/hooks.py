"""The hooks of a training run: everything that a callback can do, on one page.

A callback is any object with methods named as below and marked `@hookimpl`; it may take any subset of the arguments.
Hooks run on the host between chunks of compiled steps, on a manager made for one run, so two runs never see each other.
The run never depends on what a hook does, except that `should_stop` may end it and `on_non_finite` may save it.

A callback that must see the run at fixed epochs sets the attribute `every: int`: chunks then end at its multiples.
"""

from typing import final

import numpy as np
import pluggy

from jno_core._interfaces import FitResult, Metrics, RunInfo, TrainState

PROJECT = "jno"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@final
class TrainerHooks:
    """The hook specifications. Every argument is optional to an implementation."""

    @hookspec
    def on_fit_start(self, run: RunInfo, state: TrainState) -> None:
        """Called once, after compilation and before the first step."""

    @hookspec
    def on_chunk_end(self, run: RunInfo, step: int, metrics: Metrics, state: TrainState) -> None:
        """Called after each chunk of fused steps; `step` is the number of completed epochs over all runs."""

    @hookspec
    def should_stop(self, step: int, metrics: Metrics) -> str | None:  # pyright: ignore[reportReturnType]
        """Return a reason to end the run after this chunk, else `None`; all reasons are reported."""

    @hookspec
    def on_points_change(self, region: str, points: np.ndarray, state: TrainState) -> None:
        """Called after the points of a point set were renewed: its name, and the new points `(B or 1, N, d)`."""

    @hookspec(firstresult=True)
    def on_non_finite(self, run: RunInfo, step: int, reason: str, state: TrainState) -> TrainState | None:  # pyright: ignore[reportReturnType]
        """Called when the loss or gradient of epoch `step` is not finite; `state` is the last one before it.

        Return a state to go on from, such as an earlier one with a lower `rate`; `None` leaves it to the next callback, and
        in the end to the run, which stops with a `NonFiniteLossWarning`. Raise to end the run with an error.
        """

    @hookspec
    def on_fit_end(self, result: FitResult) -> None:
        """Called once, after the last step, an early stop or an interrupt."""

    @hookspec
    def on_fit_error(self, error: BaseException, state: TrainState) -> None:
        """Called when the run fails; `state` is the last good state. The error is raised afterwards."""
