"""Showing how a run gets on."""

import math
import numbers
import sys
from typing import TYPE_CHECKING, TextIO, cast, final

from jno_core import FitResult, Metrics, RunInfo, hookimpl
from jno_core.errors import JnoTypeError, JnoValueError
from jno_plugin_callbacks._display import AbstractDisplay, Bar, Lines
from jno_plugin_callbacks._report import Meter, Report, summary

if TYPE_CHECKING:
    from rich.console import Console


@final
class Progress:
    """Shows epoch, losses, speed and remaining time: a bar on a terminal, plain lines elsewhere, at the end a summary.

    - `refresh`: least time between two drawings of the bar, in seconds. Default 0.2.
    - `lines_every`: least time between two plain lines, in seconds; the first and the last chunk are always reported.
      Default 10.
    - `console`: the `rich.console.Console` to write to. By default it is the standard output when the run starts.

    Nothing is written more often than chunks end. Times are training time: compilation and callbacks do not count. The
    bar is removed when the run ends, also by an error or an interrupt.

    Raises `JnoValueError` for a time that is negative, and `JnoTypeError` for another kind of console.
    """

    def __init__(self, refresh: float = 0.2, lines_every: float = 10.0, console: "Console | None" = None) -> None:
        for name, value in (("refresh", refresh), ("lines_every", lines_every)):
            if not (isinstance(value, numbers.Real) and 0 <= value < math.inf):
                raise JnoValueError(
                    f"Progress needs a finite number of seconds that is not negative as `{name}`, got {value!r}."
                )
        if console is not None:
            from rich.console import Console

            if not isinstance(console, Console):
                raise JnoTypeError(
                    f"Progress needs a rich.console.Console or None as `console`, got {type(console).__name__}. "
                    "Wrap a stream as rich.console.Console(file=stream)."
                )
        self.refresh = refresh
        self.lines_every = lines_every
        self.console = console
        self._meter: Meter | None = None
        self._display: AbstractDisplay | None = None
        self._last: Report | None = None

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        """Chooses the display and puts it up."""
        self._take_down()
        self._meter = Meter(run)
        self._display = self._put_up(run)
        self._last = None

    @hookimpl
    def on_chunk_end(self, metrics: Metrics) -> None:
        """Reports the newest epoch, if a report is due."""
        if self._meter is not None and self._display is not None:
            self._last = self._meter.read(metrics)
            self._display.show(self._last)

    # First among the callbacks, so that what others print, or raise, meets a clean terminal.
    @hookimpl(tryfirst=True)
    def on_fit_end(self, result: FitResult) -> None:
        """Removes the bar and writes the summary."""
        display = self._take_down()
        if display is not None:
            display.write(summary(result, self._last))

    @hookimpl(tryfirst=True)
    def on_fit_error(self) -> None:
        """Removes the bar."""
        self._take_down()

    def _put_up(self, run: RunInfo) -> AbstractDisplay:
        console = self.console
        if console is None:
            if not sys.stdout.isatty():
                return Lines(sys.stdout, self.lines_every)
            from rich.console import Console

            console = Console(file=sys.stdout)
        if console.is_interactive:
            return Bar(console, self.refresh, run)
        return Lines(cast(TextIO, console.file), self.lines_every)

    def _take_down(self) -> AbstractDisplay | None:
        display, self._display = self._display, None
        if display is not None:
            display.close()
        return display
