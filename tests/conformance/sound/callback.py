"""A sound callback."""

from typing import final

from jno_core import Metrics, RunInfo, TrainState, hookimpl


@final
class Lowest:
    """Remembers the lowest total loss."""

    def __init__(self, *, start: float = float("inf")) -> None:
        self.lowest = start

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        del run

    @hookimpl
    def on_chunk_end(self, step: int, metrics: Metrics, state: TrainState) -> None:
        del step, state
        self.lowest = min(self.lowest, float(metrics.total.min()))

    @hookimpl
    def on_fit_error(self, error: BaseException) -> None:
        del error
