"""A folder of checkpoints: what is written is whole or is not there, and what is read is proved to be what was written.

    checkpoints.json            the callback that reads the folder
    step-00000500/              the state after 500 epochs; where training was taken back and came there again, -1, -2, ...
        manifest.safetensors    describes it, with the SHA-256 of every other file; carries its own
        arrays/                 by orbax
    .unfinished-.../            what a writer was at when it died; the next one removes it
    earlier/                    a folder like this one: later checkpoints of a run that was not continued

A checkpoint is written under the name of something unfinished, brought to the disk, and renamed.
"""

import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jno_core import CHECKPOINT_INDEX, Checkpoint, containers
from jno_core.errors import JnoError, JnoFileNotFoundError, JnoOSError, JnoValueError, JnoWarning
from jno_plugin_callbacks._checkpoint_arrays import layout_of, load_arrays, save_arrays

PROVIDER = "checkpoint"
"""The entry point under which this plugin's callback is found."""

_KIND = "checkpoint"
_VERSION = 1
_MANIFEST = "manifest.safetensors"
_ARRAYS = "arrays"
_UNFINISHED = ".unfinished-"
_NAME = re.compile(r"step-(?P<step>\d{8,})(-(?P<again>\d+))?")


def folders_in(directory: Path) -> list[tuple[int, Path]]:
    """The checkpoints in a directory with their steps, the newest last; whether they are whole is not asked."""
    if not directory.is_dir():
        return []
    found = [(match, path) for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))]
    ordered = sorted((int(match["step"]), int(match["again"] or 0), path) for match, path in found)
    return [(step, path) for step, _, path in ordered]


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> Path:
    """Add a checkpoint to a directory, and return its folder. One of the same step stays beside it.

    Raises `JnoOSError` with the path and the bytes that are needed and free; the directory is then as it was.
    """
    target = _unused(directory, f"step-{checkpoint.step:08}")
    needed = sum(array.nbytes for array in checkpoint.arrays.values())
    unfinished = _unfinished(directory)
    try:
        (unfinished / _ARRAYS).mkdir(parents=True)
        _check_room(directory, needed)
        save_arrays(unfinished / _ARRAYS, checkpoint.arrays)
        content = {
            "step": checkpoint.step,
            "metadata": dict(checkpoint.metadata),
            "arrays": layout_of(checkpoint.arrays),
            "files": {name: _fingerprint(path) for name, path in _files(unfinished)},
        }
        containers.write(unfinished / _MANIFEST, _KIND, _VERSION, content, {})
        _synchronise_below(unfinished)
        unfinished.rename(target)
        _synchronise(directory)
    except Exception as e:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _unwritable(target, checkpoint.step, needed, e) from e
    return target


def read_newest(directory: Path) -> Checkpoint:
    """The newest checkpoint that is whole. Warns with `JnoWarning` of damaged ones that are newer.

    Raises `JnoFileNotFoundError` if there is none.
    """
    problems = []
    for step, folder in reversed(folders_in(directory)):
        try:
            checkpoint = read_checkpoint(folder, step)
        except JnoValueError as e:
            # What is gone altogether was removed by a writer that has newer ones.
            problems.extend([str(e)] if folder.is_dir() else ())
            continue
        for problem in problems:
            warnings.warn(f"{problem} The run goes on from the one before, of epoch {step}.", JnoWarning, stacklevel=2)
        return checkpoint
    raise _none(directory, problems)


def read_step(directory: Path, step: int) -> Checkpoint:
    """The checkpoint of a step.

    Raises `JnoFileNotFoundError` naming the steps that there are, and `JnoValueError` naming the file that is damaged.
    """
    folders = dict(folders_in(directory))
    if step not in folders:
        there = f"; there are those of {', '.join(map(str, sorted(folders)))}" if folders else ""
        raise JnoFileNotFoundError(f"There is no checkpoint of epoch {step} in {str(directory)!r}{there}.")
    return read_checkpoint(folders[step], step)


def read_checkpoint(folder: Path, step: int) -> Checkpoint:
    """The checkpoint in a step's folder, once every file has been proved whole.

    Raises `JnoValueError` naming the file that is damaged.
    """
    content = _manifest(folder, step)
    _verify(folder, content["files"])
    try:
        arrays = load_arrays(folder / _ARRAYS, content["arrays"])
    except Exception as e:
        raise _damaged(folder / _ARRAYS, f"cannot be read ({e})") from e
    return Checkpoint(step, arrays, content["metadata"])


