"""Measuring a property of the problem now and then while it trains."""

import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Array, Int

from jno_core import FitResult, RunInfo, TrainState, hookimpl
from jno_core.errors import JnoValueError
from jno_plugin_callbacks._figure import new_figure, save
from jno_plugin_callbacks._needs import check_positive

Measure: TypeAlias = Callable[[TrainState], Mapping[str, Array | np.ndarray]]
"""What is measured at a state, by name: arrays of the same shapes at every state."""


@final
class Series:
    """The measurements of all runs of a callback: at multiples of `every` epochs, at each run's start and at its end."""

    def __init__(self, callback: str, every: int) -> None:
        check_positive(callback, every=every)
        self.callback = callback
        self.every = every
        self._measure: Measure | None = None
        self._terms: tuple[str, ...] = ()
        self._epochs: list[int] = []
        self._values: list[dict[str, np.ndarray]] = []

    @property
    def epochs(self) -> Int[np.ndarray, " s"]:
        """Completed epochs at each measurement."""
        return np.asarray(self._epochs, dtype=np.int64)

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the loss terms."""
        return self._terms

    def start(self, run: RunInfo, measure: Measure) -> None:
        """Measures a run from now on. One whose terms are others than before begins a new series."""
        if run.terms != self._terms or (self._epochs and run.first_epoch < self._epochs[-1]):
            self._epochs, self._values = [], []
        self._terms = run.terms
        self._measure = measure

    def take(self, state: TrainState, *, due: bool = False) -> None:
        """Measures a state, if its epoch is a multiple of `every` or it is `due`; each epoch once."""
        epoch = int(state.epoch)
        if self._measure is None or epoch in self._epochs[-1:] or not (due or epoch % self.every == 0):
            return
        values = {name: np.asarray(value) for name, value in self._measure(state).items()}
        self._epochs.append(epoch)
        self._values.append(values)

    def end(self) -> None:
        """Lets go of the run."""
        self._measure = None

    def stacked(self, name: str) -> np.ndarray:
        """The measurements of a name, `(S, ...)`.

        Raises `JnoValueError` if there is none yet.
        """
        if not self._values:
            raise JnoValueError(
                f"The callback {self.callback!r} has measured nothing yet; give it to solve(callbacks=[...])."
            )
        return np.stack([values[name] for values in self._values])


class AbstractProbe(abc.ABC):
    """A callback that measures. It takes part in nothing: the run does not know whether it is there."""

    _series: Series

    @abc.abstractmethod
    def prepare(self, run: RunInfo) -> Measure:
        """The measurement for a run; called once before it."""

    @abc.abstractmethod
    def plot(self, path: str | Path) -> None:
        """Draws what was measured into a file; its ending gives the format.

        Raises `JnoImportError` without matplotlib, and `JnoValueError` if nothing was measured.
        """

    @property
    def every(self) -> int:
        """Epochs between two measurements."""
        return self._series.every

    @property
    def epochs(self) -> Int[np.ndarray, " s"]:
        """The number of completed epochs at each measurement, `(S,)`."""
        return self._series.epochs

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the loss terms, in the order of their axes."""
        return self._series.terms

    @hookimpl
    def on_fit_start(self, run: RunInfo, state: TrainState) -> None:
        """Measures before the first step."""
        self._series.start(run, self.prepare(run))
        self._series.take(state, due=True)

    @hookimpl
    def on_chunk_end(self, state: TrainState) -> None:
        """Measures if it is time to."""
        self._series.take(state)

    @hookimpl
    def on_fit_end(self, result: FitResult) -> None:
        """Measures after the last step."""
        self._series.take(result.state, due=True)
        self._series.end()

    @hookimpl
    def on_fit_error(self) -> None:
        """Lets go of the run."""
        self._series.end()


def draw_curves(series: Series, curves: Mapping[str, np.ndarray], label: str, path: str | Path, *, log: bool) -> None:
    """Draws curves over the epochs of a series into a file."""
    figure = new_figure(series.callback)
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(series.epochs, values, marker=".", label=name)
    if log and any(np.any(values > 0) for values in curves.values()):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.grid(True, alpha=0.3)
    axes.legend()
    save(figure, path)
