"""`jno.core` and `jno.statistics`, imported when they are first asked for.

Training is a quarter of what there is to import, and those who write expressions, look up plugins or load nothing but
`jno.numpy` do without it.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """The members of the module `jno` that are not imported with it."""
    if name not in ("core", "statistics"):
        raise AttributeError(f"module 'jno' has no attribute {name!r}")
    from jno_core import _train

    return {"core": _train.Core, "statistics": _train.Statistics}[name]
