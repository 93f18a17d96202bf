"""The losses of a run as a table in a text file."""

import csv
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, final

import numpy as np

from jno_core import RunInfo
from jno_core.errors import JnoValueError
from jno_plugin_callbacks._logger import AbstractLogger, AbstractSink, Feed, columns
from jno_plugin_callbacks._needs import folder_of

_SECONDS_TO_FLUSH = 1.0


@final
class CsvLogger(AbstractLogger):
    """Writes losses and trackers to a file of comma-separated values.

    The columns are `epoch`, `total_loss`, `loss/TERM` for each term and `tracker/NAME` for each tracker: the newest value
    at that epoch, empty where there is none or where it is not one number.

    - `directory`: the folder, which is made. By default that of the run (`jno.setup`).
    - `name`: the file in it. Default `losses.csv`.
    - `every`: multiples of so many epochs are written. Default 10.

    Each epoch stands in the file once, in order: a run that continues an earlier one replaces the rows from its first
    epoch on. A run from epoch 0 starts a new file in the place of an old one.

    Raises `JnoValueError` when a run starts without a folder, or continues a file with other columns.
    """

    def __init__(self, directory: str | Path | None = None, name: str = "losses.csv", every: int = 10) -> None:
        self.directory = directory
        self.name = name
        self._feed = Feed("csv_logger", every)

    def open(self, run: RunInfo) -> AbstractSink:
        path = folder_of("csv_logger", run, self.directory) / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Table(path, ("epoch", *columns(run)), run.first_epoch)


@final
class _Table(AbstractSink):
    """A file of which each epoch is a row."""

    def __init__(self, path: Path, header: Sequence[str], first_epoch: int) -> None:
        self._path = path
        self._header = list(header)
        self._flushed = time.monotonic()
        rows = self._rows_before(first_epoch) if first_epoch > 0 and path.exists() else []
        self._file = self._replaced(rows)

    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        cells = csv.writer(self._file, lineterminator="\n")
        cells.writerow([epoch, *(str(values[name]) if name in values else "" for name in self._header[1:])])
        if time.monotonic() - self._flushed > _SECONDS_TO_FLUSH:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self, failed: bool) -> None:
        del failed
        self._file.close()

    def _rows_before(self, epoch: int) -> list[list[str]]:
        text = self._path.read_text(encoding="utf-8")
        # A run that was killed may have left half a row.
        header, *rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines())) or [[]]
        if header != self._header:
            raise JnoValueError(
                f"The file {self._path} has the columns {', '.join(header)}; this run has {', '.join(self._header)}. "
                "Give csv_logger another name=... or directory=..."
            )
        return [row for row in rows if int(row[0]) < epoch]

    def _replaced(self, rows: Sequence[Sequence[str]]) -> TextIO:
        """The file with these rows, open for more; the old one stands until the new one is whole."""
        draft = self._path.with_name(self._path.name + ".part")
        with draft.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([self._header, *rows])
        os.replace(draft, self._path)
        return self._path.open("a", newline="", encoding="utf-8")
