"""Checkpoints of a run, from which it can be continued as if it had never stopped."""

import numbers
import os
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
from jax.experimental import multihost_utils

from jno_core import AbstractCheckpointer, Checkpoint, FitResult, RunInfo, TrainState, hookimpl
from jno_core.errors import JnoError, JnoTypeError, JnoValueError
from jno_plugin_callbacks._checkpoint_folder import BestFn, CheckpointFolder
from jno_plugin_callbacks._checkpoint_store import folders_in, read_newest, read_step

_GROUPS = {"params": "trainable", "opt_state": "opt_states", "plugin_state": "plugin_states"}
"""What `restore` calls the parts of the state."""


@final
class CheckpointCallback(AbstractCheckpointer):
    """Stores the whole state of a run at intervals and at its end; `core(..., resume_from=directory)` continues it bit for bit.

    - `directory`: the folder, made if it is missing. By default `checkpoints` in the run folder of `jno.setup`.
    - `save_interval_epochs`: a checkpoint is made at the multiples of so many epochs, counted over all runs. Default 500.
    - `max_to_keep`: so many of the newest are kept; `None` keeps all. Default 3.
    - `best_fn`: a function of a checkpoint's metadata, `epoch`, `total_loss`, `individual_losses` (by term), `timestamp` and
      `problem`; the checkpoint for which it is lowest is kept too. By default none is.
    - `async_checkpointing`: write in the background, from a copy that is made at once; the run waits only where the disk is two
      checkpoints behind. Default true; otherwise it waits for each.

    A checkpoint is also made at the end of a run: after its last step, an early stop, an interrupt, and an error (from the
    last good state; not where several processes train together). When `solve` returns everything is on the disk.

    One folder has one writer: a second run is refused. Files are written under another name, brought to the disk and renamed,
    and carry checksums, so whatever stops the process, the newest checkpoint that was ready can be read. Of several processes
    that train together one writes. A callback may be used again.

    Raises `JnoValueError` and `JnoTypeError` for an argument that cannot be used, and when a run starts without a directory;
    then also `JnoOSError` for a folder that cannot be written or that another run writes to. An error of the disk during
    training comes, as a `JnoOSError`, out of the next step that a callback can see; earlier checkpoints are as they were.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        save_interval_epochs: int = 500,
        max_to_keep: int | None = 3,
        best_fn: BestFn | None = None,
        async_checkpointing: bool = True,
    ) -> None:
        if directory is not None and not isinstance(directory, str | os.PathLike):
            raise JnoTypeError(f"CheckpointCallback needs a path or None as `directory`, got {directory!r}.")
        _check_count("save_interval_epochs", save_interval_epochs)
        if max_to_keep is not None:
            _check_count("max_to_keep", max_to_keep)
        if best_fn is not None and not callable(best_fn):
            raise JnoTypeError(
                f"CheckpointCallback needs a function as `best_fn`, such as lambda m: m['total_loss'], got {best_fn!r}."
            )
        self.directory = None if directory is None else Path(directory).absolute()
        self.save_interval_epochs = self.every = int(save_interval_epochs)
        self.max_to_keep = max_to_keep
        self.best_fn = best_fn
        self.async_checkpointing = async_checkpointing
        self._run: RunInfo | None = None
        self._folder: CheckpointFolder | None = None
        self._used: Path | None = self.directory
        self._saved: int | None = None

    @classmethod
    def read(cls, directory: Path, step: int | None = None) -> Checkpoint:
        return read_newest(directory) if step is None else read_step(directory, step)

    @property
    def all_steps(self) -> tuple[int, ...]:
        """The steps that can be restored, ascending: completed epochs over all runs."""
        self._wait()
        return tuple(sorted({step for step, _ in folders_in(self._found_directory())}))

    @property
    def latest_step(self) -> int | None:
        """The newest of them, `None` without any."""
        return max(self.all_steps, default=None)

    def restore(self, step: int | None = None) -> dict[str, Any]:
        """The arrays of a checkpoint, by default the newest that is whole, as dictionaries by name.

        `trainable`, `opt_states` and `plugin_states`: by the names of parameter groups, balancers and schedules followed by
        the path of the leaf, such as `"u/layers/0/weight"`; `rng`: the bits of the PRNG key; `metadata`.

        Raises `JnoFileNotFoundError` if there is none, and `JnoValueError` naming the file for one that was asked for and is
        damaged.
        """
        self._wait()
        checkpoint = type(self).read(self._found_directory(), step)
        parts: dict[str, dict[str, np.ndarray]] = {name: {} for name in _GROUPS.values()}
        for name, array in checkpoint.arrays.items():
            group, _, rest = name.partition("/")
            if group in _GROUPS:
                parts[_GROUPS[group]][rest] = array
        return {**parts, "rng": checkpoint.arrays["key"], "metadata": dict(checkpoint.metadata)}

    def close(self) -> None:
        """Wait for everything to be written, and let other runs write. Runs do it at their end."""
        folder, self._folder = self._folder, None
        self._run = None
        if folder is not None:
            folder.close()

    @hookimpl
    def on_fit_start(self, run: RunInfo) -> None:
        """Takes the folder."""
        self.close()
        directory = self.directory
        if directory is None:
            if run.directory is None:
                raise JnoValueError(
                    "The callback 'checkpoint' has no directory. Give it one, CheckpointCallback(directory=...), or call "
                    "jno.setup(__file__) first, which makes a run folder."
                )
            directory = (run.directory / "checkpoints").absolute()
        self._used = directory
        self._saved = run.first_epoch if any(s == run.first_epoch for s, _ in folders_in(directory)) else None
        if run.writes:
            self._folder = CheckpointFolder(directory, run.first_epoch, self.max_to_keep, self.best_fn)
        self._run = run

    @hookimpl
    def on_chunk_end(self, step: int, state: TrainState) -> None:
        """Saves the state if it is due."""
        if self._folder is not None:
            self._folder.check()
        if step % self.every == 0:
            self._save(step, state)

    @hookimpl
    def on_non_finite(self) -> None:
        """Another callback may take the run back; what was saved then says nothing of what comes."""
        self._saved = None

    # First among the callbacks, so that the state is safe whatever the others do.
    @hookimpl(tryfirst=True)
    def on_fit_end(self, result: FitResult) -> None:
        """Saves the last state, and gives the folder back."""
        try:
            self._save(int(result.state.epoch), result.state)
        finally:
            try:
                self.close()
            finally:
                if jax.process_count() > 1:
                    # Who reads the folder next must find in every process what one of them wrote.
                    multihost_utils.sync_global_devices("checkpoints")

    @hookimpl(tryfirst=True)
    def on_fit_error(self, error: BaseException, state: TrainState) -> None:
        """Saves the last good state, and gives the folder back."""
        try:
            # The other processes of a run may not know of the error, and would not come to a common copy.
            if jax.process_count() == 1:
                self._save(int(state.epoch), state)
            self.close()
        except JnoError as e:
            error.add_note(f"The last state could not be saved either: {e}")
        finally:
            self._run = self._folder = None

    def _save(self, step: int, state: TrainState) -> None:
        if self._run is None or step == self._saved:
            return
        # In every process: the copy of what is spread over several of them needs them all.
        checkpoint = self._run.view.checkpoint(state)
        self._saved = step
        if self._folder is not None:
            self._folder.add(checkpoint, wait=not self.async_checkpointing)

    def _wait(self) -> None:
        if self._folder is not None:
            self._folder.wait()

    def _found_directory(self) -> Path:
        if self._used is None:
            raise JnoValueError(
                "The callback 'checkpoint' has no directory yet: it gets that of the run folder when a run starts. "
                "To restore before that, give it one: CheckpointCallback(directory=...)."
            )
        return self._used


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise JnoValueError(f"CheckpointCallback needs a positive integer as `{name}`, got {value!r}.")
