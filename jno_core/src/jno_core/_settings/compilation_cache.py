"""Keeping compiled programs on disk between processes: JAX's persistent compilation cache, for those who ask for it."""

import os
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from jno_core._settings.files import get_config

_WORTH_KEEPING = 0.1
"""Seconds of compilation; what takes less is not written."""


def use_compilation_cache() -> None:
    """Have JAX keep compiled programs in the folder that `JNO_COMPILATION_CACHE`, else `[jno] compilation_cache`, names.

    Without either, and where the user has given JAX a folder already, nothing changes. JAX runs what it finds in that folder,
    so nobody else may write there.
    """
    named = os.environ.get("JNO_COMPILATION_CACHE") or get_config().get("jno.compilation_cache")
    if not named or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    # JAX decides at its first compilation whether there is a cache, and by now it has compiled something.
    compilation_cache.reset_cache()
    compilation_cache.set_cache_dir(str(Path(named).expanduser().resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING)
