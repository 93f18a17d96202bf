"""The losses of a run in MLflow."""

import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

import numpy as np

from jno_core import RunInfo
from jno_plugin_callbacks._logger import AbstractLogger, AbstractSink, Feed, columns
from jno_plugin_callbacks._needs import missing

_SECONDS = 1.0
"""The least time between two batches: a database takes about 10 ms for each, however small it is."""

_LARGEST_BATCH = 1000
"""MLflow's own limit."""


@final
class MlFlow(AbstractLogger):
    """Logs losses and trackers to MLflow, with the epoch as the step.

    - `experiment`: the experiment's name; it is created if there is none. Default `"jno"`.
    - `name`: the run's name; by default MLflow invents one.
    - `tracking_uri`: where to, such as `"http://localhost:5000"` or `"sqlite:///mlflow.db"`. By default what MLflow is set to
      (`mlflow.set_tracking_uri`, `MLFLOW_TRACKING_URI`).
    - `every`: multiples of so many epochs are logged. Default 100.

    Numbers are sent together, once a second at most and in the background; when `solve` returns, all have arrived.

    Without a `tracking_uri`, a run that `mlflow.start_run` has started before is used instead, and left open. Characters
    that MLflow does not allow in names become `_`.

    Raises `JnoImportError` when a run starts without the package mlflow.
    """

    def __init__(
        self,
        experiment: str = "jno",
        name: str | None = None,
        tracking_uri: str | None = None,
        every: int = 100,
    ) -> None:
        self.experiment = experiment
        self.name = name
        self.tracking_uri = tracking_uri
        self._feed = Feed("mlflow", every)

    def open(self, run: RunInfo) -> AbstractSink:
        return _MlFlowRun(columns(run), self.tracking_uri, self.experiment, self.name)


@final
class _MlFlowRun(AbstractSink):
    """A run of MLflow, which is ended only by who has started it."""

    def __init__(self, names: Sequence[str], uri: str | None, experiment: str, name: str | None) -> None:
        try:
            import mlflow  # pyright: ignore[reportMissingImports]
            from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing("mlflow", "mlflow", error) from error
        self._metric = Metric
        self._keys = _allowed(names)
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        active = mlflow.active_run() if uri is None else None
        self._is_ours = active is None
        if active is None:
            known = self._client.get_experiment_by_name(experiment)
            place = self._client.create_experiment(experiment) if known is None else known.experiment_id
            active = self._client.create_run(place, run_name=name)
        self._id = active.info.run_id
        self._thread = ThreadPoolExecutor(1, "jno-mlflow")
        self._sending: Future[None] | None = None
        self._next = time.monotonic() + _SECONDS
        self._waiting: list[Any] = []

    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        now = int(1000 * time.time())
        self._waiting += [self._metric(self._keys[name], float(value), now, epoch) for name, value in values.items()]
        if time.monotonic() >= self._next and (self._sending is None or self._sending.done()):
            self._send()
            self._next = time.monotonic() + _SECONDS

    def close(self, failed: bool) -> None:
        try:
            with self._thread:
                self._send()
            self._arrived()
        finally:
            if self._is_ours:
                self._client.set_terminated(self._id, status="FAILED" if failed else "FINISHED")

    def _send(self) -> None:
        """Gives what waits to the thread."""
        self._arrived()
        waiting, self._waiting = self._waiting, []
        self._sending = self._thread.submit(self._log, waiting)

    def _arrived(self) -> None:
        """Waits for what was sent last, and raises what has become of it."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.result()

    def _log(self, metrics: Sequence[Any]) -> None:
        for start in range(0, len(metrics), _LARGEST_BATCH):
            self._client.log_batch(self._id, metrics=metrics[start : start + _LARGEST_BATCH])


def _allowed(names: Sequence[str]) -> dict[str, str]:
    """Each name in characters that MLflow takes; names that would become the same get their position."""
    keys = [re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII) for name in names]
    return {
        name: key if keys.count(key) == 1 else f"{key} {i}"
        for i, (name, key) in enumerate(zip(names, keys, strict=True))
    }
