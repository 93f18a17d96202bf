"""The near spelling that a message suggests."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or `None`."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)
