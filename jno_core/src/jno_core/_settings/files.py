"""Configuration files: `.jno.toml` in the working directory and `~/.jno/config.toml`, merged key by key.

| key | values | meaning |
|---|---|---|
| `[jno] seed` | integer | the seed of sampling, initialisation and training |
| `[jno] scheme` | string | the scheme of derivatives that name none |
| `[jno] diff_type` | `"forward"`, `"reverse"` | first-order automatic differentiation |
| `[jno] hessian_type` | `"fwd-over-rev"`, ... | second-order automatic differentiation |
| `[runs] base_dir` | string | where `setup` puts run folders |

The project's file wins over the user's, and an environment variable over both.
"""

import difflib
import functools
import os
import tomllib
import warnings
from pathlib import Path
from typing import Any

from jno_core.errors import JnoValueError, JnoWarning

FIRST_ORDER = ("forward", "reverse")
SECOND_ORDER = ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")

_KEYS: dict[str, tuple[type, tuple[str, ...] | None]] = {
    "jno.seed": (int, None),
    "jno.scheme": (str, None),
    "jno.diff_type": (str, FIRST_ORDER),
    "jno.hessian_type": (str, SECOND_ORDER),
    "runs.base_dir": (str, None),
}


def config_paths() -> tuple[Path, Path]:
    """The project's file and the user's file, whether they exist or not."""
    return Path.cwd() / ".jno.toml", Path(os.path.expanduser("~")) / ".jno" / "config.toml"


def get_config_path() -> Path | None:
    """The file that wins: the project's if it exists, else the user's, else `None`."""
    return next((path for path in config_paths() if path.is_file()), None)


def get_config() -> dict[str, Any]:
    """The merged configuration, `{"jno.seed": 7, ...}`. A file is read again when it has changed.

    Raises `JnoValueError` for a file that is not TOML or a value of the wrong type, naming file, line or key and what is allowed;
    warns with `JnoWarning` about an unknown key.
    """
    merged: dict[str, Any] = {}
    for path in reversed(config_paths()):
        if path.is_file():
            merged |= _read(path, path.stat().st_mtime_ns)
    return merged


def load_config(force: bool = False) -> dict[str, Any]:
    """The merged configuration; `force=True` reads the files again even if their time stamps are unchanged."""
    if force:
        _read.cache_clear()
    return get_config()


@functools.lru_cache(maxsize=16)
def _read(path: Path, modified: int) -> dict[str, Any]:
    del modified  # part of the cache's key: a changed file is a new entry
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise JnoValueError(f"The configuration file {path} is not valid TOML: {e}") from e
    known: dict[str, Any] = {}
    for section, entries in content.items():
        for name, value in (entries if isinstance(entries, dict) else {"": entries}).items():
            key = f"{section}.{name}" if name else section
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, 1)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(_KEYS)}."
                warnings.warn(f"Unknown key {key!r} in {path} is ignored.{hint}", JnoWarning, stacklevel=2)
                continue
            known[key] = _checked(key, value, path)
    return known


def _checked(key: str, value: Any, path: Path) -> Any:
    kind, allowed = _KEYS[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise JnoValueError(f"{key} in {path} must be {kind.__name__}, got {value!r}.")
    if allowed is not None and value not in allowed:
        raise JnoValueError(f"{key} in {path} must be one of {', '.join(allowed)}; got {value!r}.")
    return value
