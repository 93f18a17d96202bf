"""What a run has measured so far: losses of every epoch, trackers at their intervals, wall time."""

from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np

from jno_core._interfaces import Metrics
from jno_core._train.problem import Problem
from jno_core._train.provenance import described_devices, versions_used
from jno_core._train.run_log import RunLog, Track
from jno_core.errors import JnoTypeError


@final
class Recorder:
    """Collects one run on the host and turns it into a `RunLog`.

    - `callbacks`: those of the run, and `devices`: those that it runs on, JAX's default one if none is given; both are
      for the record only.
    """

    def __init__(
        self, problem: Problem, first_epoch: int, callbacks: Iterable[object] = (), devices: Sequence[Any] = ()
    ) -> None:
        self._problem = problem
        self._where: dict[str, Any] = {**described_devices(devices), "versions": versions_used(problem, callbacks)}
        self._first = first_epoch
        self._total: list[np.ndarray] = []
        self._losses: list[np.ndarray] = []
        self._seconds: list[np.ndarray] = []
        self._elapsed = 0.0
        self._rows: dict[str, list[tuple[int, Any]]] = {name: [] for name in problem.trackers}
        self._told = dict.fromkeys(self._rows, 0)

    def add_chunk(self, epoch: int, total: np.ndarray, losses: np.ndarray, seconds: float) -> Metrics:
        """Record the epochs from `epoch` on; the time is spread evenly over them."""
        self._total.append(total)
        self._losses.append(losses)
        self._seconds.append(self._elapsed + seconds * np.arange(1, len(total) + 1) / max(len(total), 1))
        self._elapsed += seconds
        newest = {name: rows[-1][1] for name, rows in self._rows.items() if rows}
        fresh = {name: rows[self._told[name] :] for name, rows in self._rows.items()}
        self._told = {name: len(rows) for name, rows in self._rows.items()}
        return Metrics(epoch, total, losses, seconds, newest, fresh)

    def add_track(self, name: str, epoch: int, value: np.ndarray) -> None:
        """Record a tracker's value (leading axis B, dropped when it is 1)."""
        value = value[0] if value.shape[0] == 1 else value
        reduce = self._problem.trackers[name].reduce
        recorded = np.asarray(value if reduce is None else reduce(value))
        shape = self._rows[name][0][1].shape if self._rows[name] else recorded.shape
        if recorded.dtype.kind not in "biufc" or recorded.shape != shape:
            raise JnoTypeError(
                f"reduce of the tracker {name!r} must return numbers of one shape in every epoch; it returned shape "
                f"{recorded.shape} of dtype {recorded.dtype} in epoch {epoch}. Return one number, as np.linalg.norm does."
            )
        self._rows[name].append((epoch, recorded))

    def log(self, compile_seconds: float, trainable: int, frozen: int, stopped: str | None) -> RunLog:
        """The record of the run."""
        k = len(self._problem.terms)
        return RunLog(
            first_epoch=self._first,
            terms=self._problem.terms,
            total_loss=np.concatenate([np.zeros(0), *self._total]),
            losses=np.concatenate([np.zeros((0, k)), *self._losses]),
            tracks={
                name: Track(np.array([e for e, _ in rows], dtype=np.int64), np.array([v for _, v in rows]))
                for name, rows in self._rows.items()
            },
            seconds=np.concatenate([np.zeros(0), *self._seconds]),
            compile_seconds=compile_seconds,
            training_time=self._elapsed,
            trainable_params=trainable,
            frozen_params=frozen,
            stopped=stopped,
            **self._where,
        )
