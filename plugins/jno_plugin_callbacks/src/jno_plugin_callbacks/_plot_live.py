"""A picture of the losses while they fall."""

import math
import numbers
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from jno_core import Metrics, RunInfo, hookimpl
from jno_core.errors import JnoValueError
from jno_plugin_callbacks._figure import new_figure, png
from jno_plugin_callbacks._needs import folder_of
from jno_plugin_callbacks._screen import AbstractScreen, FileScreen, NotebookScreen, is_notebook

# A drawing takes a quarter of a second or so: of the run's time, at most this part is spent on it.
_SHARE = 0.01
# A curve is thinned to about so many points: more cannot be told apart on a screen.
_MOST_POINTS = 2000


@final
class PlotLive:
    """Draws the losses while the run goes on: in a notebook below the cell, elsewhere into a file that is replaced.

    - `directory`: the folder of the file `losses.png`, which is made; given, it is written in a notebook too. By default
      the folder of the run (`jno.setup`).
    - `seconds`: least time between two drawings. Default 5. Where drawing is slow it is done less often, so that it takes
      about 1 % of the run's time at most.

    The last picture is drawn at the end. If the file cannot be written, one `JnoWarning` says so, and training goes on.

    Raises `JnoValueError` for a time that is negative, and when a run starts without a folder; `JnoImportError` when it
    starts without matplotlib.
    """

    def __init__(self, directory: str | Path | None = None, seconds: float = 5.0) -> None:
        if not (isinstance(seconds, numbers.Real) and 0 <= seconds < math.inf):
            raise JnoValueError(
                f"PlotLive needs a finite number of seconds that is not negative as `seconds`, got {seconds!r}."
            )
        self.directory = directory
        self.seconds = seconds
        self._screen: AbstractScreen | None = None

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        """Chooses where to draw."""
        self._screen = None
        self._terms = run.terms
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []
        if run.writes:
            self._screen = self._choose(run)
            # The first drawing loads fonts and much else; the second one tells how often there is time for one.
            self._draw_blank()
            start = time.monotonic()
            self._draw_blank()
            self._schedule(start)

    @hookimpl
    def on_chunk_end(self, metrics: Metrics) -> None:
        """Takes the losses, and draws if it is time to."""
        if self._screen is None:
            return
        epochs = metrics.first_epoch + np.arange(len(metrics.total))
        self._chunks.append((epochs, np.column_stack([metrics.total, metrics.losses])))
        start = time.monotonic()
        if start >= self._due:
            self._draw(self._screen)
            self._schedule(start)

    @hookimpl
    def on_fit_end(self) -> None:
        """Draws the last picture."""
        self._finish()

    @hookimpl
    def on_fit_error(self) -> None:
        """Draws the last picture."""
        self._finish()

    def _schedule(self, start: float) -> None:
        """The next drawing is due when the one that began at `start` is a small part of the time in between."""
        end = time.monotonic()
        self._due = end + max(self.seconds, (end - start) / _SHARE)

    def _choose(self, run: RunInfo) -> AbstractScreen:
        if self.directory is None and is_notebook():
            return NotebookScreen()
        return FileScreen(folder_of("plot_live", run, self.directory) / "losses.png")

    def _finish(self) -> None:
        screen, self._screen = self._screen, None
        if screen is not None and self._chunks:
            self._draw(screen)

    def _draw_blank(self) -> None:
        png(_picture(np.zeros(0), np.zeros((0, 1 + len(self._terms))), self._terms))

    def _draw(self, screen: AbstractScreen) -> None:
        epochs, losses = (np.concatenate(parts) for parts in zip(*self._chunks, strict=True))
        screen.show(png(_picture(epochs, losses, self._terms)))


def _picture(epochs: np.ndarray, losses: np.ndarray, terms: Sequence[str]) -> Any:
    """A figure of the total loss and each term's."""
    figure = new_figure("plot_live")
    axes = figure.subplots()
    stride = max(1, -(-len(epochs) // _MOST_POINTS))
    # The newest epoch is always among those shown.
    shown = slice((len(epochs) - 1) % stride, None, stride)
    if len(terms) > 1:
        axes.plot(epochs[shown], losses[shown, 0], color="black", linewidth=1.5, label="total")
    for i, term in enumerate(terms, start=1):
        axes.plot(epochs[shown], losses[shown, i], linewidth=1.0, label=term)
    if np.any(losses > 0):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.grid(True, alpha=0.3)
    axes.legend()
    return figure
