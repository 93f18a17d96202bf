"""What hooks are told about a run. All of it is read-only: a callback watches, saves, stops or talks."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Array, Float

from jno_core._custom_types import PyTree
from jno_core._interfaces.checkpoint import Checkpoint
from jno_core._interfaces.state import TrainState


class AbstractRunView(abc.ABC):
    """What a callback may ask about the problem that is trained. Nothing of it changes the run.

    `losses` and `residuals` are pure functions of JAX arrays: they may be differentiated in `params`, mapped and compiled.
    They see the points, the time step and the random numbers of the step that follows `state`.
    """

    @abc.abstractmethod
    def losses(self, params: dict[str, PyTree], state: TrainState) -> Float[Array, " n"]:
        """Each constraint's loss in the order of `RunInfo.terms`, with these parameters in place of `state.params`."""

    @abc.abstractmethod
    def residuals(self, params: dict[str, PyTree], state: TrainState) -> dict[str, Array]:
        """What each constraint reduces, before the reduction, by term: `(B, N, ...)`; `(B,)` for one that reduces nothing."""

    @abc.abstractmethod
    def modules(self, state: TrainState) -> dict[str, PyTree]:
        """The networks by name, with the weights of `state`."""

    @abc.abstractmethod
    def checkpoint(self, state: TrainState) -> Checkpoint:
        """What a checkpoint stores: `state`, which must be the newest, and the history up to it. Copied to host memory."""


@final
@dataclasses.dataclass(frozen=True)
class RunInfo:
    """A run as it starts.

    - `first_epoch`, `epochs`: the run covers epochs `first_epoch` to `first_epoch + epochs - 1`.
    - `terms`: names of the loss terms, in the order of the constraints.
    - `trackers`: names of the trackers.
    - `trainable`: number of trainable scalars.
    - `directory`: the run folder that `jno.setup` made, `None` without one.
    - `writes`: whether this process writes files; of several processes that train together one does.
    - `view`: what may be asked about the problem.
    """

    first_epoch: int
    epochs: int
    terms: tuple[str, ...]
    trackers: tuple[str, ...]
    trainable: int
    directory: Path | None
    writes: bool
    view: AbstractRunView


@final
@dataclasses.dataclass(frozen=True)
class Metrics:
    """What was measured since the last call, as host arrays; row i belongs to epoch `first_epoch + i`.

    - `total`: the total loss of each epoch, `(k,)`.
    - `losses`: each constraint's loss, `(k, n)`.
    - `seconds`: wall time of these epochs.
    - `tracked`: the newest value of each tracker recorded so far, by name.
    - `records`: what each tracker has recorded since the last call, as pairs of epoch and value.
    """

    first_epoch: int
    total: Float[np.ndarray, " k"]
    losses: Float[np.ndarray, "k n"]
    seconds: float
    tracked: Mapping[str, np.ndarray]
    records: Mapping[str, Sequence[tuple[int, np.ndarray]]] = dataclasses.field(default_factory=dict)


@final
@dataclasses.dataclass(frozen=True)
class FitResult:
    """A run as it ended.

    - `epochs`: epochs done.
    - `stopped`: why it ended early, `None` if it did not.
    - `state`: the last state.
    - `statistics`: what `solve` returns.
    """

    epochs: int
    stopped: str | None
    state: TrainState
    statistics: Any
