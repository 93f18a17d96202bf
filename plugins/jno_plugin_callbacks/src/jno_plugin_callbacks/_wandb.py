"""The losses of a run in Weights & Biases."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from jno_core import RunInfo
from jno_plugin_callbacks._logger import AbstractLogger, AbstractSink, Feed
from jno_plugin_callbacks._needs import missing


@final
class Wandb(AbstractLogger):
    """Logs losses and trackers to Weights & Biases, against `epoch`.

    - `project`, `name`: of the run; by default wandb chooses them.
    - `every`: multiples of so many epochs are logged. Default 100.
    - `options`: further arguments of `wandb.init`, such as `{"mode": "offline"}`. Its files go to the folder of the run
      (`jno.setup`) unless `dir` is among them, or where wandb puts them without one.

    A run that `wandb.init` has started before is used instead, and left open; the options are not used then. Numbers are all
    that is sent: no code, no weights. Where and whether wandb sends anything is decided by its own settings.

    Raises `JnoImportError` when a run starts without the package wandb.
    """

    def __init__(
        self,
        project: str | None = None,
        name: str | None = None,
        every: int = 100,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.options = {"project": project, "name": name, **(options or {})}
        self._feed = Feed("wandb", every)

    def open(self, run: RunInfo) -> AbstractSink:
        return _WandbRun(run, self.options)


@final
class _WandbRun(AbstractSink):
    """A run of Weights & Biases, which is finished only by who has started it."""

    def __init__(self, run: RunInfo, options: Mapping[str, Any]) -> None:
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing("wandb", "wandb", error) from error
        self._is_ours = wandb.run is None
        folder = {} if run.directory is None else {"dir": str(run.directory)}
        self._run = wandb.init(**{**folder, **options}) if self._is_ours else wandb.run
        # wandb drops what comes with a lower step than before, as when a run is resumed; an axis of one's own may go back.
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")

    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        self._run.log({"epoch": epoch, **{name: float(value) for name, value in values.items()}})

    def close(self, failed: bool) -> None:
        if self._is_ours:
            self._run.finish(exit_code=int(failed))
