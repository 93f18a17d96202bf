"""What a callback needs from outside: optional packages, and a folder to write to."""

import numbers
from pathlib import Path

from jno_core import RunInfo
from jno_core.errors import JnoImportError, JnoValueError


def missing(callback: str, package: str, error: ImportError, extra: str | None = None) -> JnoImportError:
    """The error for an optional package that cannot be imported; its extra bears its name if there is no other."""
    return JnoImportError(
        f"The callback {callback!r} needs {package}, which cannot be imported ({error}). "
        f'Type: pip install "jno-plugin-callbacks[{extra or package}]"'
    )


def folder_of(callback: str, run: RunInfo, given: str | Path | None) -> Path:
    """The folder that was given, or that of the run.

    Raises `JnoValueError` if there is neither.
    """
    if given is not None:
        return Path(given)
    if run.directory is None:
        raise JnoValueError(
            f"The callback {callback!r} has no folder to write to. Call jno.setup(__file__) at the start of the script, or "
            "pass directory=..."
        )
    return run.directory


def check_positive(callback: str, **integers: int) -> None:
    """Raises `JnoValueError` for an argument that is not a positive integer."""
    for name, value in integers.items():
        if not (isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= 1):
            raise JnoValueError(f"The callback {callback!r} needs a positive integer as `{name}`, got {value!r}.")
