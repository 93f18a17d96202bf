"""The two ways of showing progress: a bar on a terminal, plain lines elsewhere."""

import abc
import sys
from typing import TYPE_CHECKING, TextIO, final

from jno_core import RunInfo
from jno_plugin_callbacks._report import Report

if TYPE_CHECKING:
    from rich.console import Console


class AbstractDisplay(abc.ABC):
    """Where reports are shown. It decides by itself which of them are due."""

    @abc.abstractmethod
    def show(self, report: Report) -> None:
        """Shows the report if it is time to."""

    @abc.abstractmethod
    def close(self) -> None:
        """Releases the terminal. May be called again."""

    @abc.abstractmethod
    def write(self, text: str) -> None:
        """Writes one line that stays, after `close`."""


@final
class Lines(AbstractDisplay):
    """Plain lines on a stream: the first report, one about every `interval` seconds, and the last one."""

    def __init__(self, stream: TextIO, interval: float) -> None:
        self._stream = stream
        self._interval = interval
        self._written: Report | None = None
        self._pending: Report | None = None

    def show(self, report: Report) -> None:
        """Writes the report if it is due; else keeps it, as it may be the last one."""
        self._pending = report
        due = self._written is None or report.seconds - self._written.seconds >= self._interval
        if due or report.completed == report.end:
            self._write_pending()

    def close(self) -> None:
        """Writes the last report, unless it was written."""
        self._write_pending()

    def write(self, text: str) -> None:
        # A term's name that the stream cannot encode must not end the run.
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()

    def _write_pending(self) -> None:
        if self._pending is not None:
            self.write(self._pending.line)
            self._written, self._pending = self._pending, None


@final
class Bar(AbstractDisplay):
    """A bar at the bottom of a terminal, redrawn about every `interval` seconds and erased at the end."""

    def __init__(self, console: "Console", interval: float, run: RunInfo) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = console
        self._interval = interval
        self._drawn = 0.0
        self._first_epoch = run.first_epoch
        # No thread draws (auto_refresh), so nothing is left running if a run ends without a word. A stream that goes to
        # a file keeps going there: only what would be printed into the bar is led around it.
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[status]}"),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("starting", total=run.epochs, status="")
        self._progress.start()

    def show(self, report: Report) -> None:
        due = report.seconds - self._drawn >= self._interval or report.completed == report.end
        if not due:
            return
        self._drawn = report.seconds
        self._progress.update(
            self._task,
            completed=report.completed - self._first_epoch,
            description=report.epoch,
            status=f"loss {report.total:.3e}  {report.speed}",
            refresh=True,
        )

    def close(self) -> None:
        self._progress.stop()

    def write(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
