"""The files of a plugin, found without importing it."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from jno_core._registry import PluginRecord


def top_modules(records: Sequence[PluginRecord]) -> tuple[str, ...]:
    """The top-level modules that the entry points name, sorted."""
    return tuple(sorted({record.value.split(":")[0].split(".")[0].strip() for record in records} - {""}))


def folders(module: str) -> tuple[Path, ...]:
    """The folders of a top-level package; none for a single module, or one that is not there."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.submodule_search_locations is None:
        return ()
    return tuple(map(Path, spec.submodule_search_locations))


def source_files(module: str) -> tuple[Path, ...]:
    """The Python files of a top-level module, sorted; none if it is not there."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return ()
    if spec.submodule_search_locations is None:
        return (Path(spec.origin),) if spec.origin and spec.origin.endswith(".py") else ()
    return tuple(sorted(file for folder in folders(module) for file in folder.rglob("*.py")))
