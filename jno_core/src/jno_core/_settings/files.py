"""Configuration files: `.jno.toml` in the working directory and `~/.jno/config.toml`, merged key by key.

| key | values | meaning |
|---|---|---|
| `[jno] seed` | integer from 0 to 2³² - 1 | the seed of sampling, initialisation and training |
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
from collections.abc import Container
from pathlib import Path
from typing import Any

from jno_core.errors import JnoValueError, JnoWarning

FIRST_ORDER = ("forward", "reverse")
SECOND_ORDER = ("fwd-over-rev", "fwd-over-fwd", "rev-over-rev", "rev-over-fwd")
# jax.random.key silently drops all higher bits while 64-bit numbers are off, so larger seeds would collide.
SEEDS = range(2**32)
EXPECTED_SEED = f"an integer from 0 to {SEEDS[-1]}"

_KEYS: dict[str, tuple[type, Container[Any] | None, str]] = {
    "jno.seed": (int, SEEDS, EXPECTED_SEED),
    "jno.scheme": (str, None, "a string"),
    "jno.diff_type": (str, FIRST_ORDER, f"one of {FIRST_ORDER}"),
    "jno.hessian_type": (str, SECOND_ORDER, f"one of {SECOND_ORDER}"),
    "jno.compilation_cache": (str, None, "a string"),
    "runs.base_dir": (str, None, "a string"),
}


def config_paths() -> tuple[Path, Path]:
    """The project's file and the user's file, whether they exist or not."""
    return Path.cwd() / ".jno.toml", Path(os.path.expanduser("~")) / ".jno" / "config.toml"


def get_config_path() -> Path | None:
    """The file that wins: the project's if it exists, else the user's, else `None`."""
    return next(iter(_existing()), None)


def get_config() -> dict[str, Any]:
    """The merged configuration, `{"jno.seed": 7, ...}`. A file is read again when it has changed.

    Raises `JnoValueError` for a file that cannot be read, is not TOML or holds a value of the wrong type, naming file, line
    or key and what is allowed; warns with `JnoWarning` about an unknown key.
    """
    merged: dict[str, Any] = {}
    for path in reversed(_existing()):
        merged |= _read(path, path.stat().st_mtime_ns)
    return merged


def load_config(force: bool = False) -> dict[str, Any]:
    """The merged configuration; `force=True` reads the files again even if their time stamps are unchanged."""
    if force:
        _read.cache_clear()
    return get_config()


def _existing() -> list[Path]:
    # os.path.isfile, unlike Path.is_file, takes a folder that may not be entered (another user's home) for one without files.
    return [path for path in config_paths() if os.path.isfile(path)]


@functools.lru_cache(maxsize=16)
def _read(path: Path, modified: int) -> dict[str, Any]:
    del modified  # part of the cache's key: a changed file is a new entry
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise JnoValueError(f"The configuration file {path} is not valid TOML: {e}") from e
    except OSError as e:
        raise JnoValueError(f"The configuration file {path} cannot be read: {e.strerror}.") from e
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
    kind, allowed, expected = _KEYS[key]
    # TOML's true and false are not integers, though Python's are.
    if not isinstance(value, kind) or isinstance(value, bool) or (allowed is not None and value not in allowed):
        raise JnoValueError(f"{key} in {path} must be {expected}; got {value!r}.")
    return value
