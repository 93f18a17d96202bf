"""What a progress display shows, and how it is put into words."""

import dataclasses
import math
from typing import final

from jno_core import FitResult, Metrics, RunInfo

# Seconds after which past speed counts for 1/e: long enough for a calm figure, short enough to follow changes.
_MEMORY = 20.0


@final
@dataclasses.dataclass(frozen=True)
class Report:
    """The state of a run after a chunk.

    - `run`: the run that it belongs to.
    - `completed`: number of completed epochs, over all runs of the problem.
    - `total`, `losses`: the newest total loss and loss of each term.
    - `rate`: steps per second, NaN as long as no time has passed.
    - `seconds`: training time of this run so far.
    """

    run: RunInfo
    completed: int
    total: float
    losses: tuple[float, ...]
    rate: float
    seconds: float

    @property
    def end(self) -> int:
        """The number of completed epochs with which the run ends."""
        return self.run.first_epoch + self.run.epochs

    @property
    def epoch(self) -> str:
        """Such as `epoch  200/1000`, of constant width."""
        return f"epoch {self.completed:>{len(str(self.end))}}/{self.end}"

    @property
    def speed(self) -> str:
        """Such as `812 steps/s  ETA 1:05`."""
        digits = ",.0f" if self.rate >= 100 else ".3g"
        return f"{self.rate:{digits}} steps/s  ETA {duration((self.end - self.completed) / self.rate)}"

    @property
    def line(self) -> str:
        """The report in one line."""
        terms = ", ".join(f"{name} {loss:.2e}" for name, loss in zip(self.run.terms, self.losses, strict=True))
        return f"{self.epoch}  loss {self.total:.3e}  ({terms})  {self.speed}"


@final
class Meter:
    """Turns the metrics of a run's chunks into reports.

    The speed is a mean over the chunks so far, weighted by a factor that decays exponentially with their age.
    """

    def __init__(self, run: RunInfo) -> None:
        self._run = run
        self._seconds = 0.0
        self._recent_seconds = 0.0
        self._recent_epochs = 0.0

    def read(self, metrics: Metrics) -> Report:
        """The report after the chunk that `metrics` describes."""
        epochs = len(metrics.total)
        decay = math.exp(-metrics.seconds / _MEMORY)
        self._seconds += metrics.seconds
        self._recent_seconds = decay * self._recent_seconds + metrics.seconds
        self._recent_epochs = decay * self._recent_epochs + epochs
        return Report(
            run=self._run,
            completed=metrics.first_epoch + epochs,
            total=float(metrics.total[-1]),
            losses=tuple(metrics.losses[-1].tolist()),
            rate=self._recent_epochs / self._recent_seconds if self._recent_seconds > 0 else math.nan,
            seconds=self._seconds,
        )


def duration(seconds: float) -> str:
    """Such as `4.2 s`, `1:05` or `2:00:09`; `?` for what is not known."""
    if math.isnan(seconds):
        return "?"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}:{minutes_left:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def summary(result: FitResult, last: Report | None) -> str:
    """The whole run in one line; `last` is its last report, `None` if it made no step."""
    parts = [f"{result.epochs} epochs"]
    if last is not None:
        parts += [f"loss {last.total:.3e}", duration(last.seconds)]
    text = ", ".join(parts)
    return f"done: {text}" if result.stopped is None else f"stopped: {text}: {result.stopped}"
