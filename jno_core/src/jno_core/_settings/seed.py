"""The project's seed."""

import os

from jno_core._settings.files import get_config
from jno_core.errors import JnoValueError

DEFAULT_SEED = 42


def get_seed() -> int:
    """The seed of sampling, initialisation and training: `JNO_SEED`, else `[jno] seed` of the configuration, else 42.

    Raises `JnoValueError` when the variable or the key is not a non-negative integer.
    """
    text = os.environ.get("JNO_SEED")
    if text is None:
        seed, source = get_config().get("jno.seed", DEFAULT_SEED), "[jno] seed"
    else:
        source = "JNO_SEED"
        try:
            seed = int(text)
        except ValueError as e:
            raise JnoValueError(f"JNO_SEED must be an integer, got {text!r}.") from e
    if seed < 0:
        raise JnoValueError(f"{source} must not be negative, got {seed}.")
    return seed
