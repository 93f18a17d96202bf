"""How many arguments a function takes."""

import inspect
from collections.abc import Callable
from typing import Any


def accepts(fn: Callable[..., Any], count: int) -> bool:
    """Whether `fn` can be called with `count` positional arguments; `True` where that cannot be known."""
    try:
        inspect.signature(fn).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        # A few built-in functions have no signature.
        return True
    return True


def required(fn: Callable[..., Any]) -> int | None:
    """The number of positional arguments without a default; `None` where that cannot be known."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return None
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
