"""The contract between a run and what stores its checkpoints."""

import abc
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

CHECKPOINT_INDEX = "checkpoints.json"
"""A folder of checkpoints holds a JSON file of this name with the entry `"provider"`: the name of the callback whose class
reads the folder, an `AbstractCheckpointer` that is looked up among the installed plugins."""


@final
@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on from one moment as if it had never stopped, without any code.

    - `step`: completed epochs over all runs.
    - `arrays`: the training state and the history by stable names, in host memory.
    - `metadata`: what describes them, of JSON types; among it `epoch` (= `step`), `total_loss`, `individual_losses` (by
      term) and `problem` (what the state belongs to).
    """

    step: int
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any]


class AbstractCheckpointer(abc.ABC):
    """A callback that stores checkpoints of a run in a folder, and whose class reads them again.

    It writes what `run.view.checkpoint(state)` returns, and an index file (`CHECKPOINT_INDEX`) that names the callback under
    its entry-point name. Where `run.writes` is false, another process of the same run does the writing.
    """

    @classmethod
    @abc.abstractmethod
    def read(cls, directory: Path, step: int | None = None) -> Checkpoint:
        """The checkpoint of a step, or without one the newest that is whole; nothing in the folder is executed.

        Raises `JnoFileNotFoundError` if there is none, and `JnoValueError` naming the file for one that was asked for by its
        step and is damaged. Warns with `JnoWarning` when it passes over damaged ones.
        """
