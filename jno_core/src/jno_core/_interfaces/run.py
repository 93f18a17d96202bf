"""What hooks are told about a run. All of it is read-only: a callback watches, saves, stops or talks."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import numpy as np
from jaxtyping import Float


@final
@dataclasses.dataclass(frozen=True)
class RunInfo:
    """A run as it starts.

    - `first_epoch`, `epochs`: the run covers epochs `first_epoch` to `first_epoch + epochs - 1`.
    - `terms`: names of the loss terms, in the order of the constraints.
    - `trackers`: names of the trackers.
    - `trainable`: number of trainable scalars.
    """

    first_epoch: int
    epochs: int
    terms: tuple[str, ...]
    trackers: tuple[str, ...]
    trainable: int


@final
@dataclasses.dataclass(frozen=True)
class Metrics:
    """What was measured since the last call, as host arrays; row i belongs to epoch `first_epoch + i`.

    - `total`: the total loss of each epoch, `(k,)`.
    - `losses`: each constraint's loss, `(k, n)`.
    - `seconds`: wall time of these epochs.
    - `tracked`: the newest value of each tracker recorded so far, by name.
    """

    first_epoch: int
    total: Float[np.ndarray, " k"]
    losses: Float[np.ndarray, "k n"]
    seconds: float
    tracked: Mapping[str, np.ndarray]


@final
@dataclasses.dataclass(frozen=True)
class FitResult:
    """A run as it ended: epochs done, why it stopped early (`None` if it did not), the statistics that `solve` returns."""

    epochs: int
    stopped: str | None
    statistics: Any
