"""What a loaded plugin says about itself."""

import dataclasses
import inspect
from typing import Any, final

from jno_core._interfaces import AbstractScheme
from jno_core._registry.record import PluginRecord


@final
@dataclasses.dataclass(frozen=True)
class PluginDescription:
    """A plugin in words.

    - `summary`: the first paragraph of its docstring on one line, or empty.
    - `signature`: how it is constructed, such as `"(order=2)"`.
    - `variants`: of a scheme, the names that may follow it after a colon.
    """

    record: PluginRecord
    summary: str
    signature: str
    variants: tuple[str, ...]


def describe(record: PluginRecord, obj: Any) -> PluginDescription:
    """The description of a record's object."""
    docstring = inspect.getdoc(obj) or ""
    try:
        signature = str(inspect.signature(obj))
    except ValueError:
        # Classes written in C may not tell.
        signature = "(...)"
    is_scheme = isinstance(obj, type) and issubclass(obj, AbstractScheme)
    variants = tuple(obj.variants) if is_scheme else ()
    return PluginDescription(record, " ".join(docstring.split("\n\n")[0].split()), signature, variants)
