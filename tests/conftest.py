"""What all tests share."""

import gc
from pathlib import Path

import jax
import pytest

_MOST_BYTES = 2.5 * 2**30
_STATM = Path("/proc/self/statm")


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    """JAX keeps every compiled function: those of thousands of tests would fill the memory of a small machine."""
    yield
    if _STATM.exists() and int(_STATM.read_text().split()[1]) * 4096 > _MOST_BYTES:
        jax.clear_caches()
        gc.collect()
