"""The most memory that a process has had, as Linux keeps it: `VmHWM`, the peak of the resident set."""

import ctypes
import sys
from pathlib import Path

from benchmarks.measure import Train


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    return _status("VmHWM")


_M_MMAP_THRESHOLD = -3

LARGE = 4 * 2**20
"""Bytes of a block that the C library gives back as soon as it is free. By itself it keeps blocks of up to 32 MB."""


def give_back_large_blocks() -> None:
    """So that `added_by` sees them again and again. Before anything else is allocated, and for all contestants alike."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)


def added_by(train: Train, steps: int = 2) -> float | None:
    """How many megabytes a few steps take beyond what the process holds before; `None` where the kernel does not tell.

    Only memory of the host counts.
    """
    if not sys.platform.startswith("linux"):
        return None
    ctypes.CDLL(None).malloc_trim(0)
    # Makes the peak what the process holds now.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = _status("VmRSS")
    train(steps)
    return max(0.0, peak() - before)


def _status(name: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024
