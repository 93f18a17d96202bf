"""Files that prove their own integrity: arrays and a description of JSON types in one safetensors file.

The arrays are the tensors of the file. Its metadata is one string, `manifest`: the SHA-256 of a JSON document, a line break
and the document, which has the kind and version of the content, the description and the SHA-256 of every array. Equal content
gives equal bytes. Reading verifies all of it and executes nothing. Everything that jno writes is such a file, and plugins may
use it for what they write.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Shaped

from jno_core.errors import JnoFileNotFoundError, JnoOSError, JnoTypeError, JnoValueError

_FORMAT = "jno"
# Headers of safetensors files end at 100 MB, and hold the manifest with its quotes escaped.
_LARGEST_MANIFEST = 50_000_000
_NATIVE = {
    "BOOL": np.bool_,
    **{f"I{n}": np.dtype(f"int{n}").type for n in (8, 16, 32, 64)},
    **{f"U{n}": np.dtype(f"uint{n}").type for n in (8, 16, 32, 64)},
    **{f"F{n}": np.dtype(f"float{n}").type for n in (16, 32, 64)},
}
_PAIRS = {"complex64": np.float32, "complex128": np.float64}
_SMALL = [
    getattr(ml_dtypes, name)
    for name in dir(ml_dtypes)
    if name.startswith(("bfloat", "float", "int", "uint")) and isinstance(getattr(ml_dtypes, name), type)
]
_AS_INTEGERS = {np.dtype(kind).name: np.dtype(f"uint{8 * np.dtype(kind).itemsize}") for kind in _SMALL}
_DTYPES = {np.dtype(kind).name: np.dtype(kind) for kind in (*_NATIVE.values(), np.complex64, np.complex128, *_SMALL)}


def write(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    manifest: Any,
    arrays: Mapping[str, Shaped[np.ndarray, "..."]],
) -> None:
    """Write arrays and their description to `path`, in one step: at every moment the old file or the new one is there, whole.

    **Arguments:**

    - `path`: the file; missing folders are made.
    - `kind`: what the content is, in words for the reader of an error: `"training history"`.
    - `version`: of the content's layout; a reader of an older version refuses the file.
    - `manifest`: the description, of JSON types.
    - `arrays`: by name; of booleans, integers, real (also `bfloat16` and the 8-bit floats) and complex numbers.

    **Raises:**

    - `JnoTypeError`: an array of another type (it is named), or a description that is not of JSON types.
    - `JnoValueError`: a description that is too large.
    - `JnoOSError`: the file cannot be written; the text has the path, and the needed and free bytes. A file that was at `path`
      is as before.
    """
    converted = {name: _little_endian(name, array) for name, array in arrays.items()}
    envelope = {
        "format": _FORMAT,
        "kind": kind,
        "version": version,
        "content": manifest,
        "arrays": {name: _fingerprint(array) for name, array in converted.items()},
    }
    try:
        text = json.dumps(envelope)
    except (TypeError, ValueError, RecursionError) as e:
        raise JnoTypeError(f"The description of the {kind} for {str(path)!r} is not of JSON types: {e}") from e
    if len(text) > _LARGEST_MANIFEST:
        raise JnoValueError(
            f"The description of the {kind} for {str(path)!r} has {len(text):,} characters; a file holds at most "
            f"{_LARGEST_MANIFEST:,}. Large content belongs into arrays."
        )
    metadata = {"manifest": f"{_sha256(text.encode())}\n{text}"}
    stored = {name: _stored(array) for name, array in converted.items()}
    size = len(text) + sum(array.nbytes for array in stored.values())
    # Straight from the arrays to the file: they may be larger than the memory that is left.
    _replace(Path(path), size, lambda temporary: safetensors.numpy.save_file(stored, temporary, metadata=metadata))


def read(path: str | os.PathLike[str], kind: str, version: int) -> tuple[Any, dict[str, np.ndarray]]:
    """Read and verify what `write` wrote: the description and the arrays.

    **Arguments:**

    - `path`: the file.
    - `kind`: what it must hold.
    - `version`: the newest layout that the caller can read.

    **Raises:**

    - `JnoFileNotFoundError`: there is no such file.
    - `JnoValueError`: a part of the file is damaged (it is named), or its kind or version is another.
    """
    source = _existing(path, kind)
    metadata, stored = _open(source, tensors=True)
    envelope = _envelope(source, metadata)
    _check_kind(source, envelope, kind, version)
    return envelope["content"], dict(_verified(source, envelope["arrays"], stored))


def identify(path: str | os.PathLike[str]) -> str:
    """The kind of content of a file that `write` wrote, from its verified manifest; the arrays are not read.

    **Raises:**

    - `JnoFileNotFoundError`: there is no such file.
    - `JnoValueError`: the file is damaged, or not one of jno's.
    """
    source = _existing(path, "file")
    return _envelope(source, _open(source, tensors=False)[0])["kind"]


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Make `content` the content of `path` in one step, which has reached the disk when this returns.

    **Raises:**

    `JnoOSError` naming the path, and the needed and free bytes; a file that was at `path` is as before.
    """
    _replace(Path(path), len(content), lambda temporary: temporary.write_bytes(content))


def _replace(target: Path, size: int, write: Callable[[Path], object]) -> None:
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _synchronise(target.parent)
    except (OSError, ValueError, safetensors.SafetensorError) as e:  # a ValueError is a name that no file can have
        raise _unwritable(target, size, e) from e


