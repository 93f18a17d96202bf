"""Arrays that may be larger than memory: read part by part, and given back."""

import math
import mmap
import os
from collections.abc import Iterator
from typing import Any, final

import jax
import numpy as np
from jaxtyping import Int

_BLOCK_BYTES = 64 * 2**20

KEPT_BYTES = 128 * 2**20
"""So much of files may stay in memory: to give pages back at once means to ask the system for them again."""

_PIECE_BYTES = 2**20
"""So much is read at a time: the memory for it is used again, where that for a large array is new, and slow, each time."""

_FAULT_BYTES = 2**16
"""Reading one byte of a file makes the system map about so many around it."""


@final
class RowReader:
    """Reads rows of an array, in any order and in the precision of JAX. It may be a file larger than memory: of a mapped one
    about `kept_bytes` stay there.
    """

    def __init__(self, array: np.ndarray, kept_bytes: int = KEPT_BYTES) -> None:
        self._array = array
        self._kept_bytes = kept_bytes
        self._dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        self._is_mapped = is_mapped(array)
        self._mapped_bytes = 0

    @property
    def entry_bytes(self) -> int:
        """The size of one entry of the leading axis."""
        return math.prod(self._array.shape[1:]) * self._dtype.itemsize

    @property
    def point_bytes(self) -> int:
        """The size of one entry of the second axis, in all of the first."""
        return len(self._array) * math.prod(self._array.shape[2:]) * self._dtype.itemsize

    def entries(self, index: Int[np.ndarray, "*shape"]) -> np.ndarray:
        """Entries of the leading axis, `(*shape, ...)`."""
        return self._taken(self._array, index)

    def points(self, index: Int[np.ndarray, "k n"]) -> np.ndarray:
        """Entries of the second axis, `(k, len(array), n, ...)`."""
        return np.stack([self._taken(one, index) for one in self._array], axis=1)

    def _taken(self, array: np.ndarray, index: np.ndarray) -> np.ndarray:
        if not self._is_mapped:
            return np.asarray(array[index], self._dtype)
        flat = index.ravel()
        row_bytes = max(array[:1].nbytes, _FAULT_BYTES)
        most = max(1, _PIECE_BYTES // row_bytes)
        found = np.empty((len(flat), *array.shape[1:]), self._dtype)
        # From the begin of a file to its end, not forth and back.
        order = np.argsort(flat)
        for start in range(0, len(order), most):
            places = order[start : start + most]
            self._make_room(len(places) * row_bytes)
            found[places] = array[flat[places]]
        return found.reshape(*index.shape, *array.shape[1:])

    def _make_room(self, size: int) -> None:
        if self._mapped_bytes + size > self._kept_bytes:
            give_back(self._array)
            self._mapped_bytes = 0
        self._mapped_bytes += size


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
