"""Arrays that may be larger than memory: read part by part, and given back."""

import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

_BLOCK_BYTES = 64 * 2**20


def give_back(array: Any) -> None:
    """Release the pages that were read of a memory-mapped file: they would stay in the process's memory until the system
    wants them, and can be read again. Any other array is left alone.
    """
    base = _memory(array)
    if isinstance(base, mmap.mmap) and os.name == "posix":
        base.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array is read from a memory-mapped file."""
    return isinstance(_memory(array), mmap.mmap)


def first_non_finite(array: np.ndarray) -> tuple[int, ...] | None:
    """The index of the first entry that is NaN or infinite, `None` if there is none."""
    if not np.issubdtype(array.dtype, np.inexact):
        return None
    for start, block in _blocks(array):
        finite = np.isfinite(block)
        if not np.all(finite):
            first, *others = (int(i) for i in np.argwhere(~np.atleast_1d(finite))[0])
            return (start + first, *others) if array.ndim else ()
    return None


def _memory(array: Any) -> Any:
    """What owns the memory of an array."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base


def _blocks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    if array.ndim == 0 or array.nbytes <= _BLOCK_BYTES:
        yield 0, array
        return
    rows = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]
        give_back(array)
