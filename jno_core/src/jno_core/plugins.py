"""The plugins of this environment, for users: `jno.plugins`.

`list()` and `find()` read metadata only; `get()` and `show()` import the plugin that they are asked for.
"""

from contextlib import AbstractContextManager
from typing import Any

from jno_core._registry import PluginDescription, PluginRecord, PluginStatus, describe, registry


def list() -> tuple[PluginStatus, ...]:
    """Every plugin that is installed, with its standing. Imports none of them."""
    return registry.records()


def find(kind: str, name: str) -> PluginRecord:
    """The record that serves a name of a kind, such as `find("scheme", "automatic_differentiation")`.

    Imports nothing. `"package/name"` asks for that package's. Raises `PluginNotFoundError`, `PluginConflictError` if
    two packages provide the name, `PluginIncompatibleError` if it is provided for another level of the plugin API only,
    and `JnoKeyError` for an unknown kind.
    """
    return registry.find(kind, name)


def get(kind: str, name: str) -> Any:
    """The class (or function) of that name, imported.

    Raises what `find` raises, `PluginLoadError` if the import fails, and `PluginTypeError` if the object does not
    fulfil the contract of its kind.
    """
    return registry.get(kind, name)


def show(kind: str, name: str) -> PluginDescription:
    """What a plugin says about itself. Imports it; raises what `get` raises."""
    return describe(registry.find(kind, name), registry.get(kind, name))


def temporary(kind: str, name: str, obj: Any, override: bool = False) -> AbstractContextManager[None]:
    """Serves `obj` under a name for the length of a `with` block, without a package; for notebooks and tests.

        with jno.plugins.temporary("scheme", "mine", Mine):
            u.d(x, scheme="mine")

    Raises `PluginConflictError` if the name is taken and `override` is false, `PluginTypeError` if `obj` does not
    fulfil the contract of the kind, and `JnoValueError` for a name that breaks the grammar.
    """
    return registry.temporary(kind, name, obj, override)
