"""The host loop of `solve`: chunks of fused steps that end where a tracker or a callback must look."""

import contextlib
import dataclasses
import time
import warnings
from typing import Any, Protocol, final

import numpy as np

from jno_core._interfaces import Metrics, RunInfo, TrainState
from jno_core._train.devices import DeviceMesh
from jno_core._train.interrupts import Interrupts
from jno_core._train.pace import Pace
from jno_core._train.profiling import Profile
from jno_core._train.recording import Recorder
from jno_core._train.resampling import Resampling
from jno_core._train.run_hooks import RunHooks
from jno_core._train.step import CAPACITY, Steps
from jno_core.errors import NonFiniteLossWarning


class Runner(Protocol):
    """What makes the steps: compiled functions with the data that they read."""

    inner: tuple[str, ...]
    pace: Pace

    def run(self, state: TrainState, steps: int) -> Steps:
        """A number of steps."""
        ...

    def track(self, state: TrainState) -> dict[str, Any]:
        """The trackers that are due."""
        ...

    def most_steps(self, epoch: int) -> int:
        """The most steps that `run` may make from an epoch on."""
        ...


@final
class Loop:
    """One run. `state` is always that after the last finished step, also after an exception."""

    def __init__(
        self,
        state: TrainState,
        runner: Runner,
        recorder: Recorder,
        hooks: RunHooks,
        intervals: dict[str, int],
        limit: int,
        mesh: DeviceMesh,
        profile: Profile | None,
        resampling: Resampling,
    ) -> None:
        self.state = state
        self.stopped: str | None = None
        self._runner, self._recorder, self._hooks = runner, recorder, hooks
        self._intervals = intervals
        self._limit = min(limit, CAPACITY)
        self._mesh, self._profile, self._resampling = mesh, profile, resampling
        self._tracked = -1

    def fit(self, info: RunInfo, epochs: int, interrupts: Interrupts) -> None:
        """Run `epochs` epochs, fewer if something stops the run."""
        epoch, end = info.first_epoch, info.first_epoch + epochs
        while epoch < end:
            steps = min(self._next_stop(epoch), end) - epoch
            steps = min(steps, self._limit, self._runner.pace.steps, self._runner.most_steps(epoch))
            # Processes that train together must make the same steps, though each has its own clock and its own signals.
            stop, steps = self._mesh.agree(self.stopped is not None or interrupts.received is not None, steps)
            if stop:
                self.stopped = self.stopped or interrupts.reason or "another process stopped"
                return
            self.state, points = self._resampling.renewed(self.state, epoch)
            for name, new in points.items():
                self._hooks.on_points_change(name, new, self.state)
            self._track(epoch)
            epoch += self._chunk(info, epoch, steps)
        self.stopped = self.stopped or interrupts.reason

    def _chunk(self, info: RunInfo, epoch: int, steps: int) -> int:
        """One chunk of steps, and what follows from it; how many steps were made."""
        with contextlib.nullcontext() if self._profile is None else self._profile.chunk():
            start = time.perf_counter()
            chunk = self._runner.run(self.state, steps)
            done, halted = int(chunk.done), bool(chunk.halted)
            seconds = time.perf_counter() - start
        self.state = chunk.state
        metrics = self._record(chunk, epoch, done, seconds)
        self._runner.pace.learn(done, seconds)
        if halted:
            self._rescue(info, chunk, epoch + done)
        if done:
            self._hooks.on_chunk_end(info, epoch + done, metrics, self.state)
            reasons = self._hooks.should_stop(epoch + done, metrics)
            self.stopped = self.stopped or ("; ".join(reasons) or None)
        return done

    def _rescue(self, info: RunInfo, chunk: Steps, epoch: int) -> None:
        """A callback may have a state to go on from after an epoch that was not finite; else the run stops."""
        reason = self._explain(info, chunk, epoch)
        saved = self._hooks.on_non_finite(info, epoch, reason, self.state)
        if saved is None:
            warnings.warn(
                f"{reason}; training stopped with the weights of that epoch. Lower the learning rate, or look for a division "
                "by zero, a logarithm or a root of a negative number.",
                NonFiniteLossWarning,
                stacklevel=6,
            )
            self.stopped = reason
        else:
            # The count of epochs goes on, whichever state it was.
            self.state = dataclasses.replace(saved, epoch=self.state.epoch)

    def _track(self, epoch: int) -> None:
        """Record the trackers that are due; once, also where a rescued run comes to the same epoch again."""
        due = any(epoch % i == 0 for name, i in self._intervals.items() if name not in self._runner.inner)
        if due and epoch != self._tracked:
            self._tracked = epoch
            for name, value in self._runner.track(self.state).items():
                self._recorder.add_track(name, epoch, np.asarray(value))

    def _next_stop(self, epoch: int) -> int:
        outer = [i for name, i in self._intervals.items() if name not in self._runner.inner]
        due = self._resampling.next_due(epoch)
        stops = [(epoch // i + 1) * i for i in (*outer, *self._hooks.intervals)]
        return min([*stops, epoch + CAPACITY if due is None else due])

    def _record(self, chunk: Steps, epoch: int, done: int, seconds: float) -> Metrics:
        for name, rows in zip(self._runner.inner, chunk.tracked, strict=True):
            for i, row in enumerate(np.asarray(rows)[:done]):
                self._recorder.add_track(name, epoch + i, row)
        return self._recorder.add_chunk(epoch, np.asarray(chunk.total)[:done], np.asarray(chunk.losses)[:done], seconds)

    def _explain(self, info: RunInfo, chunk: Steps, epoch: int) -> str:
        row = np.asarray(chunk.losses)[int(chunk.done)]
        bad = [f"{term!r} = {value}" for term, value in zip(info.terms, row, strict=True) if not np.isfinite(value)]
        gradient = "The losses are finite, the gradient or the update made of it is not,"
        what = f"The loss {', '.join(bad)} is not finite" if bad else gradient
        return f"{what} at epoch {epoch}"
