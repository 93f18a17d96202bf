"""The training history as a table of pandas, which is optional and imported on use."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jno_core._train.run_log import RunLog
from jno_core.errors import JnoImportError


def as_dataframe(logs: Sequence[RunLog]) -> Any:
    """One row per epoch: run, epoch, seconds, total loss, the terms, and the trackers of one number.

    Raises `JnoImportError` without pandas.
    """
    try:
        # Optional and heavy.
        import pandas
    except ImportError as e:
        raise JnoImportError(
            f"A history as a table needs pandas, which cannot be imported ({e}). Type: pip install pandas"
        ) from e
    frames = [pandas.DataFrame(_columns(log, number)) for number, log in enumerate(logs, 1)]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pandas.concat(filled, ignore_index=True) if filled else pandas.DataFrame()


def _columns(log: RunLog, number: int) -> dict[str, np.ndarray]:
    k = len(log.total_loss)
    columns: dict[str, np.ndarray] = {
        "run": np.full(k, number),
        "epoch": log.epochs,
        "seconds": log.seconds,
        "total_loss": log.total_loss,
    }
    for name, values in zip(log.terms, log.losses.T, strict=True):
        columns[name if name not in columns else f"{name} (loss)"] = values
    for name, track in log.tracks.items():
        rows = track.values.reshape(len(track.epochs), -1) if len(track.epochs) else np.zeros((0, 0))
        if rows.shape[1] == 1:
            column = np.full(k, np.nan, np.result_type(rows.dtype, np.float32))
            column[track.epochs - log.first_epoch] = rows[:, 0]
            columns[name if name not in columns else f"{name} (tracker)"] = column
    return columns
