"""The project's seed."""

import os

from jno_core._settings.files import EXPECTED_SEED, SEEDS, get_config
from jno_core.errors import JnoValueError

DEFAULT_SEED = 42


def get_seed() -> int:
    """The seed of sampling, initialisation and training: `JNO_SEED`, else `[jno] seed` of the configuration, else 42.

    Raises `JnoValueError` when the environment variable or the key is not an integer from 0 to 2³² - 1.
    """
    text = os.environ.get("JNO_SEED")
    if text is None:
        return get_config().get("jno.seed", DEFAULT_SEED)
    try:
        seed = int(text)
    except ValueError:
        seed = None
    if seed is None or seed not in SEEDS:
        raise JnoValueError(f"The environment variable JNO_SEED must be {EXPECTED_SEED}; got {text!r}.")
    return seed
