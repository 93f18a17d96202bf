"""The host loop of `solve`: chunks of fused steps that end where a tracker or a callback must look."""

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from jno_core._interfaces import FitResult, Metrics, RunInfo, TrainState
from jno_core._train.recording import Recorder
from jno_core._train.run_hooks import RunHooks
from jno_core._train.step import Steps
from jno_core.errors import NonFiniteLossWarning

logger = logging.getLogger("jno")

CAPACITY = 1024
"""The most steps in one chunk."""

_SECONDS_PER_CHUNK = 0.2
"""A chunk is about this long, so that an interrupt is answered and a progress display moves."""


@final
class Loop:
    """One run. `state` is always the last good state, also after an exception."""

    def __init__(
        self,
        state: TrainState,
        run: Callable[[TrainState, int], Steps],
        track: Callable[[TrainState], dict[str, Any]],
        recorder: Recorder,
        hooks: RunHooks,
        intervals: dict[str, int],
        inner: Sequence[str],
        limit: int,
    ) -> None:
        self.state = state
        self.stopped: str | None = None
        self._run, self._track, self._recorder, self._hooks = run, track, recorder, hooks
        self._intervals, self._inner = intervals, tuple(inner)
        self._limit = min(limit, CAPACITY)
        self._steps_per_chunk = 8

    def fit(self, info: RunInfo, epochs: int) -> None:
        """Run `epochs` epochs, fewer if something stops the run."""
        epoch, end = info.first_epoch, info.first_epoch + epochs
        while epoch < end and self.stopped is None:
            for name, value in self._track(self.state).items() if self._tracks_at(epoch) else ():
                self._recorder.add_track(name, epoch, np.asarray(value))
            steps = min(self._next_stop(epoch), end) - epoch
            steps = min(steps, self._limit, self._steps_per_chunk)
            start = time.perf_counter()
            chunk = self._run(self.state, steps)
            done, halted = int(chunk.done), bool(chunk.halted)
            seconds = time.perf_counter() - start
            self.state = chunk.state
            metrics = self._record(chunk, epoch, done, seconds)
            if halted:
                self.stopped = self._explain(info, chunk, epoch + done)
            self._pace(done, seconds)
            epoch += done
            if done:
                self._hooks.on_chunk_end(info, epoch, metrics, self.state)
                reasons = self._hooks.should_stop(epoch, metrics)
                self.stopped = self.stopped or ("; ".join(reasons) or None)

    def _tracks_at(self, epoch: int) -> bool:
        return any(epoch % interval == 0 for name, interval in self._intervals.items() if name not in self._inner)

    def _next_stop(self, epoch: int) -> int:
        outer = [i for name, i in self._intervals.items() if name not in self._inner]
        return min(((epoch // i + 1) * i for i in (*outer, *self._hooks.intervals)), default=epoch + CAPACITY)

    def _record(self, chunk: Steps, epoch: int, done: int, seconds: float) -> Metrics:
        for name, rows in zip(self._inner, chunk.tracked, strict=True):
            for i, row in enumerate(np.asarray(rows)[:done]):
                self._recorder.add_track(name, epoch + i, row)
        return self._recorder.add_chunk(epoch, np.asarray(chunk.total)[:done], np.asarray(chunk.losses)[:done], seconds)

    def _explain(self, info: RunInfo, chunk: Steps, epoch: int) -> str:
        row = np.asarray(chunk.losses)[int(chunk.done)]
        bad = [f"{term!r} = {value}" for term, value in zip(info.terms, row, strict=True) if not np.isfinite(value)]
        what = f"The loss {', '.join(bad)} is not finite" if bad else "The losses are finite, their gradient is not,"
        reason = f"{what} at epoch {epoch}"
        warnings.warn(
            f"{reason}; training stopped with the weights of that epoch. Lower the learning rate, or look for a division by "
            "zero, a logarithm or a root of a negative number.",
            NonFiniteLossWarning,
            stacklevel=4,
        )
        return reason

    def _pace(self, done: int, seconds: float) -> None:
        if done and seconds < _SECONDS_PER_CHUNK / 2:
            self._steps_per_chunk = min(2 * self._steps_per_chunk, CAPACITY)
        elif seconds > 2 * _SECONDS_PER_CHUNK:
            self._steps_per_chunk = max(self._steps_per_chunk // 2, 1)


def finish(hooks: RunHooks, loop: Loop, epochs: int, statistics: Any) -> None:
    """Tell the callbacks how the run ended, and the log."""
    hooks.on_fit_end(FitResult(epochs, loop.stopped, statistics))
    last = statistics.total_loss
    logger.info("%d epochs, total loss %s%s", epochs, last, f", stopped: {loop.stopped}" if loop.stopped else "")
