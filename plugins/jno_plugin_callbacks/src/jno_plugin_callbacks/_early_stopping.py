"""Ending a run whose total loss has ceased to improve."""

import math
import numbers
from typing import Literal, final, get_args

from jno_core import Metrics, RunInfo, hookimpl
from jno_core.errors import JnoValueError

ImprovementMode = Literal["min", "max", "rel"]


@final
class EarlyStopping:
    """Ends a run after `patience` epochs in which the total loss has not improved on the best one so far.

    | `mode` | the loss `m` improves on the best value `b` if |
    |---|---|
    | `"min"` | `m < b - min_delta` |
    | `"max"` | `m > b + min_delta` |
    | `"rel"` | `m < b - min_delta * abs(b)` |

    - `patience`: epochs without an improvement, at least 1. Default 500.
    - `min_delta`: the least change that counts; not negative, and below 1 in mode `"rel"`, where it is a fraction.
      Default 0.
    - `baseline`: the value that the first improvement must beat. By default there is none: the first loss improves.
    - `every`: the run is examined at multiples of so many epochs. Default 50.

    Every epoch is examined, so the decision does not depend on how the run is cut into chunks. The run ends with the
    chunk in which the decision falls, that is at most `every - 1` epochs later. A loss that is NaN or infinite never
    improves. A callback that is used again starts afresh.

    - `best_metric`, `best_epoch`: the best total loss and its epoch, counted from 0 over all runs of a problem. Before
      the first improvement they are the baseline and `None`.
    - `stopped_epoch`: the epoch in which patience ran out, else `None`; `has_stopped` tells whether there is one.

    Raises `JnoValueError` for an argument outside of its range.
    """

    def __init__(
        self,
        patience: int = 500,
        min_delta: float = 0.0,
        mode: ImprovementMode = "min",
        baseline: float | None = None,
        every: int = 50,
    ) -> None:
        for name, value in (("patience", patience), ("every", every)):
            if not (isinstance(value, numbers.Integral) and value >= 1):
                raise JnoValueError(f"EarlyStopping needs a positive integer as `{name}`, got {value!r}.")
        if mode not in get_args(ImprovementMode):
            known = ", ".join(repr(name) for name in get_args(ImprovementMode))
            raise JnoValueError(f"EarlyStopping knows the modes {known} as `mode`, got {mode!r}.")
        if not (isinstance(min_delta, numbers.Real) and 0 <= min_delta < math.inf):
            raise JnoValueError(
                f"EarlyStopping needs a finite number that is not negative as `min_delta`, got {min_delta!r}."
            )
        if mode == "rel" and min_delta >= 1:
            raise JnoValueError(
                f"In mode 'rel', EarlyStopping takes `min_delta` as a fraction of the best loss, below 1, "
                f"got {min_delta!r}. Write 0.01 for one per cent."
            )
        if baseline is not None and not (isinstance(baseline, numbers.Real) and math.isfinite(baseline)):
            raise JnoValueError(f"EarlyStopping needs a finite number or None as `baseline`, got {baseline!r}.")
        self.patience = patience
        self.min_delta = min_delta
        self.mode: ImprovementMode = mode
        self.baseline = baseline
        self.every = every
        self._start(first_epoch=0)

    @property
    def has_stopped(self) -> bool:
        """Whether patience ran out."""
        return self.stopped_epoch is not None

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        """Forgets what an earlier run left behind."""
        self._start(run.first_epoch)

    @hookimpl
    def should_stop(self, metrics: Metrics) -> str | None:
        """Examines each epoch of the chunk up to the decision."""
        for epoch, value in enumerate(metrics.total.tolist(), start=metrics.first_epoch):
            if self._improves(value):
                self.best_metric = value
                self.best_epoch = self._improved_epoch = epoch
            elif epoch - self._improved_epoch >= self.patience:
                self.stopped_epoch = epoch
                return self._reason()
        return None

    def _start(self, first_epoch: int) -> None:
        self.best_metric = self.baseline
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._improved_epoch = first_epoch - 1

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        best = self.best_metric
        if best is None:
            return True
        match self.mode:
            case "min":
                return value < best - self.min_delta
            case "max":
                return value > best + self.min_delta
            case "rel":
                return value < best - self.min_delta * abs(best)

    def _reason(self) -> str:
        if self.best_epoch is not None:
            best = f"best {self.best_metric:.4g} at epoch {self.best_epoch}"
        elif self.baseline is not None:
            best = f"baseline {self.baseline:.4g} not reached"
        else:
            best = "no finite loss"
        return f"the total loss has not improved for {self.patience} epochs ({best})"
