"""The losses of a run in Aim."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from jno_core import RunInfo
from jno_plugin_callbacks._logger import AbstractLogger, AbstractSink, Feed
from jno_plugin_callbacks._needs import folder_of, missing


@final
class Aim(AbstractLogger):
    """Tracks losses and trackers in Aim, with the epoch as the step.

    - `directory`: the folder of Aim's repository, which is made. By default that of the run (`jno.setup`).
    - `experiment`: the experiment's name; by default Aim chooses it.
    - `every`: multiples of so many epochs are tracked. Default 100.
    - `options`: further arguments of `aim.Run`. Unless asked for by them, it captures neither the system's load nor the
      terminal.

    Raises `JnoImportError` when a run starts without the package aim, and `JnoValueError` when without a folder.
    """

    def __init__(
        self,
        directory: str | Path | None = None,
        experiment: str | None = None,
        every: int = 100,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        quiet = {"system_tracking_interval": None, "capture_terminal_logs": False}
        self.options = {"experiment": experiment, **quiet, **(options or {})}
        self._feed = Feed("aim", every)

    def open(self, run: RunInfo) -> AbstractSink:
        return _AimRun(folder_of("aim", run, self.directory), self.options)


@final
class _AimRun(AbstractSink):
    """A run of Aim."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        try:
            import aim  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing("aim", "aim", error) from error
        folder.mkdir(parents=True, exist_ok=True)
        self._run = aim.Run(repo=str(folder), **options)

    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        for name, value in values.items():
            self._run.track(float(value), name=name, step=epoch)

    def close(self, failed: bool) -> None:
        del failed
        self._run.close()
