"""Training histories as files: one safetensors container that proves its own integrity.

The arrays are the tensors of the container, under names of ours (`runs/0/losses`). Its metadata holds two strings:
`manifest`, a JSON document with everything that is not an array and the SHA-256 of every array, and `manifest_sha256`.
Reading verifies all of it and executes nothing.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from jno_core._train.run_log import RunLog, Track
from jno_core.errors import JnoFileNotFoundError, JnoValueError

FORMAT = "jno.statistics"
VERSION = 1
_PLAIN_FIELDS = ("first_epoch", "compile_seconds", "training_time", "trainable_params", "frozen_params", "stopped")


def write_runs(path: str | os.PathLike[str], logs: Sequence[RunLog]) -> None:
    """Write run logs to `path`, in one step: at every moment the old file or the new one is there, whole."""
    arrays = {name: array for i, log in enumerate(logs) for name, array in _named_arrays(i, log)}
    manifest = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "runs": [_describe(log) for log in logs],
            "arrays": {name: _fingerprint(array) for name, array in arrays.items()},
        }
    )
    content = safetensors.numpy.save(
        {name: _stored(array) for name, array in arrays.items()},
        metadata={"manifest": manifest, "manifest_sha256": _sha256(manifest.encode())},
    )
    _replace_file(Path(path), content)


def read_runs(path: str | os.PathLike[str]) -> list[RunLog]:
    """Read and verify what `write_runs` wrote.

    **Raises:**

    - `JnoFileNotFoundError`: there is no such file.
    - `JnoValueError`: a part of the file is damaged (it is named), or its format is another or newer.
    """
    source = Path(path)
    if not source.is_file():
        raise JnoFileNotFoundError(f"There is no training history at {str(source)!r}: no such file.")
    metadata, stored = _read_container(source)
    manifest = _read_manifest(source, metadata)
    try:
        arrays = dict(_verified(source, manifest["arrays"], stored))
        return [_rebuild(i, description, arrays) for i, description in enumerate(manifest["runs"])]
    except (KeyError, TypeError, AttributeError) as e:
        raise _damaged(source, "manifest", f"does not describe a training history ({e!r})") from e


def _read_container(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(path, framework="np") as container:
            stored = {name: container.get_tensor(name) for name in container.keys()}  # noqa: SIM118 -- not a mapping
            return container.metadata() or {}, stored
    except safetensors.SafetensorError as e:
        raise _damaged(path, "header", f"is not that of a whole safetensors file ({e})") from e


def _named_arrays(i: int, log: RunLog) -> Iterator[tuple[str, np.ndarray]]:
    yield from ((f"runs/{i}/{field}", getattr(log, field)) for field in ("total_loss", "losses", "seconds"))
    for j, track in enumerate(log.tracks.values()):
        yield f"runs/{i}/tracks/{j}/epochs", track.epochs
        yield f"runs/{i}/tracks/{j}/values", track.values


def _describe(log: RunLog) -> dict[str, Any]:
    plain = {field: getattr(log, field) for field in _PLAIN_FIELDS}
    return plain | {"terms": list(log.terms), "tracks": list(log.tracks)}


def _rebuild(i: int, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> RunLog:
    tracks = {
        name: Track(arrays[f"runs/{i}/tracks/{j}/epochs"], arrays[f"runs/{i}/tracks/{j}/values"])
        for j, name in enumerate(description["tracks"])
    }
    return RunLog(
        terms=tuple(description["terms"]),
        tracks=tracks,
        **{field: arrays[f"runs/{i}/{field}"] for field in ("total_loss", "losses", "seconds")},
        **{field: description[field] for field in _PLAIN_FIELDS},
    )


def _read_manifest(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if set(metadata) != {"manifest", "manifest_sha256"}:
        raise _damaged(path, "manifest", "is missing; the file is no training history, or it was edited")
    text = metadata["manifest"]
    if _sha256(text.encode()) != metadata["manifest_sha256"]:
        raise _damaged(path, "manifest", "does not match its checksum")
    manifest = json.loads(text)
    if manifest["format"] != FORMAT:
        raise JnoValueError(f"{str(path)!r} holds {manifest['format']!r}; expected a training history, {FORMAT!r}.")
    if manifest["version"] > VERSION:
        raise JnoValueError(
            f"The training history {str(path)!r} has format version {manifest['version']}; this jno reads versions up "
            f"to {VERSION}. Update it with: pip install --upgrade jno"
        )
    return manifest


def _verified(path: Path, expected: Mapping[str, Any], stored: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    for name in sorted(expected.keys() ^ stored.keys()):
        raise _damaged(path, name, "is missing" if name in expected else "does not belong to the history")
    for name, fingerprint in expected.items():
        array = stored[name]
        empty = np.zeros(0, fingerprint["dtype"])
        if empty.dtype.kind == "c" and array.dtype == empty.real.dtype and array.shape[-1:] == (2,):
            array = array.view(empty.dtype)[..., 0]
        if _fingerprint(array) != fingerprint:
            raise _damaged(path, name, "does not match its checksum")
        yield name, array


def _stored(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs: safetensors knows no complex128."""
    if array.dtype.kind != "c":
        return np.ascontiguousarray(array)
    return np.stack([np.real(array), np.imag(array)], axis=-1)


def _fingerprint(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": _sha256(array.tobytes())}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path, member: str, how: str) -> JnoValueError:
    return JnoValueError(f"The training history {str(path)!r} is damaged: its part {member!r} {how}.")


def _replace_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        # The new name is safe only when the folder has reached the disk too.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
