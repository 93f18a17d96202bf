"""Passing a run's numbers on to something that records them."""

import abc
import warnings
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from jno_core import Metrics, RunInfo, hookimpl
from jno_core.errors import JnoError, JnoWarning
from jno_plugin_callbacks._needs import check_positive

TOTAL = "total_loss"


def columns(run: RunInfo) -> list[str]:
    """The names under which a run is recorded: `total_loss`, `loss/TERM` of each term, `tracker/NAME` of each tracker."""
    return [TOTAL, *(f"loss/{term}" for term in run.terms), *(f"tracker/{name}" for name in run.trackers)]


class AbstractSink(abc.ABC):
    """Where the numbers of one run go. It may fail with whatever error its library has: the run does not notice."""

    @abc.abstractmethod
    def write(self, epoch: int, values: Mapping[str, np.floating]) -> None:
        """Records an epoch under the names of `columns`."""

    @abc.abstractmethod
    def close(self, failed: bool) -> None:
        """Ends the record, after the run has ended or failed."""


@final
class Feed:
    """Gives a sink the losses of every epoch that is a multiple of `every`, with the newest value of each tracker.

    A tracker whose value is not one number is left out. If the sink fails, one `JnoWarning` says so, and nothing more is
    recorded. Of several processes that train together, one records.
    """

    def __init__(self, callback: str, every: int) -> None:
        check_positive(callback, every=every)
        self._callback = callback
        self._every = every
        self._sink: AbstractSink | None = None
        self._tracked: dict[str, np.floating] = {}
        self._has_failed = False

    def start(self, run: RunInfo, make: Callable[[RunInfo], AbstractSink]) -> None:
        """Opens the sink; an error of jno's own, such as that of a missing package, is raised."""
        self._sink, self._tracked, self._has_failed = None, {}, False
        self._terms = columns(run)[: 1 + len(run.terms)]
        if run.writes:
            self._sink = self._attempt(make, run)

    def take(self, metrics: Metrics) -> None:
        """Passes on the epochs of a chunk."""
        if self._sink is not None and not self._has_failed:
            self._attempt(self._write, self._sink, metrics)

    def end(self, *, failed: bool) -> None:
        """Closes the sink, also one that has failed: it may hold a file or a connection."""
        sink, self._sink = self._sink, None
        if sink is not None:
            self._attempt(sink.close, failed)

    def _write(self, sink: AbstractSink, metrics: Metrics) -> None:
        records = sorted(
            (epoch, f"tracker/{name}", value.reshape(-1)[0])
            for name, rows in metrics.records.items()
            for epoch, value in rows
            if value.size == 1 and value.dtype.kind in "biuf"
        )
        losses = np.column_stack([metrics.total, metrics.losses])
        first = metrics.first_epoch
        for epoch in range(-(-first // self._every) * self._every, first + len(losses), self._every):
            while records and records[0][0] <= epoch:
                _, name, value = records.pop(0)
                self._tracked[name] = value
            sink.write(epoch, {**dict(zip(self._terms, losses[epoch - first], strict=True)), **self._tracked})
        self._tracked |= {name: value for _, name, value in records}

    def _attempt(self, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except JnoError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a logging library raises, training is worth more
            if not self._has_failed:
                warnings.warn(
                    f"The callback {self._callback!r} has failed and records nothing more of this run; training goes on. "
                    f"{type(error).__name__}: {error}",
                    JnoWarning,
                    stacklevel=2,
                )
            self._has_failed = True
            return None


class AbstractLogger(abc.ABC):
    """A callback that feeds a sink."""

    _feed: Feed

    @abc.abstractmethod
    def open(self, run: RunInfo) -> AbstractSink:
        """Starts the record of a run.

        Raises `JnoImportError` if a package is missing.
        """

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        """Opens the record."""
        self._feed.start(run, self.open)

    @hookimpl
    def on_chunk_end(self, metrics: Metrics) -> None:
        """Records the epochs of the chunk."""
        self._feed.take(metrics)

    @hookimpl
    def on_fit_end(self) -> None:
        """Closes the record."""
        self._feed.end(failed=False)

    @hookimpl
    def on_fit_error(self) -> None:
        """Closes the record as that of a run that failed."""
        self._feed.end(failed=True)
