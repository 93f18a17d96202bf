"""The losses of a run as TensorBoard shows them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from jno_core import RunInfo
from jno_plugin_callbacks._logger import AbstractLogger, AbstractSink, Feed
from jno_plugin_callbacks._needs import folder_of, missing


@final
class TensorBoard(AbstractLogger):
    """Writes losses and trackers as scalars for TensorBoard: `total_loss`, `loss/TERM`, `tracker/NAME`.

    - `directory`: the folder of the event files, which is made. By default `tensorboard` in that of the run (`jno.setup`).
    - `every`: multiples of so many epochs are written. Default 100.

    Each run writes a file of its own. One that continues an earlier run tells TensorBoard to forget what stood there from
    its first epoch on. Look at it by `tensorboard --logdir FOLDER`.

    Raises `JnoImportError` when a run starts without the package tensorboard, and `JnoValueError` when without a folder.
    """

    def __init__(self, directory: str | Path | None = None, every: int = 100) -> None:
        self.directory = directory
        self._feed = Feed("tensorboard", every)

    def open(self, run: RunInfo) -> AbstractSink:
        folder = folder_of("tensorboard", run, self.directory)
        return _Events(folder if self.directory is not None else folder / "tensorboard", run.first_epoch)


@final
class _Events(AbstractSink):
    """An event file."""

    def __init__(self, folder: Path, first_epoch: int) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise missing("tensorboard", "tensorboard", error) from error
        self._events: Any = event_pb2
        self._summaries: Any = summary_pb2
        self._writer = EventFileWriter(str(folder))
        if first_epoch > 0:
            self._add(first_epoch, session_log=self._events.SessionLog(status=self._events.SessionLog.START))

    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        scalars = [self._summaries.Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._add(epoch, summary=self._summaries.Summary(value=scalars))

    def close(self, failed: bool) -> None:
        del failed
        self._writer.close()

    def _add(self, epoch: int, **content: Any) -> None:
        self._writer.add_event(self._events.Event(step=epoch, wall_time=time.time(), **content))
