"""`jno.core`, `jno.statistics`, `jno.save` and their like, imported when they are first asked for.

Training is a quarter of what there is to import, and those who write expressions, look up plugins or load nothing but
`jno.numpy` do without it.
"""

from typing import Any

_TRAINING = {"core": "Core", "statistics": "Statistics"}
_FILES = ("load", "load_exported", "save")


def __getattr__(name: str) -> Any:
    """The members of the module `jno` that are not imported with it."""
    if name in _TRAINING:
        from jno_core import _train

        return getattr(_train, _TRAINING[name])
    if name in _FILES:
        from jno_core._train import files

        return getattr(files, name)
    raise AttributeError(f"module 'jno' has no attribute {name!r}")
