"""The training history that `solve` returns."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
from jaxtyping import Float, Int

from jno_core._train.run_log import RunLog, Track
from jno_core._train.statistics_file import read_runs, write_runs
from jno_core._train.statistics_plot import draw, save_figure
from jno_core._train.statistics_report import as_html, as_text
from jno_core._train.statistics_table import as_dataframe
from jno_core.errors import JnoKeyError


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Statistics:
    """Training history: the losses of every epoch and the trackers' values, over all `solve` calls.

    It never changes: a later `solve` returns a new one, which holds the earlier runs too.

    - `logs`: one `RunLog` per `solve` call.

    !!! example

        ```python
        history = crux.solve(5_000)
        history.total_loss            # 1.2e-6
        history.total_loss_history    # (5000,)
        history.summary().plot("runs/training.png").save("runs/history.safetensors")
        ```
    """

    logs: Sequence[RunLog] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "logs", tuple(self.logs))

    def with_run(self, log: RunLog) -> "Statistics":
        """Return the history with one more run at its end."""
        return Statistics((*self.logs, log))

    @property
    def total_loss(self) -> float | None:
        """The last total loss over all `solve` calls, `None` if nothing is recorded."""
        history = self.total_loss_history
        return float(history[-1]) if len(history) else None

    @property
    def total_loss_history(self) -> Float[np.ndarray, " k"]:
        """The total loss of every epoch, all `solve` calls in a row."""
        return np.concatenate([np.zeros(0), *(log.total_loss for log in self.logs)])

    @property
    def epochs(self) -> Int[np.ndarray, " k"]:
        """The epochs that `total_loss_history` belongs to."""
        return np.concatenate([np.zeros(0, np.int64), *(log.epochs for log in self.logs)])

    @property
    def training_logs(self) -> list[dict[str, Any]]:
        """One dictionary per `solve` call.

        Keys: `epoch` `(k,)`, `total_loss` `(k,)`, `losses` `(k, n)`, `timestamps` `(k,)` (seconds since the run's first
        step), `training_time` (steps only) and `compile_time` (seconds), `steps_per_second` (`None` without a step),
        `trainable_params`, `frozen_params`, `total_params`, `lora_params`, `stopped`, `device` (a dictionary of `platform`,
        `kind` and `count`), `versions` (by distribution), and if there are trackers `track_stats`: by name a dictionary of
        `epochs` `(r,)` and `values` `(r, ...)`.
        """
        return [_as_dict(log) for log in self.logs]

    @property
    def track_names(self) -> tuple[str, ...]:
        """The names of all trackers, in the order of their first run."""
        return tuple(dict.fromkeys(name for log in self.logs for name in log.tracks))

    def tracks(self, name: str) -> Track:
        """What a tracker recorded over all `solve` calls.

        **Raises:**

        `JnoKeyError` if there is no tracker of that name.
        """
        found = [log.tracks[name] for log in self.logs if name in log.tracks]
        if not found:
            raise JnoKeyError(f"There is no tracker {name!r}; recorded are: {', '.join(self.track_names) or 'none'}.")
        # A tracker that has not recorded yet does not know its values' shape.
        filled = [track for track in found if len(track.epochs)] or found[:1]
        return Track(np.concatenate([t.epochs for t in filled]), np.concatenate([t.values for t in filled]))

    def figure(self) -> Any:
        """Draw the history as a `matplotlib.figure.Figure`.

        Its panels are the losses of all terms and their total; if there are several terms, each as a part of its first
        value; the trackers, if any; the time per step. Of more than eight terms the eight that are largest at the end have
        a colour of their own, and a heat map shows all. Without any recorded epoch the figure is empty.

        **Raises:**

        `JnoImportError` without matplotlib.
        """
        return draw(self.logs)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Self:
        """Draw the history and write it to a file, in the format of its ending; missing folders are made.

        **Arguments:**

        - `path`: where to; by default the figure is drawn and dropped (`figure` returns it).

        **Returns:**

        The history itself.
        """
        figure = self.figure()
        if path is not None:
            save_figure(figure, path)
        return self

    def summary(self) -> Self:
        """Print a summary of all runs, and return the history itself."""
        sys.stdout.write(as_text(self.logs))
        return self

    def to_dataframe(self) -> Any:
        """The history as a `pandas.DataFrame`, one row per epoch.

        The columns are `run` (from 1), `epoch`, `seconds` since the run's first step, `total_loss`, each term under its name,
        and each tracker of one number under its name, NaN in epochs in which it recorded nothing; `tracks` has the others.

        **Raises:**

        `JnoImportError` without pandas.
        """
        return as_dataframe(self.logs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history to one safetensors file, replacing it as a whole; missing folders are made."""
        write_runs(path, self.logs)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Statistics":
        """Read a history that `save` wrote. Every part is checked, and nothing in the file is executed.

        **Raises:**

        - `JnoFileNotFoundError`: there is no such file.
        - `JnoValueError`: the file is damaged (it names the part), no history, or written by a newer jno.
        """
        return cls(read_runs(path))

    def __repr__(self) -> str:
        return f"Statistics(runs={len(self.logs)}, epochs={len(self.epochs)}, total_loss={self.total_loss})"

    def _repr_html_(self) -> str:
        return as_html(self.logs)


def _as_dict(log: RunLog) -> dict[str, Any]:
    tracks = {name: {"epochs": track.epochs, "values": track.values} for name, track in log.tracks.items()}
    return {
        "epoch": log.epochs,
        "total_loss": log.total_loss,
        "losses": log.losses,
        "timestamps": log.seconds,
        "training_time": log.training_time,
        "stopped": log.stopped,
        "compile_time": log.compile_seconds,
        "steps_per_second": log.steps_per_second,
        "trainable_params": log.trainable_params,
        "frozen_params": log.frozen_params,
        "total_params": log.trainable_params + log.frozen_params,
        "lora_params": log.lora_params,
        "device": {"platform": log.platform, "kind": log.device_kind, "count": log.device_count},
        "versions": dict(log.versions),
        **({"track_stats": tracks} if tracks else {}),
    }
