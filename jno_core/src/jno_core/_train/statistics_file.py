"""Training histories as data: a description of JSON types and arrays under names of ours (`runs/0/losses`)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jno_core import containers
from jno_core._train.run_log import RunLog, Track
from jno_core.errors import JnoError, JnoValueError

KIND = "training history"
VERSION = 1
_PLAIN_FIELDS = ("first_epoch", "compile_seconds", "training_time", "trainable_params", "frozen_params", "stopped")
# Fields that files of the first releases do not have.
_LATER_FIELDS = ("lora_params", "platform", "device_kind", "device_count", "versions")
_ARRAY_FIELDS = ("total_loss", "losses", "seconds")


def pack(logs: Sequence[RunLog]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Run logs as a description and arrays, for a part of a file."""
    arrays = {name: array for i, log in enumerate(logs) for name, array in _named_arrays(i, log)}
    return [_describe(log) for log in logs], arrays


def unpack(description: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> list[RunLog]:
    """The run logs that `pack` described; `arrays` may hold others too.

    Raises `JnoValueError` for a description that is none of a training history.
    """
    try:
        return [_rebuild(i, run, arrays) for i, run in enumerate(description)]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        if isinstance(e, JnoError):
            raise
        raise JnoValueError(f"The stored description is not that of a training history ({e!r}).") from e


def write_runs(path: str | os.PathLike[str], logs: Sequence[RunLog]) -> None:
    """Write run logs to `path`, in one step: at every moment the old file or the new one is there, whole."""
    description, arrays = pack(logs)
    containers.write(path, KIND, VERSION, {"runs": description}, arrays)


def read_runs(path: str | os.PathLike[str]) -> list[RunLog]:
    """Read and verify what `write_runs` wrote.

    **Raises:**

    - `JnoFileNotFoundError`: there is no such file.
    - `JnoValueError`: a part of the file is damaged (it is named), or its kind is another or its version newer.
    """
    manifest, arrays = containers.read(path, KIND, VERSION)
    try:
        return unpack(manifest["runs"], arrays)
    except (KeyError, TypeError, JnoError) as e:
        raise JnoValueError(
            f"The file {str(path)!r} is damaged: its part 'manifest' does not describe a training history ({e!r})."
        ) from e


def _named_arrays(i: int, log: RunLog) -> Iterator[tuple[str, np.ndarray]]:
    yield from ((f"runs/{i}/{field}", getattr(log, field)) for field in _ARRAY_FIELDS)
    for j, track in enumerate(log.tracks.values()):
        yield f"runs/{i}/tracks/{j}/epochs", track.epochs
        yield f"runs/{i}/tracks/{j}/values", track.values


def _describe(log: RunLog) -> dict[str, Any]:
    plain = {field: getattr(log, field) for field in (*_PLAIN_FIELDS, *_LATER_FIELDS)}
    return plain | {"versions": dict(log.versions), "terms": list(log.terms), "tracks": list(log.tracks)}


def _rebuild(i: int, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> RunLog:
    tracks = {
        name: Track(arrays[f"runs/{i}/tracks/{j}/epochs"], arrays[f"runs/{i}/tracks/{j}/values"])
        for j, name in enumerate(description["tracks"])
    }
    return RunLog(
        terms=tuple(description["terms"]),
        tracks=tracks,
        **{field: arrays[f"runs/{i}/{field}"] for field in _ARRAY_FIELDS},
        **{field: description[field] for field in _PLAIN_FIELDS},
        **{field: description[field] for field in _LATER_FIELDS if field in description},
    )
