"""The arrays of a checkpoint in orbax's hands: one row of bytes, so that every type and shape comes back bit for bit."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
from jaxtyping import Shaped, UInt8

from jno_core.errors import JnoImportError

_ITEM = "bytes"

Layout = Sequence[tuple[str, str, Sequence[int]]]
"""Name, type and shape of each array, in the order of their bytes."""


def layout_of(arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> Layout:
    """What `load_arrays` needs to know to take the bytes apart."""
    return [(name, array.dtype.name, list(array.shape)) for name, array in arrays.items()]


def save_arrays(folder: Path, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> None:
    """Write the arrays to a folder that exists. Raises what orbax raises where that fails."""
    rows = [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays.values()]
    # A checkpoint of nothing has one byte too: orbax stores no empty array.
    row = np.concatenate([*rows, np.zeros(1, np.uint8)])
    checkpoint, handler = _handler()
    with contextlib.closing(handler), _quiet():
        handler.save(folder, args=checkpoint.args.PyTreeSave({_ITEM: row}))


def load_arrays(folder: Path, layout: Layout) -> dict[str, np.ndarray]:
    """The arrays that `save_arrays` wrote, by name.

    Raises `ValueError` if the layout is not that of the bytes, and what orbax raises for a folder that it cannot read.
    """
    types = [(name, _plain_dtype(dtype), tuple(shape)) for name, dtype, shape in layout]
    sizes = [dtype.itemsize * math.prod(shape) for _, dtype, shape in types]
    row = _load_row(folder, sum(sizes) + 1)
    starts = np.cumsum([0, *sizes])[:-1]
    return {
        name: row[start : start + size].view(dtype).reshape(shape)
        for (name, dtype, shape), start, size in zip(types, starts, sizes, strict=True)
    }


def prepare() -> None:
    """Import orbax, which takes about a second."""
    _handler()


def _load_row(folder: Path, size: int) -> UInt8[np.ndarray, " n"]:
    checkpoint, handler = _handler()
    with contextlib.closing(handler), _quiet():
        stored = handler.metadata(folder).tree[_ITEM]
        # Asked before anything is read, so that a folder cannot claim more memory than its bytes.
        if stored.shape != (size,) or stored.dtype != np.uint8:
            raise ValueError(f"it holds {stored.dtype}{list(stored.shape)}, not the {size} bytes of the arrays")
        how = {_ITEM: checkpoint.RestoreArgs(restore_type=np.ndarray)}
        return handler.restore(folder, args=checkpoint.args.PyTreeRestore(restore_args=how))[_ITEM]


def _plain_dtype(name: str) -> np.dtype:
    dtype = np.dtype(name)
    if dtype.hasobject or dtype.fields is not None or dtype.name != name:
        raise ValueError(f"{name!r} is no type of numbers")
    return dtype


def _handler() -> tuple[Any, Any]:
    try:
        import orbax.checkpoint as checkpoint
    except ImportError as e:
        raise JnoImportError("Checkpoints need orbax-checkpoint. Install it: pip install orbax-checkpoint") from e
    # One process writes alone: orbax must not wait for the others of the run.
    process = jax.process_index()
    alone = checkpoint.options.MultiprocessingOptions(primary_host=process, active_processes={process})
    # Without compression the file is the bytes: quick to write, and never larger in memory than on disk.
    handler = checkpoint.PyTreeCheckpointHandler(use_ocdbt=False, use_compression=False, multiprocessing_options=alone)
    return checkpoint, handler


@final
class _NotOrbax(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without orbax's own record of an exception that it raises as well: several screens from several threads."""
    logger, unwanted = logging.getLogger("absl"), _NotOrbax()
    logger.addFilter(unwanted)
    try:
        yield
    finally:
        logger.removeFilter(unwanted)