def _synchronise(folder: Path) -> None:
    """A new name is safe only when its folder has reached the disk too."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(path: Path, needed: int, cause: Exception) -> JnoOSError:
    reason = (cause.strerror if isinstance(cause, OSError) else None) or cause
    existing = next((folder for folder in path.absolute().parents if os.path.isdir(folder)), None)
    try:
        free = f"{shutil.disk_usage(existing).free:,}" if existing is not None else "unknown"
    except OSError:
        free = "unknown"
    return JnoOSError(
        f"{str(path)!r} cannot be written: {reason}. Needed: {needed:,} bytes; free there: {free} bytes. "
        "What was there before is unchanged. Choose another path, or make room."
    )


def _existing(path: str | os.PathLike[str], kind: str) -> Path:
    # os.path.isfile answers False, instead of raising, for names that no file can have.
    if not os.path.isfile(path):
        raise JnoFileNotFoundError(f"There is no {kind} at {str(path)!r}: no such file.")
    return Path(path)


def _open(path: Path, *, tensors: bool) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    try:
        with safetensors.safe_open(path, framework="np") as container:
            metadata = container.metadata() or {}
            # Checked first: what else the file holds is of no interest in a file that is not ours.
            if not tensors or set(metadata) != {"manifest"}:
                return metadata, {}
            names = list(container.keys())
            for name in names:
                if container.get_slice(name).get_dtype() not in _NATIVE:
                    raise _damaged(path, name, "has an unknown type")
            return metadata, {name: container.get_tensor(name) for name in names}
    except safetensors.SafetensorError as e:
        raise _damaged(path, "header", f"is not that of a whole safetensors file ({e})") from e
    except OSError as e:
        raise JnoValueError(f"{str(path)!r} cannot be read: {e.strerror or e}.") from e


def _envelope(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if set(metadata) != {"manifest"}:
        raise _damaged(path, "manifest", "is missing; the file was not written by jno, or it was edited")
    checksum, _, text = metadata["manifest"].partition("\n")
    if _sha256(text.encode()) != checksum:
        raise _damaged(path, "manifest", "does not match its checksum")
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise _damaged(path, "manifest", f"is not JSON ({type(e).__name__})") from e
    types = {"format": str, "kind": str, "version": int, "content": object, "arrays": dict}
    if not isinstance(envelope, dict) or not all(isinstance(envelope.get(k), t) for k, t in types.items()):
        raise _damaged(path, "manifest", f"is incomplete; expected the entries {', '.join(types)}")
    if envelope["format"] != _FORMAT:
        raise _damaged(path, "manifest", f"describes a file of another format, {_shortened(envelope['format'])}")
    return envelope


def _check_kind(path: Path, envelope: Mapping[str, Any], kind: str, version: int) -> None:
    if envelope["kind"] != kind:
        raise JnoValueError(f"{str(path)!r} holds a {_shortened(envelope['kind'])}; expected a {kind!r}.")
    if envelope["version"] > version:
        raise JnoValueError(
            f"The {kind} {str(path)!r} has format version {envelope['version']}; this jno reads versions up to {version}. "
            "Update it with: pip install --upgrade jno"
        )


def _verified(
    path: Path, expected: Mapping[str, Any], stored: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    for name in sorted(expected.keys() ^ stored.keys()):
        raise _damaged(path, name, "is missing" if name in expected else "does not belong to it")
    for name, fingerprint in expected.items():
        array = _restored(stored[name], fingerprint.get("dtype") if isinstance(fingerprint, dict) else None)
        if array is None or _fingerprint(array) != fingerprint:
            raise _damaged(path, name, "does not match its checksum")
        yield name, array


def _little_endian(name: str, array: Any) -> np.ndarray:
    values = np.asarray(array)
    if values.dtype.name not in _DTYPES:
        raise JnoTypeError(
            f"The array {name!r} is of type {values.dtype}; files hold booleans, integers, real and complex numbers."
        )
    return np.asarray(values, _DTYPES[values.dtype.name].newbyteorder("<"), order="C")


def _stored(array: np.ndarray) -> np.ndarray:
    """In types that safetensors knows everywhere: complex numbers as pairs, small floats as integers of their bits."""
    if array.dtype.name in _PAIRS:
        return np.stack([np.real(array), np.imag(array)], axis=-1)
    return array.view(_AS_INTEGERS.get(array.dtype.name, array.dtype))


def _restored(array: np.ndarray, dtype: Any) -> np.ndarray | None:
    """The array that was stored, or `None` if it cannot have been of that type."""
    if not isinstance(dtype, str):
        return None
    if dtype in _PAIRS:
        if array.dtype != _PAIRS[dtype] or array.shape[-1:] != (2,):
            return None
        return array.view(_DTYPES[dtype])[..., 0]
    if dtype in _AS_INTEGERS:
        return array.view(_DTYPES[dtype]) if array.dtype == _AS_INTEGERS[dtype] else None
    return array


def _fingerprint(array: np.ndarray) -> dict[str, Any]:
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": _sha256(content.data)}


def _sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


def _damaged(path: Path, member: str, how: str) -> JnoValueError:
    return JnoValueError(f"The file {str(path)!r} is damaged: its part {_shortened(member)} {how}.")
