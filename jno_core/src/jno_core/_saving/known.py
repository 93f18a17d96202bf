"""What names in a file may stand for: classes that this process has imported, plugins, and what the user passes.

No module is imported because a file names it. Plugins are loaded through the registry, which knows what is installed.
"""

import contextlib
import dataclasses
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import equinox as eqx
import equinox.nn
import paramax

import jno_core._graph.modules
from jno_core._registry import registry
from jno_core._registry.record import PluginRecord
from jno_core._saving.errors import NotRebuiltError
from jno_core._saving.trusted import trusted_function
from jno_core.errors import JnoTypeError, JnoValueError, PluginError

# What `jno` itself puts into graphs.
_DATA_CLASSES = frozenset(
    {
        "jno._hard_conditions:_Joined",
        "jno._hard_conditions:_Share",
        "jno._tracing:_Part",
        "jno._tracing:_WithNames",
        "jno_core._graph.rates:ConstantRate",
    }
)
# Libraries whose modules are at hand without an import by the user.
_LIBRARIES = (eqx.nn, paramax, jno_core._graph.modules)


@final
class Known:
    """Classes and functions by name.

    - `classes`: Equinox modules that the user passes.
    - `functions`: functions that the user passes, alone or under the names that the file has for them.
    """

    def __init__(
        self, classes: Iterable[type] = (), functions: Iterable[Callable[..., Any]] | Mapping[str, Any] = ()
    ) -> None:
        if isinstance(classes, type) or not all(isinstance(c, type) and issubclass(c, eqx.Module) for c in classes):
            raise JnoTypeError(f"classes= takes classes derived from equinox.Module in a list, got {classes!r}.")
        self._functions: dict[str, Any] = dict(functions) if isinstance(functions, Mapping) else _named(functions)  # pyright: ignore[reportAttributeAccessIssue]
        for name, fn in self._functions.items():
            if not callable(fn):
                raise JnoTypeError(f"functions= takes functions in a list, or by name; got {name!r}: {fn!r}.")
        self._classes = {qualified(c): c for c in classes}

    def module_class(self, name: str, plugin: list[str] | None) -> type:
        """The Equinox module class of a qualified name `package.module:Class`, or of a plugin.

        Raises `NotRebuiltError` saying what to import or to pass.
        """
        found = _plugin(plugin) if plugin else _passed(self._classes, name) or _imported(name)
        if not (isinstance(found, type) and issubclass(found, eqx.Module)):
            module, _, qualname = name.partition(":")
            raise NotRebuiltError(
                f"The class {qualname!r} of {module!r} is not known here, and loading imports nothing. Import it first "
                f"(import {module}), or pass it: classes=({qualname.rpartition('.')[2]},)."
            )
        return found

    def data_class(self, name: str, plugin: list[str] | None) -> type:
        """The frozen dataclass of that name, of jno or of an installed plugin. Raises `NotRebuiltError`."""
        found = _plugin(plugin) if plugin else None
        if found is None and (name in _DATA_CLASSES or _load_package(name)):
            found = _imported(name)
        if not (isinstance(found, type) and is_frozen_dataclass(found)):
            raise NotRebuiltError(f"{name!r} is no class that data may be put into: it is none of jno nor of a plugin.")
        return found

    def function(self, name: str) -> Callable[..., Any] | None:
        """The function of that name: one that the user passed, or a trusted one; else `None`."""
        return _passed(self._functions, name) or trusted_function(name)


def qualified(thing: Any) -> str:
    """The qualified name `package.module:Class.method` of a class or function."""
    module = getattr(thing, "__module__", None) or "unknown"
    return f"{module}:{getattr(thing, '__qualname__', None) or type(thing).__qualname__}"


def is_frozen_dataclass(cls: type) -> bool:
    """Whether data can be put into new instances of a class without calling anything of it."""
    return dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]


def is_data_class(cls: type) -> bool:
    """Whether instances of a class may be stored by their fields: frozen dataclasses of jno's list and of plugins."""
    name = qualified(cls)
    if not is_frozen_dataclass(cls) or issubclass(cls, eqx.Module):
        return False
    return name in _DATA_CLASSES or (name.split(".")[0].split(":")[0] in _packages() and _imported(name) is cls)


def plugin_record(cls: type) -> PluginRecord | None:
    """The record of the plugin that a class is, if it is one. Nothing is imported for it."""
    for status in registry.records():
        record = status.record
        if status.standing == "ok" and _imported(record.value, direct=False) is cls:
            return record
    return None


def _named(functions: Any) -> dict[str, Any]:
    if callable(functions):
        raise JnoTypeError(f"functions= takes functions in a list, as in functions=(f,); got {functions!r} alone.")
    found: dict[str, Any] = {}
    for fn in functions:
        if found.setdefault(qualified(fn), fn) is not fn:
            raise JnoValueError(
                f"functions= has two functions {qualified(fn)!r}. Pass them by the names that they have in the file: "
                "functions={name: f}; the message of jno.load without them gives the names."
            )
    return found


def _passed(things: Mapping[str, Any], name: str) -> Any:
    """What the user passed under a name, or, if no other has it, with that name in another module."""
    if name in things:
        return things[name]
    same = [thing for known, thing in things.items() if known.partition(":")[2] == name.partition(":")[2]]
    return same[0] if ":" in name and len(same) == 1 else None


def _imported(name: str, direct: bool = True) -> Any:
    """A class in an imported module: one that is defined there, or with `direct=False` one that is to be had from there."""
    module, _, qualname = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        if not isinstance(found, types.ModuleType | type):
            return None
        # Not by getattr: a module may import more when it is asked for a name.
        found = (
            object.__getattribute__(found, "__dict__").get(part)
            if isinstance(found, types.ModuleType)
            else (type.__getattribute__(found, "__dict__").get(part))
        )
    return found if not direct or (isinstance(found, type) and qualified(found) == name) else None


def _plugin(plugin: Any) -> Any:
    kind, name = plugin
    return registry.get(kind, name)


def _packages() -> dict[str, tuple[str, str]]:
    """The top-level packages of installed plugins, with a plugin of each."""
    records = [status.record for status in registry.records() if status.standing == "ok"]
    return {record.value.partition(":")[0].partition(".")[0]: (record.kind, record.name) for record in records}


def _load_package(name: str) -> bool:
    """Whether a class belongs to a plugin's package, which is then loaded."""
    package = name.partition(":")[0].partition(".")[0]
    if package not in _packages():
        return False
    with contextlib.suppress(PluginError):
        registry.get(*_packages()[package])
    return True
