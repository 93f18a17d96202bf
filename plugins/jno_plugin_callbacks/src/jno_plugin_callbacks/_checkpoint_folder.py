"""The folder of checkpoints that a run fills: who writes, what is kept."""

import math
import numbers
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from jno_core import Checkpoint
from jno_core.errors import JnoOSError, JnoTypeError, JnoValueError, JnoWarning
from jno_plugin_callbacks._checkpoint_lock import WriterLock
from jno_plugin_callbacks._checkpoint_store import (
    folders_in,
    open_directory,
    read_metadata,
    remove_checkpoint,
    set_aside,
    write_checkpoint,
)
from jno_plugin_callbacks._checkpoint_writer import BackgroundWriter

BestFn = Callable[[Mapping[str, Any]], float]


@final
class CheckpointFolder:
    """A folder that is locked for one run, from its making to `close`.

    Of the checkpoints in it stay the `keep` newest (`None`: all), and the one for which `best_fn` is lowest. Checkpoints of
    later epochs than that at which the run starts belong to another course of training: they are set aside, with a warning.

    Raises `JnoOSError` if the folder cannot be written, or another run writes to it.
    """

    def __init__(self, directory: Path, first_epoch: int, keep: int | None, best_fn: BestFn | None) -> None:
        self._directory, self._keep, self._best_fn = directory, keep, best_fn
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as e:
            reason = (e.strerror if isinstance(e, OSError) else None) or e
            raise JnoOSError(
                f"The folder {str(directory)!r} for checkpoints cannot be made: {reason}. Choose another directory."
            ) from e
        lock = WriterLock(directory)
        lock.acquire()
        try:
            open_directory(directory)
            self._set_aside_after(first_epoch)
            self._scores = self._known_scores()
        except BaseException:
            lock.release()
            raise
        self._writer = BackgroundWriter(self._store, lock.release)

    def add(self, checkpoint: Checkpoint, *, wait: bool) -> None:
        """Have a checkpoint written. Raises what went wrong with earlier ones; with `wait`, with this one."""
        if self._best_fn is not None:
            self._scores[checkpoint.step] = score(self._best_fn, checkpoint.metadata)
        self._writer.submit(checkpoint)
        if wait:
            self._writer.wait()
        self._writer.check()

    def check(self) -> None:
        """Raise what went wrong since the last call."""
        self._writer.check()

    def wait(self) -> None:
        """Wait until everything is on the disk."""
        self._writer.wait()

    def close(self) -> None:
        """Wait until everything is on the disk, and let others write."""
        self._writer.close()

    def _store(self, checkpoint: Checkpoint) -> None:
        stored = write_checkpoint(self._directory, checkpoint)
        # A course of training that was taken back lies ahead of this one.
        present = [(step, path) for step, path in folders_in(self._directory) if path != stored]
        past = sorted({step for step, _ in present if step < checkpoint.step} | {checkpoint.step})
        kept = set(past if self._keep is None else past[-self._keep :])
        scored = {step: self._scores[step] for step in past if self._scores.get(step, math.inf) < math.inf}
        if scored:
            kept.add(min(scored, key=scored.__getitem__))
        for step, path in present:
            if step not in kept or step == checkpoint.step:
                remove_checkpoint(path)

    def _set_aside_after(self, epoch: int) -> None:
        later = [path for step, path in folders_in(self._directory) if step > epoch]
        if later:
            earlier = set_aside(self._directory, later)
            warnings.warn(
                f"{str(self._directory)!r} holds checkpoints after epoch {epoch}, where this run starts; they belong to an "
                f"earlier run and were moved to {str(earlier)!r}. To continue from them: jno.core(..., resume_from=...).",
                JnoWarning,
                stacklevel=2,
            )

    def _known_scores(self) -> dict[int, float]:
        if self._best_fn is None:
            return {}
        scores = {}
        for step, path in folders_in(self._directory):
            try:
                scores[step] = score(self._best_fn, read_metadata(path, step))
            except JnoValueError:
                # A damaged checkpoint is none of the best; who reads it is told.
                continue
        return scores


def score(best_fn: BestFn, metadata: Mapping[str, Any]) -> float:
    """How good a checkpoint is, lower is better; what is not a number comes last.

    Raises `JnoTypeError` if the function returns something else than a number.
    """
    value = best_fn(metadata)
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise JnoTypeError(f"best_fn(metadata) must return a number, lower for better; it returned {value!r}.")
    return math.inf if math.isnan(value) else float(value)