def read_metadata(folder: Path, step: int) -> dict[str, Any]:
    """What a checkpoint says about itself; its arrays are not looked at. Raises `JnoValueError` if that is damaged."""
    return _manifest(folder, step)["metadata"]


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint in one step: it is gone before its files are."""
    doomed = _unfinished(folder.parent)
    folder.rename(doomed)
    shutil.rmtree(doomed)


def open_directory(directory: Path) -> None:
    """Make a directory one of checkpoints, without what an earlier writer left unfinished. Only for who has its lock."""
    for path in directory.iterdir():
        if path.name.startswith(_UNFINISHED):
            shutil.rmtree(path)
    index = f'{{"provider": "{PROVIDER}"}}\n'.encode()
    path = directory / CHECKPOINT_INDEX
    if not path.is_file() or path.read_bytes() != index:
        containers.replace_file(path, index)


def set_aside(directory: Path, folders: Sequence[Path]) -> Path:
    """Move checkpoints into a directory of their own below this one, and return it."""
    earlier = _unused(directory, "earlier")
    earlier.mkdir()
    open_directory(earlier)
    for folder in folders:
        folder.rename(earlier / folder.name)
    _synchronise(earlier)
    _synchronise(directory)
    return earlier


def _damaged(path: Path, how: str) -> JnoValueError:
    """The error that names a damaged file."""
    return JnoValueError(f"The checkpoint is damaged: {str(path)!r} {how}.")


def _unused(directory: Path, name: str) -> Path:
    return next(path for i in itertools.count() if not (path := directory / (f"{name}-{i}" if i else name)).exists())


def _unfinished(directory: Path) -> Path:
    return directory / f"{_UNFINISHED}{secrets.token_hex(8)}"


def _none(directory: Path, problems: Sequence[str]) -> JnoFileNotFoundError:
    what = "there is no such folder" if not directory.is_dir() else "the folder holds none"
    if problems:
        what = "all are damaged:\n" + "\n".join(f"  {problem}" for problem in problems[:5])
    return JnoFileNotFoundError(f"There is no checkpoint to restore in {str(directory)!r}: {what}")


def _manifest(folder: Path, step: int) -> dict[str, Any]:
    if not (folder / _MANIFEST).is_file():
        raise _damaged(folder / _MANIFEST, "is missing")
    content, _ = containers.read(folder / _MANIFEST, _KIND, _VERSION)
    types = {"step": int, "metadata": dict, "arrays": list, "files": dict}
    if not isinstance(content, dict) or not all(isinstance(content.get(k), t) for k, t in types.items()):
        raise _damaged(folder / _MANIFEST, f"is incomplete; expected the entries {', '.join(types)}")
    if content["step"] != step:
        raise _damaged(folder, f"is named as another step than the one that it holds, {content['step']}")
    return content


def _verify(folder: Path, expected: dict[str, Any]) -> None:
    found = dict(_files(folder))
    del found[_MANIFEST]
    for name in sorted(expected.keys() ^ found.keys()):
        raise _damaged(folder / name, "is missing" if name in expected else "does not belong to it")
    for name, path in found.items():
        if path.is_symlink() or not path.is_file():
            raise _damaged(path, "is not a plain file")
        try:
            whole = _fingerprint(path) == expected[name]
        except OSError as e:
            raise _damaged(path, f"cannot be read: {e.strerror}") from e
        if not whole:
            raise _damaged(path, "does not match its checksum")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything below a folder that is not itself a folder, by its relative path; links are not followed."""
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in sorted((*names, *links)):
            path = Path(root, name)
            yield path.relative_to(folder).as_posix(), path


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _synchronise_below(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            _synchronise(Path(root, name))
        _synchronise(Path(root))


def _synchronise(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_room(directory: Path, needed: int) -> None:
    if shutil.disk_usage(directory).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unwritable(target: Path, step: int, needed: int, cause: Exception) -> JnoOSError:
    if isinstance(cause, JnoError) and not isinstance(cause, OSError):
        reason = str(cause)
    else:
        reason = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
    try:
        free = f"{shutil.disk_usage(target.parent).free:,} bytes"
    except OSError:
        free = "unknown"
    return JnoOSError(
        f"The checkpoint of epoch {step} cannot be written to {str(target)!r}: {reason}.\n"
        f"Needed: {needed:,} bytes; free there: {free}. Earlier checkpoints are as they were. Make room, or choose another "
        "directory."
    )
