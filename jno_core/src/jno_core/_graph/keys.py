"""Random keys that the user passes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jno_core._custom_types import PRNGKey
from jno_core.errors import JnoTypeError


def checked_key(key: Any, call: str) -> PRNGKey:
    """One key of `jax.random`, typed or raw. `call` says in the message what it was passed to.

    Raises `JnoTypeError` for anything else.
    """
    if isinstance(key, jax.Array | np.ndarray):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0
        if typed or (key.dtype == np.uint32 and key.ndim == 1):
            return key  # pyright: ignore[reportReturnType]
    raise JnoTypeError(f"{call} takes one random key such as jax.random.key(0), got {key!r}.")
