"""What all tests share."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import jax
import pytest

from jno_core.testing import _precision

_MOST_BYTES = 2.5 * 2**30
_STATM = Path("/proc/self/statm")
_COMPILED = pytest.StashKey[str]()


def pytest_configure(config):
    """Compile each program once: most of the time of the tests is compilation, and many compile what others compiled.

    The folders last as long as this process. The processes that tests start have one to themselves: a process that is
    killed may leave half an entry, and a warning about that would fail a test here.
    """
    config.stash[_COMPILED] = tempfile.mkdtemp(prefix="jno_compiled_")
    options = {"jax_persistent_cache_min_compile_time_secs": 0.0, "jax_persistent_cache_min_entry_size_bytes": -1}
    for name, value in options.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)
    jax.config.update("jax_compilation_cache_dir", os.path.join(config.stash[_COMPILED], "here"))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.join(config.stash[_COMPILED], "children")


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[_COMPILED], ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    """JAX keeps every compiled function: those of thousands of tests would fill the memory of a small machine."""
    yield
    if _STATM.exists() and int(_STATM.read_text().split()[1]) * 4096 > _MOST_BYTES:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def unoptimised():
    """For modules that run each of their programs once or a few times: optimising those costs more than it saves."""
    with _precision.unoptimised():
        yield
